#include "ctl/mime_decode.h"

#include <iconv.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "daemon/base/text.h"

namespace netd::ctl {

namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::size_t kMaxCharsetName = 64;
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr std::size_t kColumns = 76;

void append_escaped(std::string& to, char c) {
  to += '=';
  append_hex(to, c);
}

/// UTF-8 with what is none replaced, byte by byte.
std::string repaired(std::string_view bytes) {
  if (is_utf8(bytes)) return std::string(bytes);
  std::string result;
  while (!bytes.empty()) {
    std::size_t length = 1;
    while (length <= 4 && length <= bytes.size() && !is_utf8(bytes.substr(0, length))) ++length;
    if (length <= 4 && length <= bytes.size()) {
      result += bytes.substr(0, length);
      bytes.remove_prefix(length);
    } else {
      result += kReplacement;
      bytes.remove_prefix(1);
    }
  }
  return result;
}

/// RFC 2978, section 2.3. iconv(3) reads more into a name: "//IGNORE", and paths.
bool is_charset_name(std::string_view name) {
  for (const char c : name) {
    const bool good = is_ascii_alpha(c) || is_ascii_digit(c) ||
                      std::string_view("!#$%&'+-^_`{}~.:()").find(c) != std::string_view::npos;
    if (!good) return false;
  }
  return name.size() <= kMaxCharsetName;
}

class Converter {
 public:
  explicit Converter(const std::string& charset)
      : handle_(::iconv_open("UTF-8", charset.c_str())) {}
  ~Converter() {
    if (is_open()) ::iconv_close(handle_);
  }
  Converter(const Converter&) = delete;
  Converter& operator=(const Converter&) = delete;

  [[nodiscard]] bool is_open() const {
    return reinterpret_cast<std::intptr_t>(handle_) != -1;  // what iconv_open(3) says of failure
  }

  std::string convert(std::string bytes) {
    std::string result;
    std::array<char, 4096> buffer{};
    char* from = bytes.data();
    std::size_t left = bytes.size();
    while (left > 0) {
      char* to = buffer.data();
      std::size_t room = buffer.size();
      const std::size_t done = ::iconv(handle_, &from, &left, &to, &room);
      result.append(buffer.data(), buffer.size() - room);
      if (done != static_cast<std::size_t>(-1) || errno == E2BIG || left == 0) continue;
      result += kReplacement;
      ++from;
      --left;
    }
    return result;
  }

 private:
  iconv_t handle_;
};

/// "=?utf-8?Q?...?=" taken apart.
struct EncodedWord {
  std::string charset;
  std::string bytes;
  std::size_t length = 0;
};

/// Where "?=" is. A blank, or another word's start, comes only where this one has no end; to look
/// further would read a header full of such starts once for each.
std::size_t end_of_encoded(std::string_view text, std::size_t at) {
  for (; at + 1 < text.size() && text[at] != ' ' && text[at] != '\t'; ++at) {
    const std::string_view here = text.substr(at);
    if (here.starts_with("?=")) return at;
    if (here.starts_with("=?") && !here.starts_with("=?=")) break;
  }
  return std::string_view::npos;
}

std::optional<EncodedWord> encoded_word(std::string_view text) {
  if (!text.starts_with("=?")) return {};
  const std::size_t charset_end = text.find('?', 2);
  if (charset_end == std::string_view::npos || charset_end + 2 >= text.size()) return {};
  const char encoding = ascii_lower(text[charset_end + 1]);
  if (text[charset_end + 2] != '?') return {};
  const std::size_t end = end_of_encoded(text, charset_end + 3);
  if (end == std::string_view::npos) return {};
  const std::string_view encoded = text.substr(charset_end + 3, end - charset_end - 3);
  EncodedWord word;
  std::string_view charset = text.substr(2, charset_end - 2);
  charset = charset.substr(0, charset.find('*'));  // RFC 2231, section 5: a language
  word.charset = to_ascii_lower(charset);
  word.length = end + 2;
  if (encoding == 'b') {
    word.bytes = decode_base64(encoded);
  } else if (encoding == 'q') {
    word.bytes = decode_quoted_printable(encoded, true);
  } else {
    return {};
  }
  return word;
}

bool is_plain_ascii(std::string_view text) {
  for (const char c : text) {
    if (c < ' ' || c > '~') return false;
  }
  return text.find("=?") == std::string_view::npos;
}

/// By octet: what it is worth in base64, or -1.
constexpr std::array<std::int8_t, 256> make_base64_values() {
  std::array<std::int8_t, 256> values{};
  values.fill(-1);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::int8_t>(i);
  }
  return values;
}
constexpr auto kBase64Values = make_base64_values();

}  // namespace

