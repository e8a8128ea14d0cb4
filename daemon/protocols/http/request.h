// A request's head as it was received: views into the bytes, nothing interpreted but the names.
#pragma once

#include <cstdint>
#include <string_view>

#include "daemon/protocols/http/field_table.h"

namespace netd::http {

enum class Method : std::uint8_t {
  get,
  head,
  post,
  put,
  patch,
  del,
  options,
  trace,
  connect,
  other,  ///< a token that names no method known here
};

[[nodiscard]] Method method_of(std::string_view text);

/// One a worker, used again for every request: too large to be a part of a session.
class Request : public FieldTable {
 public:
  Method method = Method::other;
  unsigned minor_version = 1;  ///< of HTTP/1.x; 2 and above are treated as 1
  std::string_view method_text;
  std::string_view target;
  std::string_view line;         ///< the whole request line
  bool mixed_line_ends = false;  ///< some lines of the head end in CRLF, others in a bare LF

  void clear();
};

}  // namespace netd::http
