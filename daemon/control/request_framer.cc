#include "daemon/control/request_framer.h"

#include <algorithm>
#include <cstring>

#include "daemon/base/text.h"

namespace netd::control {

namespace {

constexpr bool is_space(unsigned char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
constexpr bool is_digit(unsigned char c) { return c >= '0' && c <= '9'; }

// A number beyond what a double holds is grammatical, but hardly any reader takes it: it would be
// accepted here and then break whoever fetches it (RFC 8259, section 6). So many digits before the
// decimal point, and one more where the first is a 1: a double ends at 1.8e308.
constexpr std::uint32_t kMaxDecimalMagnitude = 308;

/// The bytes of a string that need no second look.
constexpr auto kPlain = [] {
  std::array<bool, 256> plain{};
  for (unsigned c = 0x20; c < 0x80; ++c) plain.at(c) = c != '"' && c != '\\';
  return plain;
}();

/// Whether none of eight bytes is a quote, a backslash, a control character or outside ASCII. By
/// the high bit of each byte: a subtraction borrows into it from a smaller one, and a borrow that
/// crosses into the next byte can only say no where the answer is no already.
bool all_plain(const char* bytes) {
  constexpr std::uint64_t kEach = 0x0101'0101'0101'0101;
  constexpr std::uint64_t kHigh = kEach << 7;
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof word);
  const auto zeros = [](std::uint64_t x) { return (x - kEach) & ~x; };
  return ((word | (word - kEach * 0x20) | zeros(word ^ (kEach * '"')) |
           zeros(word ^ (kEach * '\\'))) &
          kHigh) == 0;
}

}  // namespace

RequestFramer::Frame RequestFramer::next(std::string_view input) {
  std::size_t begin = 0;
  if (scanned_ == 0) {
    while (begin < input.size() && is_space(static_cast<unsigned char>(input[begin]))) ++begin;
  }
  const std::string_view text = input.substr(begin);
  const std::size_t end = std::min(text.size(), kMaxRequest);
  std::size_t at = scanned_;
  while (at < end) {
    if (state_ == State::string) {
      at = skip_plain(text.substr(0, end), at);
      if (at == end) break;
    }
    step(static_cast<unsigned char>(text[at]));
    ++at;
    if (state_ == State::done) {
      const Verdict verdict = first_is_object_ ? Verdict::object : Verdict::not_object;
      reset();
      return {verdict, text.substr(0, at), begin + at};
    }
    if (state_ == State::bad) return {Verdict::invalid, text, begin};
    if (state_ == State::deep) return {Verdict::too_deep, text, begin};
    if (depth_ == 0 && state_ >= State::minus && state_ <= State::exponent_digits) {
      return {Verdict::number, text, begin};
    }
  }
  scanned_ = at;
  if (text.size() >= kMaxRequest) return {Verdict::too_large, text, begin};
  return {Verdict::incomplete, {}, begin};
}

void RequestFramer::reset() { *this = RequestFramer(); }

/// Past the bytes of a string that change no state; most of every request.
std::size_t RequestFramer::skip_plain(std::string_view text, std::size_t at) const {
  while (at + sizeof(std::uint64_t) <= text.size() && all_plain(text.data() + at)) {
    at += sizeof(std::uint64_t);
  }
  while (at < text.size() && kPlain[static_cast<unsigned char>(text[at])]) ++at;
  return at;
}

void RequestFramer::step(unsigned char c) {
  switch (state_) {
    case State::string:
    case State::escape:
    case State::low_surrogate:
    case State::low_surrogate_u:
    case State::continuation:
      return step_string(c);
    case State::hex:
      return step_hex(c);
    case State::literal:
      if (c != static_cast<unsigned char>(*literal_)) {
        state_ = State::bad;
      } else if (*++literal_ == '\0') {
        end_value();
      }
      return;
    case State::minus:
    case State::zero:
    case State::integer:
    case State::point:
    case State::fraction:
    case State::exponent:
    case State::exponent_sign:
    case State::exponent_digits:
      return step_number(c);
    default:
      if (!is_space(c)) step_structure(c);
  }
}

void RequestFramer::step_structure(unsigned char c) {
  switch (state_) {
    case State::start:
      first_is_object_ = c == '{';
      return begin_value(c);
    case State::value:
      return begin_value(c);
    case State::first_element:
      return c == ']' ? close(false) : begin_value(c);
    case State::first_member:
      if (c == '}') return close(true);
      [[fallthrough]];
    case State::name:
      state_ = c == '"' ? State::string : State::bad;
      string_is_name_ = true;
      return;
    case State::colon:
      state_ = c == ':' ? State::value : State::bad;
      return;
    case State::after_value:
      if (c == ',') {
        state_ = in_object() ? State::name : State::value;
      } else if (c == '}' || c == ']') {
        close(c == '}');
      } else {
        state_ = State::bad;
      }
      return;
    default:
      state_ = State::bad;
  }
}

void RequestFramer::begin_value(unsigned char c) {
  const auto literal = [this](const char* rest) {
    literal_ = rest;
    state_ = State::literal;
  };
  switch (c) {
    case '{':
      return open(true);
    case '[':
      return open(false);
    case '"':
      string_is_name_ = false;
      state_ = State::string;
      return;
    case 't':
      return literal("rue");
    case 'f':
      return literal("alse");
    case 'n':
      return literal("ull");
    default:
      break;
  }
  if (c != '-' && !is_digit(c)) {
    state_ = State::bad;
    return;
  }
  digits_ = c == '-' || c == '0' ? 0 : 1;
  leads_with_one_ = c == '1';
  exponent_ = 0;
  exponent_negative_ = false;
  state_ = c == '-' ? State::minus : c == '0' ? State::zero : State::integer;
}

void RequestFramer::end_value() { state_ = depth_ == 0 ? State::done : State::after_value; }

void RequestFramer::open(bool object) {
  if (depth_ == kMaxDepth) {
    state_ = State::deep;
    return;
  }
  const std::uint64_t bit = std::uint64_t{1} << (depth_ % 64);
  std::uint64_t& word = objects_.at(depth_ / 64);
  word = object ? word | bit : word & ~bit;
  ++depth_;
  state_ = object ? State::first_member : State::first_element;
}

void RequestFramer::close(bool object) {
  if (in_object() != object) {
    state_ = State::bad;
    return;
  }
  --depth_;
  end_value();
}

/// Only asked inside an array or object.
bool RequestFramer::in_object() const {
  const unsigned level = depth_ - 1;
  return ((objects_.at(level / 64) >> (level % 64)) & 1) != 0;
}

void RequestFramer::step_string(unsigned char c) {
  switch (state_) {
    case State::escape:
      if (c == 'u') {
        expect_low_ = false;
        left_ = 4;
        code_unit_ = 0;
        state_ = State::hex;
      } else {
        constexpr std::string_view kEscapes = "\"\\/bfnrt";
        state_ = kEscapes.find(static_cast<char>(c)) == std::string_view::npos ? State::bad
                                                                               : State::string;
      }
      return;
    case State::low_surrogate:
      state_ = c == '\\' ? State::low_surrogate_u : State::bad;
      return;
    case State::low_surrogate_u:
      expect_low_ = true;
      left_ = 4;
      code_unit_ = 0;
      state_ = c == 'u' ? State::hex : State::bad;
      return;
    case State::continuation:
      if (c < low_ || c > high_) {
        state_ = State::bad;
        return;
      }
      low_ = 0x80;
      high_ = 0xBF;
      if (--left_ == 0) state_ = State::string;
      return;
    default:
      break;
  }
  if (c == '"') {
    if (string_is_name_) {
      state_ = State::colon;
    } else {
      end_value();
    }
  } else if (c == '\\') {
    state_ = State::escape;
  } else if (c < 0x20) {
    state_ = State::bad;
  } else if (c >= 0x80) {
    step_utf8_lead(c);
  }
}

/// Half of a surrogate pair alone is no character: refused, as most readers do (RFC 8259, 8.2).
void RequestFramer::step_hex(unsigned char c) {
  const int digit = hex_value(static_cast<char>(c));
  if (digit < 0) {
    state_ = State::bad;
    return;
  }
  code_unit_ = static_cast<std::uint16_t>((code_unit_ << 4) | digit);
  if (--left_ > 0) return;
  const bool high = code_unit_ >= 0xD800 && code_unit_ <= 0xDBFF;
  const bool low = code_unit_ >= 0xDC00 && code_unit_ <= 0xDFFF;
  if (low != expect_low_) {
    state_ = State::bad;
  } else {
    state_ = high ? State::low_surrogate : State::string;
  }
}

/// RFC 3629, section 4: no overlong forms, no surrogates, nothing over U+10FFFF.
void RequestFramer::step_utf8_lead(unsigned char c) {
  low_ = 0x80;
  high_ = 0xBF;
  if (c >= 0xC2 && c <= 0xDF) {
    left_ = 1;
  } else if (c >= 0xE0 && c <= 0xEF) {
    left_ = 2;
    if (c == 0xE0) low_ = 0xA0;
    if (c == 0xED) high_ = 0x9F;
  } else if (c >= 0xF0 && c <= 0xF4) {
    left_ = 3;
    if (c == 0xF0) low_ = 0x90;
    if (c == 0xF4) high_ = 0x8F;
  } else {
    state_ = State::bad;
    return;
  }
  state_ = State::continuation;
}

void RequestFramer::step_number(unsigned char c) {
  const bool digit = is_digit(c);
  switch (state_) {
    case State::minus:
      digits_ = c == '0' ? 0 : 1;
      leads_with_one_ = c == '1';
      state_ = !digit ? State::bad : c == '0' ? State::zero : State::integer;
      return;
    case State::point:
      state_ = digit ? State::fraction : State::bad;
      return;
    case State::exponent:
      if (c == '+' || c == '-') {
        exponent_negative_ = c == '-';
        state_ = State::exponent_sign;
        return;
      }
      [[fallthrough]];
    case State::exponent_sign:
      if (!digit) {
        state_ = State::bad;
        return;
      }
      state_ = State::exponent_digits;
      break;
    default:
      break;
  }
  if (digit && state_ != State::zero) {
    if (state_ == State::integer) ++digits_;
    if (state_ == State::exponent_digits) {
      exponent_ = std::min<std::uint32_t>(exponent_ * 10 + (c - '0'), 100'000);
    }
    return;
  }
  if (c == '.' && (state_ == State::zero || state_ == State::integer)) {
    state_ = State::point;
    return;
  }
  if ((c == 'e' || c == 'E') && state_ != State::exponent_digits) {
    state_ = State::exponent;
    return;
  }
  // The number ends here, and `c` belongs to what surrounds it.
  if (!exponent_negative_ &&
      digits_ + exponent_ > kMaxDecimalMagnitude + (leads_with_one_ ? 1 : 0)) {
    state_ = State::bad;
    return;
  }
  end_value();
  if (!is_space(c)) step_structure(c);
}

}  // namespace netd::control
