#include "ctl/clients/sha256.h"

#include <openssl/evp.h>

#include <array>

namespace netd::ctl {

Sha256::Sha256()
    : context_(::EVP_MD_CTX_new()),
      good_(context_ != nullptr &&
            ::EVP_DigestInit_ex(context_.get(), ::EVP_sha256(), nullptr) == 1) {}

void Sha256::Free::operator()(evp_md_ctx_st* context) const { ::EVP_MD_CTX_free(context); }

void Sha256::add(std::string_view data) {
  good_ = good_ && ::EVP_DigestUpdate(context_.get(), data.data(), data.size()) == 1;
}

std::string Sha256::hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (!good_ || ::EVP_DigestFinal_ex(context_.get(), digest.data(), &size) != 1) return {};
  good_ = false;
  std::string text;
  constexpr std::string_view kHex = "0123456789abcdef";
  for (unsigned i = 0; i < size; ++i) {
    text += kHex[digest.at(i) >> 4];
    text += kHex[digest.at(i) & 15];
  }
  return text;
}

}  // namespace netd::ctl
