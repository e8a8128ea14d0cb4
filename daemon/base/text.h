// Small operations on text that several layers need. All are locale-free and work on bytes.
#pragma once

#include <chrono>
#include <cstdint>
#include <ctime>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/clock.h"

namespace netd {

[[nodiscard]] constexpr bool is_ascii_digit(char c) { return c >= '0' && c <= '9'; }
[[nodiscard]] constexpr bool is_ascii_alpha(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
[[nodiscard]] constexpr char ascii_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
/// The value of a hexadecimal digit of either case, or -1.
[[nodiscard]] constexpr int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
/// A byte as two upper-case hexadecimal digits.
void append_hex(std::string& out, char byte);

/// The text with control characters escaped as \xNN, those of C1 (U+0080 to U+009F) as in JSON, and
/// what is no UTF-8 as \xNN: a client's bytes must not forge lines of a log, nor hide one from
/// readers of the journal, which shows none that has such octets. JSON stays JSON.
void append_clean(std::string& out, std::string_view text);
[[nodiscard]] std::string to_ascii_lower(std::string_view text);

/// ASCII case-insensitive comparison, as protocol keywords are compared.
[[nodiscard]] bool iequals(std::string_view a, std::string_view b);

/// Without spaces, tabs, CR and LF at both ends.
[[nodiscard]] std::string_view trim(std::string_view text);

/// The words between runs of spaces and tabs.
[[nodiscard]] std::vector<std::string_view> split_words(std::string_view text);

/// The parts between the separators; "a,,b" has an empty one.
[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char separator);

/// All of `text` as a decimal number: no sign, no space; nothing on overflow.
[[nodiscard]] std::optional<std::uint64_t> parse_decimal(std::string_view text);

/// The number's digits behind what `out` has.
void append_decimal(std::string& out, std::uint64_t number);

/// "250ms", "30s", "5min", "2h", "1d"; a bare "0". Nothing for anything else.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

/// "512", "64K", "10M", "1G" (powers of 1024). Nothing for anything else or on overflow.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);

/// The shortest form that parse_duration reads back: "1500ms", "30s", "5min".
[[nodiscard]] std::string format_duration(std::chrono::milliseconds value);

/// The shortest form that parse_size reads back: "64K".
[[nodiscard]] std::string format_size(std::uint64_t bytes);

/// Bytes as a person can read them in one line of a log: printable ASCII as it is, the rest as
/// \xHH, cut to `limit` characters with "..." at the end.
[[nodiscard]] std::string printable(std::string_view bytes, std::size_t limit = 120);

/// The text as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD.
[[nodiscard]] std::string json_quote(std::string_view text);
/// The same behind what `out` has.
void append_json_quoted(std::string& out, std::string_view text);

/// The UTF-8 of a code point, at most U+10FFFF.
void append_utf8(std::string& out, std::uint32_t code);
/// Whether all of `text` is well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms).
[[nodiscard]] bool is_utf8(std::string_view text);
/// The length of the well-formed UTF-8 sequence (RFC 3629, section 4) that `text`, which is not
/// empty, begins with; 0 where it begins with none.
[[nodiscard]] std::size_t utf8_sequence_length(std::string_view text);

/// RFC 3339 with milliseconds in UTC: "2026-11-22T15:35:18.250Z".
[[nodiscard]] std::string format_rfc3339(WallTime time);

/// RFC 5322, section 3.3: "Sun, 22 Nov 2026 16:00:00 +0000". `parts` as gmtime_r(3) or
/// localtime_r(3) filled it, with its offset.
[[nodiscard]] std::string format_rfc5322(const std::tm& parts);

/// The edit distance of two short words (Damerau-Levenshtein, adjacent swaps count one).
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

/// For "did you mean": the one of `known` that is nearest to `word`, at most one edit for three
/// characters away; of several the one with the same letters (two of them were swapped), then the
/// one that begins like the word for longest. Empty when there is none, and for a word of more than
/// 64 bytes.
[[nodiscard]] std::string_view nearest_word(std::string_view word,
                                            std::span<const std::string_view> known);
/// ": did you mean WORD?" with the nearest; empty when there is none.
[[nodiscard]] std::string did_you_mean(std::string_view word,
                                       std::span<const std::string_view> known);
/// The same of a table's rows, each with its name in that member.
template <typename Row>
[[nodiscard]] std::string did_you_mean(std::string_view word, std::span<const Row> rows,
                                       std::string_view Row::* name) {
  std::vector<std::string_view> known;
  for (const Row& row : rows) known.push_back(row.*name);
  return did_you_mean(word, known);
}

}  // namespace netd
