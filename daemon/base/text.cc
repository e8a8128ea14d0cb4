#include "daemon/base/text.h"

#include <time.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <limits>
#include <tuple>

namespace netd {

namespace {

constexpr char kHexDigits[] = "0123456789abcdef";

struct DurationUnit {
  std::string_view suffix;
  std::uint64_t milliseconds;
};

// Longest first for formatting; parsing compares the whole suffix.
constexpr std::array<DurationUnit, 5> kDurationUnits = {{
    {"d", 86'400'000},
    {"h", 3'600'000},
    {"min", 60'000},
    {"s", 1'000},
    {"ms", 1},
}};

struct SizeUnit {
  char suffix;
  unsigned shift;
};

/// At least `width` digits; `value` is not negative.
void append_padded(std::string& out, long value, std::size_t width) {
  const std::size_t begin = out.size();
  append_decimal(out, static_cast<std::uint64_t>(value));
  const std::size_t length = out.size() - begin;
  if (length < width) out.insert(begin, width - length, '0');
}

constexpr std::array<SizeUnit, 3> kSizeUnits = {{{'G', 30}, {'M', 20}, {'K', 10}}};

/// Printable ASCII that stands for itself between the quotes of a JSON string.
constexpr bool is_plain_in_json(char c) { return c >= 0x20 && c < 0x7F && c != '"' && c != '\\'; }

/// U+0080 to U+009F: terminals take some for the start of an escape sequence.
constexpr bool is_c1_control(std::string_view text) {
  return text.size() > 1 && text[0] == '\xC2' && (text[1] & 0xE0) == 0x80;
}

/// The length of the character at the start; 0 for a control and for what is no UTF-8.
std::size_t harmless_length(std::string_view text) {
  const auto byte = static_cast<unsigned char>(text.front());
  if (byte < 0x80) return byte >= 0x20 && byte != 0x7F ? 1 : 0;
  return is_c1_control(text) ? 0 : utf8_sequence_length(text);
}

}  // namespace

std::size_t utf8_sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xBF) {
    return i < text.size() && byte(i) >= low && byte(i) <= high;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const unsigned low = first == 0xE0 ? 0xA0 : 0x80;
    const unsigned high = first == 0xED ? 0x9F : 0xBF;
    return continues(1, low, high) && continues(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const unsigned low = first == 0xF0 ? 0x90 : 0x80;
    const unsigned high = first == 0xF4 ? 0x8F : 0xBF;
    return continues(1, low, high) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

void append_hex(std::string& out, char byte) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  const auto value = static_cast<unsigned char>(byte);
  out += kDigits[value >> 4];
  out += kDigits[value & 15];
}

void append_clean(std::string& out, std::string_view text) {
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size();) {
    const std::string_view rest = text.substr(i);
    if (const std::size_t length = harmless_length(rest); length > 0) {
      i += length;
      continue;
    }
    out.append(text, begin, i - begin);
    const bool c1 = is_c1_control(rest);
    const auto byte = static_cast<unsigned char>(rest[c1 ? 1 : 0]);
    out += c1 ? "\\u00" : "\\x";
    out += {kHexDigits[byte >> 4], kHexDigits[byte & 15]};
    i += c1 ? 2 : 1;
    begin = i;
  }
  out.append(text, begin);
}

std::string to_ascii_lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = ascii_lower(c);
  return lower;
}

bool iequals(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return ascii_lower(x) == ascii_lower(y);
         });
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const auto first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

std::vector<std::string_view> split_words(std::string_view text) {
  std::vector<std::string_view> words;
  std::size_t at = 0;
  while ((at = text.find_first_not_of(" \t", at)) != std::string_view::npos) {
    const auto end = std::min(text.find_first_of(" \t", at), text.size());
    words.push_back(text.substr(at, end - at));
    at = end;
  }
  return words;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  std::size_t at = 0;
  for (;;) {
    const auto end = text.find(separator, at);
    parts.push_back(text.substr(at, end - at));
    if (end == std::string_view::npos) return parts;
    at = end + 1;
  }
}

std::optional<std::uint64_t> parse_decimal(std::string_view text) {
  std::uint64_t value = 0;
  if (text.empty() || !is_ascii_digit(text.front())) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

void append_decimal(std::string& out, std::uint64_t number) {
  std::array<char, std::numeric_limits<std::uint64_t>::digits10 + 1> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), end);
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = parse_decimal(text.substr(0, digits));
  if (!number) return std::nullopt;
  const auto suffix = text.substr(digits);
  if (suffix.empty()) {
    if (*number == 0) return std::chrono::milliseconds(0);
    return std::nullopt;
  }
  for (const auto& unit : kDurationUnits) {
    if (suffix != unit.suffix) continue;
    // steady_clock counts nanoseconds in 63 bits; a century is far inside.
    constexpr std::uint64_t kCentury = 100ULL * 366 * 86'400'000;
    if (*number > kCentury / unit.milliseconds) return std::nullopt;
    return std::chrono::milliseconds(*number * unit.milliseconds);
  }
  return std::nullopt;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  unsigned shift = 0;
  for (const auto& unit : kSizeUnits) {
    if (!text.empty() && text.back() == unit.suffix) {
      shift = unit.shift;
      text.remove_suffix(1);
      break;
    }
  }
  const auto number = parse_decimal(text);
  if (!number || *number > (std::numeric_limits<std::uint64_t>::max() >> shift)) {
    return std::nullopt;
  }
  return *number << shift;
}

