// SHA-256 (FIPS 180-4), the checksum that `netctl connect` tells of a file.
#pragma once

#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;  // NOLINT(readability-identifier-naming): libcrypto's EVP_MD_CTX

namespace netd::ctl {

class Sha256 {
 public:
  Sha256();

  void add(std::string_view data);
  /// 64 hexadecimal digits, as sha256sum(1) prints them; empty when libcrypto cannot, as where its
  /// configuration takes the algorithm away. Nothing may be added afterwards.
  [[nodiscard]] std::string hex();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };

  std::unique_ptr<evp_md_ctx_st, Free> context_;
  bool good_;
};

}  // namespace netd::ctl
