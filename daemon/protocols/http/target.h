// The request target and the Host field: what resource is asked for (RFC 9112, section 3).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "daemon/protocols/http/request.h"

namespace netd::http {

/// What a request asks for. One a worker, used again: its strings keep their capacity.
struct Target {
  enum class Form : std::uint8_t { origin, absolute, authority, asterisk };

  Form form = Form::origin;
  std::string host;        ///< lower case, without port and trailing dot; empty when not said
  std::string path;        ///< percent-decoded once, dot segments removed; begins with '/'
  std::string_view query;  ///< without the '?', as received; view into the request
  bool has_query = false;
  bool has_encoded_slash = false;  ///< the path held %2F: no file can be meant
  bool has_dot_segments = false;   ///< some were removed, or hide behind an encoded slash

  int status = 0;           ///< not 0: refused with this status
  std::string_view reason;  ///< then: why, for people
};

/// Fills `target` from the request line and the Host fields. Whatever is malformed is refused with
/// 400: no host said in HTTP/1.1; a Host field given twice, or not `uri-host [":" port]`; user
/// information; bytes that are no UTF-8; broken percent-encoding; an encoded NUL; dot segments that
/// leave the root.
void read_target(const Request& request, Target& target);

}  // namespace netd::http