std::string format_duration(std::chrono::milliseconds value) {
  const auto count = static_cast<std::uint64_t>(value.count());
  if (count == 0) return "0";
  for (const auto& unit : kDurationUnits) {
    if (count % unit.milliseconds == 0) {
      return std::to_string(count / unit.milliseconds) + std::string(unit.suffix);
    }
  }
  return std::to_string(count) + "ms";
}

std::string format_size(std::uint64_t bytes) {
  for (const auto& unit : kSizeUnits) {
    if (bytes != 0 && bytes % (std::uint64_t{1} << unit.shift) == 0) {
      return std::to_string(bytes >> unit.shift) + unit.suffix;
    }
  }
  return std::to_string(bytes);
}

std::string printable(std::string_view bytes, std::size_t limit) {
  std::string out;
  for (const char c : bytes) {
    if (out.size() >= limit) {
      out += "...";
      break;
    }
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7F && c != '\\') {
      out += c;
    } else {
      out += {'\\', 'x', kHexDigits[byte >> 4], kHexDigits[byte & 15]};
    }
  }
  return out;
}

std::string json_quote(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  append_json_quoted(out, text);
  return out;
}

void append_json_quoted(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    // Nearly all text is printable ASCII and needs no look at each character.
    const auto plain =
        static_cast<std::size_t>(std::ranges::find_if_not(text, is_plain_in_json) - text.begin());
    out += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.empty()) break;
    const auto byte = static_cast<unsigned char>(text.front());
    const std::size_t length = utf8_sequence_length(text);
    if (length == 0) {
      out += "\xEF\xBF\xBD";
      text.remove_prefix(1);
      continue;
    }
    if (byte == '"' || byte == '\\') {
      out += {'\\', text.front()};
    } else if (byte == '\n') {
      out += "\\n";
    } else if (byte == '\r') {
      out += "\\r";
    } else if (byte == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7F) {
      out += "\\u00";
      out += {kHexDigits[byte >> 4], kHexDigits[byte & 15]};
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  out += '"';
}

void append_utf8(std::string& out, std::uint32_t code) {
  const auto put = [&out](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) return put(code);
  if (code < 0x800) {
    put(0xC0 | (code >> 6));
  } else if (code < 0x10000) {
    put(0xE0 | (code >> 12));
    put(0x80 | ((code >> 6) & 0x3F));
  } else {
    put(0xF0 | (code >> 18));
    put(0x80 | ((code >> 12) & 0x3F));
    put(0x80 | ((code >> 6) & 0x3F));
  }
  put(0x80 | (code & 0x3F));
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_sequence_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string format_rfc3339(WallTime time) {
  const auto since_epoch =
      std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch()).count();
  const auto milliseconds = ((since_epoch % 1000) + 1000) % 1000;
  const std::time_t seconds = (since_epoch - milliseconds) / 1000;
  std::tm parts{};
  (void)::gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  std::string out(text.data(), length);
  out += '.';
  out += static_cast<char>('0' + milliseconds / 100);
  out += static_cast<char>('0' + milliseconds / 10 % 10);
  out += static_cast<char>('0' + milliseconds % 10);
  out += 'Z';
  return out;
}

std::string format_rfc5322(const std::tm& parts) {
  constexpr std::array<std::string_view, 7> kDays = {"Sun, ", "Mon, ", "Tue, ", "Wed, ",
                                                     "Thu, ", "Fri, ", "Sat, "};
  constexpr std::array<std::string_view, 12> kMonths = {" Jan ", " Feb ", " Mar ", " Apr ",
                                                        " May ", " Jun ", " Jul ", " Aug ",
                                                        " Sep ", " Oct ", " Nov ", " Dec "};
  const long minutes = parts.tm_gmtoff / 60;
  // Not strftime: names of days must not follow a locale. Nor printf, which is slow: each mail that
  // comes in has one.
  std::string out(kDays.at(static_cast<std::size_t>(parts.tm_wday)));
  append_padded(out, parts.tm_mday, 2);
  out += kMonths.at(static_cast<std::size_t>(parts.tm_mon));
  append_padded(out, parts.tm_year + 1900, 4);
  out += ' ';
  append_padded(out, parts.tm_hour, 2);
  out += ':';
  append_padded(out, parts.tm_min, 2);
  out += ':';
  append_padded(out, parts.tm_sec, 2);
  out += minutes < 0 ? " -" : " +";
  append_padded(out, std::labs(minutes) / 60, 2);
  append_padded(out, std::labs(minutes) % 60, 2);
  return out;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

std::string_view nearest_word(std::string_view word, std::span<const std::string_view> known) {
  constexpr std::size_t kMaxWord = 64;
  if (word.size() > kMaxWord) return {};
  const std::size_t tolerance = std::max<std::size_t>(1, word.size() / 3);  // more is guessing
  std::string_view best;
  std::tuple<std::size_t, bool, std::size_t> best_rank;
  for (const std::string_view candidate : known) {
    if (candidate.size() > word.size() + tolerance) continue;
    const auto shared = static_cast<std::size_t>(std::ranges::mismatch(word, candidate).in1 -
                                                 word.begin());  // of the beginning
    const std::tuple rank{edit_distance(word, candidate),
                          !std::ranges::is_permutation(word, candidate), kMaxWord - shared};
    if (std::get<0>(rank) > tolerance || (!best.empty() && rank >= best_rank)) continue;
    best = candidate;
    best_rank = rank;
  }
  return best;
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> known) {
  const std::string_view meant = nearest_word(word, known);
  return meant.empty() ? std::string() : ": did you mean " + std::string(meant) + "?";
}

}  // namespace netd
