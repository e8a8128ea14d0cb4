#include "daemon/protocols/smtp/idn.h"

#include <idn2.h>

#include <memory>

#include "daemon/base/text.h"

namespace netd::smtp {

std::string domain_key(std::string_view domain) {
  std::string lower = to_ascii_lower(domain);
  // Most names have no A-label. One with a NUL in it has none, either: C would not see its end.
  if (lower.find("xn--") == std::string::npos || lower.find('\0') != std::string::npos) {
    return lower;
  }
  char* decoded = nullptr;
  if (::idn2_to_unicode_8z8z(lower.c_str(), &decoded, 0) != IDN2_OK) return lower;
  const std::unique_ptr<char, decltype(&::idn2_free)> owner(decoded, ::idn2_free);
  return decoded;
}

}  // namespace netd::smtp
