#include "daemon/base/error.h"

#include <cstring>

namespace netd {

Error Error::within(std::string_view doing) const {
  std::string what(doing);
  what += ": ";
  what += what_;
  return Error(std::move(what), code_);
}

Error system_error(std::string_view doing, int code) {
  char buffer[128];
  // The GNU strerror_r may answer with a constant string instead of filling the buffer.
  const char* reason = ::strerror_r(code, buffer, sizeof buffer);
  std::string what(doing);
  what += ": ";
  what += reason;
  return Error(std::move(what), code);
}

}  // namespace netd
