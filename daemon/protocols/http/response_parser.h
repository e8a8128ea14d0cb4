// Reads what an instance of a service answers: the head (RFC 9112, section 4), and where the body
// ends (section 6.3).
#pragma once

#include <cstdint>
#include <string_view>

#include "daemon/protocols/http/field_table.h"

namespace netd::http {

/// The head of an answer, as views into the bytes that it was read from. One a worker, used again.
class ResponseHead : public FieldTable {
 public:
  unsigned minor_version = 1;  ///< of HTTP/1.x
  int status = 0;              ///< 100 to 599
  std::string_view reason;     ///< may be empty
};

/// Takes an answer by the grammar and no other way, for whoever reads it more leniently further on
/// might see another message: CRLF only, no folding, no space before a colon, no control character.
///
/// The result depends on the bytes alone and never on how they were cut into reads.
class ResponseParser {
 public:
  static constexpr std::size_t kMaxHead = std::size_t{64} << 10;

  enum class State : std::uint8_t { incomplete, complete, refused };

  /// `input` begins where the answer begins, and holds again what an earlier call has seen. When
  /// complete, `head` holds views into `input`; before, it is not touched.
  [[nodiscard]] State parse(std::string_view input, ResponseHead& head);

  /// After complete: the bytes of the head.
  [[nodiscard]] std::size_t size() const { return size_; }
  /// After refused: why, for people.
  [[nodiscard]] std::string_view reason() const { return reason_; }

 private:
  State refuse(std::string_view reason);
  bool take_status_line(std::string_view line, ResponseHead& head);
  bool take_field(std::string_view line, ResponseHead& head);

  std::size_t scanned_ = 0;  // no end of the head begins before this
  std::size_t size_ = 0;
  std::string_view reason_;
};

struct ResponseFraming {
  enum class Body : std::uint8_t { none, length, chunked, until_close };
  std::string_view refusal = {};  ///< not empty: the answer is refused, and why
  Body body = Body::none;
  std::uint64_t content_length = 0;
  bool has_content_length = false;  ///< with no body: what a GET would have got
  bool keep_alive = false;          ///< the instance keeps the connection
};

/// `to_head`: it answers a HEAD request. Whatever is ambiguous is refused.
[[nodiscard]] ResponseFraming read_response_framing(const ResponseHead& head, bool to_head);

}  // namespace netd::http
