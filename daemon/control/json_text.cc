#include "daemon/control/json_text.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "daemon/base/text.h"
#include "daemon/control/request_framer.h"

namespace netd::control {

namespace {

constexpr bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

std::size_t skip_space(std::string_view text, std::size_t at) {
  while (at < text.size() && is_space(text[at])) ++at;
  return at;
}

/// Past the closing quote of the string that begins at `at`.
std::size_t skip_string(std::string_view text, std::size_t at) {
  const std::size_t begin = at + 1;
  for (std::size_t from = begin;;) {
    const std::size_t quote = text.find('"', from);
    if (quote == std::string_view::npos) return text.size();
    // A quote ends the string unless an odd number of backslashes stands before it.
    std::size_t escapes = 0;
    while (quote - escapes > begin && text[quote - escapes - 1] == '\\') ++escapes;
    if (escapes % 2 == 0) return quote + 1;
    from = quote + 1;
  }
}

std::size_t skip_scalar(std::string_view text, std::size_t at) {
  while (at < text.size() && text[at] != ',' && text[at] != ']' && text[at] != '}' &&
         !is_space(text[at])) {
    ++at;
  }
  return at;
}

/// Past the value that begins at `at`.
std::size_t skip_value(std::string_view text, std::size_t at) {
  std::size_t depth = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"') {
      at = skip_string(text, at);
    } else if (c == '{' || c == '[') {
      ++depth;
      ++at;
      continue;
    } else if (c == '}' || c == ']') {
      if (depth == 0) return at;
      --depth;
      ++at;
    } else if (depth == 0) {
      return skip_scalar(text, at);
    } else {
      ++at;
      continue;
    }
    if (depth == 0) return at;
  }
  return text.size();
}

std::uint32_t hex4(std::string_view digits) {
  std::uint32_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  return value;
}

/// `body` is what stands between the quotes.
std::string decode(std::string_view body) {
  std::size_t escaped = body.find('\\');
  if (escaped == std::string_view::npos) return std::string(body);
  std::string out;
  out.reserve(body.size());
  for (std::size_t at = 0; at < body.size(); ++at) {
    if (body[at] != '\\') {
      out += body[at];
      continue;
    }
    const char escape = body[++at];
    if (escape != 'u') {
      constexpr std::string_view kLetters = "bfnrt";
      constexpr std::string_view kMeanings = "\b\f\n\r\t";
      const auto letter = kLetters.find(escape);
      out += letter == std::string_view::npos ? escape : kMeanings[letter];
      continue;
    }
    std::uint32_t code = hex4(body.substr(at + 1, 4));
    at += 4;
    if (code >= 0xD800 && code <= 0xDBFF) {  // the framer saw the other half
      code = 0x10000 + ((code - 0xD800) << 10) + (hex4(body.substr(at + 3, 4)) - 0xDC00);
      at += 6;
    }
    append_utf8(out, code);
  }
  return out;
}

/// A number as it is written.
class Digits {
 public:
  template <class Number>
  explicit Digits(Number value) {
    end_ = std::to_chars(text_.data(), text_.data() + text_.size(), value).ptr;
  }
  // NOLINTNEXTLINE(google-explicit-constructor): it is nothing but a text.
  operator std::string_view() const {
    return {text_.data(), static_cast<std::size_t>(end_ - text_.data())};
  }

 private:
  std::array<char, 32> text_{};  // the longest, a double, has 24
  char* end_ = nullptr;
};

std::string_view body_of(std::string_view quoted) { return quoted.substr(1, quoted.size() - 2); }

/// `digits`, the first of which is not 0, with the decimal point behind the first `point` of them.
std::string decimal(std::string digits, std::int64_t point) {
  constexpr std::int64_t kMostDigits = 15;  // what every reader holds exactly
  constexpr std::int64_t kMostZeros = 5;
  const auto count = static_cast<std::int64_t>(digits.size());
  if (point > kMostDigits || point < -kMostZeros) {
    if (count > 1) digits.insert(1, 1, '.');
    return digits + "e" + std::to_string(point - 1);
  }
  if (point <= 0) return "0." + std::string(static_cast<std::size_t>(-point), '0') + digits;
  if (point >= count) return digits.append(static_cast<std::size_t>(point - count), '0');
  return digits.insert(static_cast<std::size_t>(point), 1, '.');
}

