// The text of a message as it comes over the wire: finds its end, takes transparency dots out, and
// notes what a message must not have.
//
// Only CRLF is a line end, and only CRLF "." CRLF is the end of DATA (RFC 5321, section 4.1.1.4). A
// CR or LF alone is a character like others: what differs between servers here is what lets one
// message be smuggled inside another.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace netd::smtp {

enum class Framing : std::uint8_t {
  dot,      ///< DATA: ends with a line of one dot; lines that start with a dot have one more
  counted,  ///< BDAT: the caller knows the length; dots are text
};

class DataStream {
 public:
  /// With `normalise`, a CR or LF that stands alone leaves as CRLF; without it, as it came.
  explicit DataStream(Framing framing, bool normalise = false)
      : framing_(framing), normalise_(normalise) {}

  struct Step {
    std::size_t consumed = 0;
    bool ended = false;  ///< the line of one dot was consumed; nothing behind it was
  };

  /// Reads from `input` and appends the message's octets to `out`, until the end of either or until
  /// `out` has `limit` octets (and at most 3 more). Any division of the octets into calls gives the
  /// same result. Not to be called again after `ended`.
  Step feed(std::string_view input, std::string& out, std::size_t limit);

  /// The same, and the octets are dropped: only the end matters any more.
  Step skip(std::string_view input);

  /// Framing::counted: the message ends here. A CR that was last stands alone.
  void finish(std::string& out);

  [[nodiscard]] bool has_bare_cr() const { return bare_cr_; }
  [[nodiscard]] bool has_bare_lf() const { return bare_lf_; }
  /// Octets of the message so far, transparency dots not counted.
  [[nodiscard]] std::uint64_t size() const { return size_; }
  /// Octets of the longest line so far, its line end not counted.
  [[nodiscard]] std::uint64_t longest_line() const { return std::max(longest_line_, line_); }
  /// How many fields named Received the message's header has so far (RFC 5321, section 6.3).
  [[nodiscard]] unsigned received_fields() const { return received_fields_; }

 private:
  enum class At : std::uint8_t {
    line_start,
    dot,     ///< a dot that started the line, held back
    dot_cr,  ///< and a CR after it
    text,
    cr,  ///< a CR, held back
  };

  std::size_t take_lines(std::string_view input, std::string& out);
  std::size_t step(std::string_view input, std::string& out);
  void take_text(std::string_view text, std::string& out);
  void take_line_end(std::string& out);
  void take_bare(char c, std::string& out);
  void watch_header(std::string_view text);
  void emit(std::string_view octets, std::string& out);

  std::uint64_t size_ = 0;
  std::uint64_t line_ = 0;  // octets of this line so far
  std::uint64_t longest_line_ = 0;
  unsigned received_fields_ = 0;
  const Framing framing_;
  const bool normalise_;
  At at_ = At::line_start;
  bool ended_ = false;
  bool bare_cr_ = false;
  bool bare_lf_ = false;
  bool dropping_ = false;
  bool in_header_ = true;
  std::uint8_t name_matched_ = 0;  // octets of "Received:" that this header line has matched
};

}  // namespace netd::smtp
