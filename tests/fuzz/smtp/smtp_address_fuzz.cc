// Any path: what is read is written and read again to the same, stays within its limits, and has a
// folder that stays below the Maildir root.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "daemon/base/text.h"
#include "daemon/protocols/smtp/address.h"
#include "daemon/protocols/smtp/idn.h"
#include "daemon/protocols/smtp/maildir.h"

using netd::smtp::PathKind;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check_folder(std::string_view local) {
  const auto name = netd::smtp::mailbox_folder_name(local);
  if (!name) return;
  require(!name->empty() && name->size() <= 255 && name->front() != '.');
  for (const char c : *name) require(static_cast<unsigned char>(c) > ' ' && c != '/' && c != 0x7F);
}

void check(std::string_view text, PathKind kind) {
  const auto parsed = netd::smtp::parse_path(text, kind);
  if (!parsed) return;
  const netd::smtp::Address& address = parsed->address;
  require(parsed->rest.empty() ||
          (parsed->rest.data() >= text.data() &&
           parsed->rest.data() + parsed->rest.size() <= text.data() + text.size()));
  if (address.null) {
    require(kind == PathKind::reverse && address.local.empty() && address.domain.empty());
    return;
  }
  require(address.domain.size() <= netd::smtp::kMaxDomain);
  require(address.local.find_first_of("\r\n") == std::string::npos);
  require(address.domain.find_first_of("/\r\n ") == std::string::npos);
  const std::string key = netd::smtp::domain_key(address.domain);
  require(netd::is_utf8(key) && key.find_first_of("/\r\n ") == std::string::npos);
  require(netd::is_utf8(address.local) && netd::is_utf8(address.domain));
  check_folder(address.local);
  const std::string written = '<' + address.text() + '>';
  if (written.size() > netd::smtp::kMaxPath) return;  // quotes that the source did not need
  const auto again = netd::smtp::parse_path(written, kind);
  require(again && again->address == address && again->rest.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check(text, PathKind::reverse);
  check(text, PathKind::forward);
  [[maybe_unused]] const auto mailbox = netd::smtp::parse_mailbox(text);
  return 0;
}