/// By its decimal digits, not by a double that may stand for several numbers.
std::string canonical_number(std::string_view number) {
  const bool whole = number.find_first_of(".eE") == std::string_view::npos;
  if (whole && number != "-0") return std::string(number);
  const std::string_view sign = number.starts_with('-') ? "-" : "";
  const std::string_view mantissa =
      number.substr(sign.size(), number.find_first_of("eE") - sign.size());
  std::int64_t exponent = 0;
  if (const auto at = number.find_first_of("eE"); at != std::string_view::npos) {
    std::string_view text = number.substr(at + 1);
    if (text.starts_with('+')) text.remove_prefix(1);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), exponent);
    constexpr std::int64_t kMost = 1'000'000;
    if (error != std::errc() || std::abs(exponent) > kMost) return std::string(number);
  }
  const std::size_t point = std::min(mantissa.find('.'), mantissa.size());
  std::string digits(mantissa.substr(0, point));
  if (point < mantissa.size()) digits += mantissa.substr(point + 1);
  const std::size_t zeros = digits.find_first_not_of('0');
  if (zeros == std::string::npos) return "0";
  digits.erase(0, zeros);
  digits.erase(digits.find_last_not_of('0') + 1);
  const std::int64_t place = static_cast<std::int64_t>(point) - static_cast<std::int64_t>(zeros);
  return std::string(sign) + decimal(std::move(digits), place + exponent);
}

}  // namespace

bool is_json(std::string_view text) {
  // Inside an array a number has an end, and so every value can be asked for alike.
  RequestFramer framer;
  std::string wrapped;
  wrapped.reserve(text.size() + 2);
  wrapped += '[';
  wrapped += text;
  wrapped += ']';
  const auto frame = framer.next(wrapped);
  if (frame.verdict != RequestFramer::Verdict::not_object || frame.consumed != wrapped.size()) {
    return false;
  }
  const auto elements = json_elements(wrapped);
  return elements && elements->size() == 1;
}

std::string compact_json(std::string_view value) {
  std::string out;
  out.reserve(value.size());
  for (std::size_t at = 0; at < value.size();) {
    std::size_t end = at;
    while (end < value.size() && !is_space(value[end])) {
      end = value[end] == '"' ? skip_string(value, end) : end + 1;
    }
    out += value.substr(at, end - at);
    at = skip_space(value, end);
  }
  return out;
}

Result<JsonMembers> JsonMembers::parse(std::string_view object) {
  JsonMembers result;
  std::size_t at = skip_space(object, skip_space(object, 0) + 1);
  while (at < object.size() && object[at] == '"') {
    if (result.all().size() == kMaxMembers) {
      return fail("an object has at most " + std::to_string(kMaxMembers) + " members");
    }
    const std::size_t name_end = skip_string(object, at);
    std::string_view name = body_of(object.substr(at, name_end - at));
    if (name.find('\\') != std::string_view::npos) {
      result.decoded_.reserve(kMaxMembers);  // what members point to must not move
      name = result.decoded_.emplace_back(decode(name));
    }
    const std::size_t colon = skip_space(object, name_end);
    const std::size_t begin = skip_space(object, colon + 1);
    const std::size_t end = skip_value(object, begin);
    if (result.find_any(name)) return fail("member " + printable(name, 40) + " is given twice");
    result.add({name, object.substr(begin, end - begin)});
    at = skip_space(object, end);
    if (at < object.size() && object[at] == ',') at = skip_space(object, at + 1);
  }
  return result;
}

void JsonMembers::add(const Member& member) {
  if (many_.empty() && count_ < first_.size()) {
    first_[count_++] = member;
    return;
  }
  if (many_.empty()) many_.assign(first_.begin(), first_.end());
  many_.push_back(member);
}

std::optional<std::string_view> JsonMembers::find_any(std::string_view name) const {
  for (const Member& member : all()) {
    if (member.name == name) return member.value;
  }
  return std::nullopt;
}

std::optional<std::string_view> JsonMembers::find(std::string_view name) const {
  const auto value = find_any(name);
  if (value && *value == "null") return std::nullopt;
  return value;
}

