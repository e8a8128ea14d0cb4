// Cuts a stream of bytes into JSON texts and checks them (RFC 8259) in the same pass.
//
// Of our own because three things are needed that the packaged parser does not give: it can stop
// and resume at any byte, it tells at the first wrong byte that a text is not JSON (somebody who
// types by hand must not wait for an answer until he closes a brace), and it leaves the text as it
// is, so that what a client stores comes back digit for digit. The fuzz target holds its verdicts
// against nlohmann's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace netd::control {

/// The state of one stream. Needs no memory beyond itself, whatever comes.
class RequestFramer {
 public:
  /// Of one request, without the white space around it.
  static constexpr std::size_t kMaxRequest = std::size_t{1} << 20;
  /// Arrays and objects inside each other.
  static constexpr unsigned kMaxDepth = 512;

  enum class Verdict : std::uint8_t {
    incomplete,  ///< no whole text yet; only leading white space is consumed
    object,      ///< `text` is one JSON object
    not_object,  ///< `text` is one JSON array, string, true, false or null
    number,      ///< a bare number: where it ends cannot be told, so the stream is lost
    invalid,     ///< not JSON; the stream is lost
    too_large,   ///< the stream is lost
    too_deep,    ///< the stream is lost
  };

  struct Frame {
    Verdict verdict = Verdict::incomplete;
    std::string_view text;     ///< points into the input
    std::size_t consumed = 0;  ///< of the input, from its start to the end of `text`
  };

  /// `input` begins with what the last call did not consume. After a verdict that loses the stream
  /// there is nothing more to ask.
  [[nodiscard]] Frame next(std::string_view input);

  /// Whether the last call left the beginning of a text.
  [[nodiscard]] bool in_text() const { return scanned_ > 0; }

 private:
  enum class State : std::uint8_t {
    start,          // before a text
    value,          // a value must follow
    first_element,  // after [: a value or ]
    first_member,   // after {: a name or }
    name,           // after , in an object
    colon,
    after_value,  // , or the closing bracket
    string,
    escape,
    hex,              // in \uXXXX
    low_surrogate,    // a \ must follow
    low_surrogate_u,  // its u must follow
    continuation,     // of a UTF-8 sequence
    literal,
    minus,
    zero,
    integer,
    point,
    fraction,
    exponent,
    exponent_sign,
    exponent_digits,
    done,
    bad,
    deep,
  };

  void step(unsigned char c);
  void step_structure(unsigned char c);
  void step_string(unsigned char c);
  void step_hex(unsigned char c);
  void step_utf8_lead(unsigned char c);
  void step_number(unsigned char c);
  void begin_value(unsigned char c);
  void end_value();
  void open(bool object);
  void close(bool object);
  [[nodiscard]] bool in_object() const;
  [[nodiscard]] std::size_t skip_plain(std::string_view text, std::size_t at) const;
  void reset();

  std::size_t scanned_ = 0;  // bytes of the current text that have been looked at
  std::array<std::uint64_t, kMaxDepth / 64> objects_{};  // one bit a level: object, not array
  unsigned depth_ = 0;
  State state_ = State::start;
  bool string_is_name_ = false;
  bool first_is_object_ = false;
  bool exponent_negative_ = false;
  bool expect_low_ = false;   // the \u escape being read must be a low surrogate
  std::uint8_t left_ = 0;     // hex digits, UTF-8 bytes or letters of a literal still to come
  unsigned char low_ = 0x80;  // bounds of the next UTF-8 continuation byte
  unsigned char high_ = 0xBF;
  std::uint16_t code_unit_ = 0;
  const char* literal_ = nullptr;  // the rest of true, false or null
  std::uint32_t digits_ = 0;       // before the decimal point
  bool leads_with_one_ = false;    // of them
  std::uint32_t exponent_ = 0;
};

}  // namespace netd::control