std::string decode_base64(std::string_view text) {
  std::string result;
  result.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    if (c == '=') break;
    const std::int8_t value = kBase64Values[static_cast<unsigned char>(c)];
    if (value < 0) continue;
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    result += static_cast<char>(bits >> count & 0xFF);
  }
  return result;
}

std::string decode_quoted_printable(std::string_view text, bool underscore_is_space) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '_' && underscore_is_space) {
      result += ' ';
    } else if (c != '=') {
      result += c;
    } else if (i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0) {
      result += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      i += 2;
    } else {
      // A soft line break, with the blanks that may have been added on the way.
      const std::size_t end = text.find_first_not_of(" \t\r", i + 1);
      if (end == std::string_view::npos) break;
      if (text[end] == '\n') {
        i = end;
      } else {
        result += c;
      }
    }
  }
  return result;
}

std::string to_utf8(std::string_view bytes, std::string_view charset) {
  if (charset.empty() || iequals(charset, "utf-8") || iequals(charset, "us-ascii") ||
      iequals(charset, "utf8") || !is_charset_name(charset)) {
    return repaired(bytes);
  }
  Converter converter{std::string(charset)};
  return converter.is_open() ? converter.convert(std::string(bytes)) : repaired(bytes);
}

std::string decode_header(std::string_view value) {
  std::string result;
  std::string pending;  // of encoded words in one character set: a character may span two
  std::string charset;
  std::string blanks;  // dropped between two encoded words, kept elsewhere
  bool after_word = false;
  const auto flush = [&] {
    result += to_utf8(pending, charset);
    pending.clear();
  };
  std::string text;  // unfolded, with blanks for tabs
  for (const char c : value) {
    if (c != '\r' && c != '\n') text += c == '\t' ? ' ' : c;
  }
  for (std::string_view rest = text; !rest.empty();) {
    if (rest.front() == ' ') {
      blanks += ' ';
      rest.remove_prefix(1);
      continue;
    }
    if (auto word = encoded_word(rest)) {
      if (!after_word) result += blanks;
      if (after_word && word->charset != charset) flush();
      charset = std::move(word->charset);
      pending += word->bytes;
      after_word = true;
      rest.remove_prefix(word->length);
    } else {
      flush();
      result += blanks;
      const std::size_t end = std::min(rest.find_first_of(" =", 1), rest.size());
      result += repaired(rest.substr(0, end));
      after_word = false;
      rest.remove_prefix(end);
    }
    blanks.clear();
  }
  flush();
  return std::string(trim(result));
}

std::string encode_base64(std::string_view bytes) {
  std::string result;
  std::size_t column = 0;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto octet = [&](std::size_t at) {
      return at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : 0U;
    };
    const std::uint32_t bits = octet(i) << 16 | octet(i + 1) << 8 | octet(i + 2);
    result += kAlphabet[bits >> 18];
    result += kAlphabet[bits >> 12 & 63];
    result += i + 1 < bytes.size() ? kAlphabet[bits >> 6 & 63] : '=';
    result += i + 2 < bytes.size() ? kAlphabet[bits & 63] : '=';
    column += 4;
    if (column < kColumns) continue;
    result += "\r\n";
    column = 0;
  }
  if (column > 0) result += "\r\n";
  return result;
}

std::string encode_quoted_printable(std::string_view text) {
  std::string result;
  std::size_t column = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n' || text.substr(i).starts_with("\r\n")) {
      result += "\r\n";
      column = 0;
      if (c == '\r') ++i;
      continue;
    }
    const bool at_end = i + 1 == text.size() || text[i + 1] == '\n' || text[i + 1] == '\r';
    const bool literal = (c > ' ' && c <= '~' && c != '=') || ((c == ' ' || c == '\t') && !at_end);
    const std::size_t width = literal ? 1 : 3;
    if (column + width >= kColumns) {
      result += "=\r\n";
      column = 0;
    }
    if (literal) {
      result += c;
    } else {
      append_escaped(result, c);
    }
    column += width;
  }
  return result;
}

std::string encode_header(std::string_view text) {
  // Encoded words are also what brings a long text into lines of a length that is allowed.
  constexpr std::size_t kMaxPlain = 900;
  if (text.size() <= kMaxPlain && is_plain_ascii(text)) return std::string(text);
  constexpr std::size_t kWordColumns = 60;
  std::string result;
  std::string word;
  const auto flush = [&] {
    if (!result.empty()) result += "\r\n ";
    result += "=?utf-8?Q?" + word + "?=";
    word.clear();
  };
  for (const char c : text) {
    const bool starts_character = (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    if (word.size() >= kWordColumns - 12 && starts_character) flush();
    if (c == ' ') {
      word += '_';
    } else if (is_ascii_alpha(c) || is_ascii_digit(c)) {
      word += c;
    } else {
      append_escaped(word, c);
    }
  }
  if (!word.empty()) flush();
  return result;
}

}  // namespace netd::ctl
