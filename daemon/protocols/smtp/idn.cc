#include "daemon/protocols/smtp/idn.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "daemon/base/text.h"

namespace netd::smtp {

namespace {

// RFC 3492, section 5.
constexpr std::uint32_t kBase = 36;
constexpr std::uint32_t kThresholdMin = 1;
constexpr std::uint32_t kThresholdMax = 26;
constexpr std::uint32_t kSkew = 38;
constexpr std::uint32_t kDamp = 700;
constexpr std::uint32_t kInitialBias = 72;
constexpr std::uint32_t kFirstCodePoint = 0x80;

/// A label has 63 octets: no number in one that stands for a name comes near this.
constexpr std::uint64_t kLargest = 0xFFFF'FFFF;
constexpr std::uint32_t kLastCodePoint = 0x10FFFF;

constexpr std::uint32_t kNoDigit = kBase;

std::uint32_t digit_of(char c) {
  if (c >= 'a' && c <= 'z') return static_cast<std::uint32_t>(c - 'a');
  if (is_ascii_digit(c)) return static_cast<std::uint32_t>(c - '0') + 26;
  return kNoDigit;
}

/// Section 6.1.
std::uint32_t adapted_bias(std::uint32_t delta, std::uint32_t count, bool first) {
  delta /= first ? kDamp : 2;
  delta += delta / count;
  std::uint32_t bias = 0;
  while (delta > (kBase - kThresholdMin) * kThresholdMax / 2) {
    delta /= kBase - kThresholdMin;
    bias += kBase;
  }
  return bias + (kBase - kThresholdMin + 1) * delta / (delta + kSkew);
}

/// Takes a generalised variable-length integer off `text` (section 3.3).
std::optional<std::uint32_t> take_number(std::string_view& text, std::uint32_t bias) {
  std::uint64_t number = 0;
  std::uint64_t weight = 1;
  for (std::uint32_t k = kBase; !text.empty(); k += kBase) {
    const std::uint32_t digit = digit_of(text.front());
    text.remove_prefix(1);
    number += digit * weight;
    if (digit == kNoDigit || number > kLargest) return {};
    const std::uint32_t threshold =
        k <= bias ? kThresholdMin : std::clamp(k - bias, kThresholdMin, kThresholdMax);
    if (digit < threshold) return static_cast<std::uint32_t>(number);
    weight *= kBase - threshold;
    if (weight > kLargest) return {};
  }
  return {};
}

/// Section 6.2, of what follows "xn--", in lower case; nothing when that is not Punycode.
std::optional<std::string> decode_punycode(std::string_view text) {
  const auto is_beyond_ascii = [](char c) { return static_cast<unsigned char>(c) >= 0x80; };
  if (std::ranges::any_of(text, is_beyond_ascii)) return {};
  std::u32string decoded;
  if (const std::size_t hyphen = text.rfind('-'); hyphen != std::string_view::npos) {
    decoded.assign(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(hyphen));
    text.remove_prefix(hyphen + 1);
  }
  if (text.empty()) return {};
  std::uint64_t code_point = kFirstCodePoint;
  std::uint64_t position = 0;
  std::uint32_t bias = kInitialBias;
  for (bool first = true; !text.empty(); first = false) {
    const auto delta = take_number(text, bias);
    if (!delta) return {};
    const auto count = static_cast<std::uint32_t>(decoded.size() + 1);
    bias = adapted_bias(*delta, count, first);
    position += *delta;
    code_point += position / count;
    position %= count;
    const bool is_surrogate = code_point >= 0xD800 && code_point < 0xE000;
    if (code_point > kLastCodePoint || is_surrogate) return {};
    decoded.insert(static_cast<std::size_t>(position++), 1, static_cast<char32_t>(code_point));
  }
  std::string result;
  for (const char32_t c : decoded) append_utf8(result, c);
  return result;
}

}  // namespace

std::string domain_key(std::string_view domain) {
  constexpr std::string_view kPrefix = "xn--";
  const std::string lower = to_ascii_lower(domain);
  std::string key;
  for (const std::string_view label : split(lower, '.')) {
    if (!key.empty()) key += '.';
    std::optional<std::string> decoded;
    if (label.starts_with(kPrefix)) decoded = decode_punycode(label.substr(kPrefix.size()));
    key += decoded ? *decoded : label;
  }
  return key;
}

}  // namespace netd::smtp
