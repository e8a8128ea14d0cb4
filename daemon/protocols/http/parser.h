// Reads a request's head (RFC 9112, sections 2 to 5) out of bytes that arrive in any pieces.
#pragma once

#include <cstdint>
#include <string_view>

#include "daemon/protocols/http/request.h"

namespace netd::http {

struct HeadLimits {
  std::uint32_t max_line = 8192;   ///< bytes of the request line, its line end included
  std::uint32_t max_head = 16384;  ///< bytes of the whole head, likewise
  std::uint32_t max_fields = 128;  ///< at most Request::kMaxFields
};

/// Strict where leniency would let two readers see two different requests: no folding, no space
/// before a colon, no bare CR, no control character anywhere. Lenient where a person types: a bare
/// LF ends a line of the head (Request tells where that was mixed with CRLF), and a few empty lines
/// may come first (RFC 9112, section 2.2).
///
/// The result depends on the bytes alone and never on how they were cut into reads; every byte is
/// looked at no more than three times.
class HeadParser {
 public:
  enum class State : std::uint8_t { incomplete, complete, refused };

  /// `input` begins where the request begins, and holds again what an earlier call has seen. When
  /// complete, `request` holds views into `input`. `request` may have served others in between.
  [[nodiscard]] State parse(std::string_view input, const HeadLimits& limits, Request& request);

  /// After complete: the bytes of the head with the empty lines before it.
  [[nodiscard]] std::uint32_t size() const { return line_; }
  /// After refused: 400, 414, 431, 501 or 505.
  [[nodiscard]] int status() const { return status_; }
  /// After refused: why, for people.
  [[nodiscard]] std::string_view reason() const { return reason_; }
  /// After refused, with the same input: puts into `request` what is known of its first line, so
  /// that the refusal can be logged and, to HEAD, has no content. The line need not be valid.
  void describe(std::string_view input, const HeadLimits& limits, Request& request) const;
  /// After incomplete: whether anything but empty lines was seen.
  [[nodiscard]] bool started() const { return line_ > begin_ || scanned_ > line_; }

  /// For the next request.
  void reset() { *this = HeadParser(); }

 private:
  static constexpr unsigned kMaxEmptyLines = 8;

  State refuse(int status, std::string_view reason);
  /// `line`: as much of the request line as is looked at.
  State refuse_long_line(std::string_view line);
  State run(std::string_view input, const HeadLimits& limits, Request& request);
  // These return incomplete where parsing goes on.
  State take_request_line(std::string_view line, Request& request);
  State take_version(std::string_view version, Request& request);
  State take_field(std::string_view line, const HeadLimits& limits, Request& request);

  std::uint32_t begin_ = 0;    // where the request line begins
  std::uint32_t line_ = 0;     // where the line begins that has not ended yet
  std::uint32_t scanned_ = 0;  // all before this is known to hold no line end after line_
  std::uint16_t fields_ = 0;
  std::uint16_t status_ = 0;
  std::uint8_t empty_lines_ = 0;
  bool has_line_ = false;  // the request line is complete
  bool has_lf_ = false;    // a line of the head ended in a bare LF
  bool has_crlf_ = false;
  std::string_view reason_;
};

}  // namespace netd::http
