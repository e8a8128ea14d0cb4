// Character classes of RFC 9110 (section 5.6) and RFC 3986 as tables, and other atoms of syntax.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace netd::http {

using CharClass = std::uint8_t;
inline constexpr CharClass kToken = 1;        ///< tchar, RFC 9110, section 5.6.2
inline constexpr CharClass kFieldText = 2;    ///< in a field value: VCHAR, obs-text, SP, HTAB
inline constexpr CharClass kTargetText = 4;   ///< in a request-target: see below
inline constexpr CharClass kHostText = 8;     ///< reg-name but pct-encoded and ',': see below
inline constexpr CharClass kHexDigit = 16;    ///< HEXDIG, either case
inline constexpr CharClass kEtagText = 32;    ///< etagc, RFC 9110, section 8.8.3
inline constexpr CharClass kQuotedText = 64;  ///< qdtext, RFC 9110, section 5.6.4

// A request-target is taken as it comes but for what could end it or means something elsewhere:
// controls, space, DEL, and '#', which never goes over the wire. Bytes over 0x7F are accepted where
// they are UTF-8: they frame nothing, and people type them.
//
// A comma may stand in a reg-name (RFC 3986, section 3.2.2), but in a Host field it is what joins
// two of them (RFC 9110, section 5.3).
constexpr std::array<std::uint8_t, 256> make_char_classes() {
  std::array<std::uint8_t, 256> table{};
  const auto mark = [&table](std::string_view chars, CharClass which) {
    for (const char c : chars) {
      table[static_cast<unsigned char>(c)] =
          static_cast<std::uint8_t>(table[static_cast<unsigned char>(c)] | which);
    }
  };
  constexpr std::string_view kAlphaDigit =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  mark(kAlphaDigit, kToken);
  mark("!#$%&'*+-.^_`|~", kToken);
  mark(kAlphaDigit, kHostText);
  mark("-._~!$&'()*+;=", kHostText);
  mark("0123456789ABCDEFabcdef", kHexDigit);
  for (unsigned c = 0; c < 256; ++c) {
    const bool visible = c > 0x20 && c != 0x7F;
    unsigned classes = table[c];
    if (visible || c == ' ' || c == '\t') classes |= kFieldText;
    if (visible && c != '#') classes |= kTargetText;
    if (visible && c != '"') classes |= kEtagText;
    if ((visible || c == ' ' || c == '\t') && c != '"' && c != '\\') classes |= kQuotedText;
    table[c] = static_cast<std::uint8_t>(classes);
  }
  return table;
}

inline constexpr std::array<std::uint8_t, 256> kCharClasses = make_char_classes();

[[nodiscard]] constexpr bool is_char(char c, CharClass which) {
  return (kCharClasses[static_cast<unsigned char>(c)] & which) != 0;
}

/// Whether `text` is not empty and all of it belongs to the class.
[[nodiscard]] constexpr bool is_all(std::string_view text, CharClass which) {
  for (const char c : text) {
    if (!is_char(c, which)) return false;
  }
  return !text.empty();
}

/// Without optional white space (SP, HTAB) at both ends.
[[nodiscard]] constexpr std::string_view trim_ows(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace netd::http