std::optional<std::vector<std::string_view>> json_elements(std::string_view value) {
  if (!value.starts_with('[')) return std::nullopt;
  std::vector<std::string_view> elements;
  std::size_t at = skip_space(value, 1);
  while (at < value.size() && value[at] != ']') {
    const std::size_t end = skip_value(value, at);
    elements.push_back(value.substr(at, end - at));
    at = skip_space(value, end);
    if (at < value.size() && value[at] == ',') at = skip_space(value, at + 1);
  }
  return elements;
}

std::optional<std::string> json_string(std::string_view value) {
  if (!value.starts_with('"')) return std::nullopt;
  return decode(body_of(value));
}

std::optional<bool> json_bool(std::string_view value) {
  if (value == "true") return true;
  if (value == "false") return false;
  return std::nullopt;
}

std::optional<double> json_number(std::string_view value) {
  if (value.empty() || (value.front() != '-' && !is_ascii_digit(value.front()))) {
    return std::nullopt;
  }
  double number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error == std::errc::result_out_of_range) return 0.0;  // too small: the framer bounds above
  if (error != std::errc() || end != value.data() + value.size()) return std::nullopt;
  return number;
}

std::optional<std::int64_t> json_integer(std::string_view value) {
  std::int64_t whole = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), whole);
  if (error == std::errc() && end == value.data() + value.size()) return whole;
  const auto number = json_number(value);
  constexpr double kExact = 9007199254740992.0;  // 2^53: beyond it a double skips whole numbers
  if (!number || std::abs(*number) > kExact || *number != std::trunc(*number)) return std::nullopt;
  return static_cast<std::int64_t>(*number);
}

bool json_is_object(std::string_view value) { return value.starts_with('{'); }

std::optional<std::string> json_canonical(std::string_view value) {
  if (value.starts_with('"')) {
    const bool canonical = value.find_first_of("\\\x7F") == std::string_view::npos;
    return canonical ? std::string(value) : json_quote(decode(body_of(value)));
  }
  if (!json_number(value)) return std::nullopt;
  return canonical_number(value);
}

void JsonWriter::name(std::string_view name) {
  if (text_.size() > 1) text_ += ',';
  text_ += '"';
  text_ += name;
  text_ += "\":";
}

JsonWriter& JsonWriter::add(std::string_view member, std::string_view text) {
  name(member);
  append_json_quoted(text_, text);
  return *this;
}

JsonWriter& JsonWriter::add(std::string_view name, bool value) {
  return add_raw(name, value ? "true" : "false");
}

JsonWriter& JsonWriter::add(std::string_view name, std::int64_t value) {
  return add_raw(name, Digits(value));
}

JsonWriter& JsonWriter::add(std::string_view name, std::uint64_t value) {
  return add_raw(name, Digits(value));
}

JsonWriter& JsonWriter::add_milliseconds(std::string_view member, std::int64_t value) {
  name(member);
  if (value < 0) text_ += '-';
  const std::uint64_t size = value < 0 ? std::uint64_t{0} - static_cast<std::uint64_t>(value)
                                       : static_cast<std::uint64_t>(value);
  text_ += Digits(size / 1000);
  const auto rest = static_cast<unsigned>(size % 1000);
  if (rest == 0) return *this;
  std::array<char, 4> digits{'.', static_cast<char>('0' + rest / 100),
                             static_cast<char>('0' + rest / 10 % 10),
                             static_cast<char>('0' + rest % 10)};
  text_.append(digits.data(), rest % 10 != 0 ? 4 : rest % 100 != 0 ? 3 : 2);
  return *this;
}

JsonWriter& JsonWriter::add_decimal(std::string_view name, double value) {
  if (!std::isfinite(value)) return add_raw(name, "null");
  return add_raw(name, Digits(std::round(value * 1000.0) / 1000.0));
}

JsonWriter& JsonWriter::add_raw(std::string_view member, std::string_view json) {
  name(member);
  text_ += json;
  return *this;
}

JsonWriter& JsonWriter::add_list(std::string_view name, const std::vector<std::string>& texts) {
  std::vector<std::string> quoted;
  quoted.reserve(texts.size());
  for (const auto& text : texts) quoted.push_back(json_quote(text));
  return add_raw(name, json_array(quoted));
}

std::string JsonWriter::object() {
  text_ += '}';
  return std::exchange(text_, "{");
}

std::string json_array(const std::vector<std::string>& values) {
  std::string out = "[";
  for (const auto& value : values) {
    if (out.size() > 1) out += ',';
    out += value;
  }
  return out + "]";
}

}  // namespace netd::control
