// What a request's fields say about the message itself: where its body ends (RFC 9112, section 6),
// whether the connection lives on (section 9.3), and what the client waits for (RFC 9110, 10.1.1).
#pragma once

#include <cstdint>
#include <string_view>

#include "daemon/protocols/http/request.h"

namespace netd::http {

struct Framing {
  int status = 0;                ///< not 0: the message is refused with this status
  std::string_view reason = {};  ///< then: why, for people
  std::uint64_t content_length = 0;
  bool chunked = false;
  bool keep_alive = false;  ///< as far as the client is concerned
  bool expects_continue = false;

  [[nodiscard]] bool has_body() const { return chunked || content_length > 0; }
};

/// Refuses with 400, 417 or 501 whatever is ambiguous: a message whose end two readers could see in
/// two places is not served.
[[nodiscard]] Framing read_framing(const Request& request);

}  // namespace netd::http
