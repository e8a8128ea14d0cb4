#include "ctl/terminal_text.h"

#include <unistd.h>
#include <wchar.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "ctl/terminal.h"
#include "daemon/base/text.h"

namespace netd::ctl {

namespace {

/// Of a character's first byte how many it has; 1 for what starts none.
std::size_t length_from(char first) {
  const auto byte = static_cast<unsigned char>(first);
  if (byte < 0xC2) return 1;
  if (byte < 0xE0) return 2;
  if (byte < 0xF0) return 3;
  return byte < 0xF5 ? 4 : 1;
}

/// Of one well-formed character.
std::uint32_t code_point(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first;
  std::uint32_t code = first & (0x7FU >> character.size());
  for (const char c : character.substr(1)) {
    code = code << 6 | (static_cast<unsigned char>(c) & 0x3FU);
  }
  return code;
}

/// `ascii`: what else there is may be anything.
bool is_harmless(std::uint32_t code, bool ascii) {
  const auto within = [code](std::uint32_t first, std::uint32_t last) {
    return code >= first && code <= last;
  };
  if (code >= 0x80 && ascii) return false;
  const bool control = code < 0x20 || within(0x7F, 0x9F);
  // Unicode's line ends, and its embeddings, overrides and isolates (UAX #9).
  const bool layout = within(0x200E, 0x200F) || within(0x2028, 0x202E) || within(0x2066, 0x2069);
  return !control && !layout;
}

void append_escaped(std::string& out, std::string_view bytes) {
  constexpr std::string_view kHex = "0123456789abcdef";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
  }
}

/// The bytes of the character at the start; of what is none, one.
std::string_view first_character(std::string_view text) {
  return text.substr(0, std::max<std::size_t>(utf8_sequence_length(text), 1));
}

/// Of what first_character() gave.
std::size_t columns_of(std::string_view character) {
  if (character.size() == 1) return 1;
  const int columns = ::wcwidth(static_cast<wchar_t>(code_point(character)));
  return columns < 0 ? 1 : static_cast<std::size_t>(columns);
}

void append_character(std::string& out, std::string_view character, bool ascii) {
  const std::uint32_t code = is_utf8(character) ? code_point(character) : 0;
  if (is_harmless(code, ascii)) {
    out += character;
  } else if (code >= 0x80 && code < 0xA0) {
    append_escaped(out, character.substr(1));  // a control's number is its last byte
  } else {
    append_escaped(out, character);
  }
}

}  // namespace

std::string shown(std::string_view text, int fd) {
  const bool ascii = is_ascii_terminal(fd);
  std::string out;
  while (!text.empty()) {
    const std::string_view character = first_character(text);
    if (character == "\n") {
      out += "\\n";
    } else {
      append_character(out, character, ascii);
    }
    text.remove_prefix(character.size());
  }
  return out;
}

std::string_view start_that_fits(std::string_view text, std::size_t columns) {
  std::size_t end = 0;
  for (std::size_t used = 0; end < text.size();) {
    const std::string_view character = first_character(text.substr(end));
    used += columns_of(character);
    if (used > columns) break;
    end += character.size();
  }
  return text.substr(0, end);
}

std::size_t display_width(std::string_view text) {
  std::size_t columns = 0;
  while (!text.empty()) {
    const std::string_view character = first_character(text);
    columns += columns_of(character);
    text.remove_prefix(character.size());
  }
  return columns;
}

std::string TerminalText::add(std::string_view piece) {
  const bool ascii = is_ascii_terminal(STDOUT_FILENO);
  kept_ += piece;
  std::string_view text = kept_;
  std::string out;
  while (!text.empty()) {
    const std::size_t length = length_from(text[0]);
    const std::string_view start = text.substr(1, length - 1);
    const bool may_go_on = std::ranges::all_of(
        start, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; });
    const bool line_end = text.starts_with("\r\n");
    if ((text.size() < length && may_go_on) || text == "\r") break;
    std::string_view character = line_end ? text.substr(0, 2) : first_character(text);
    if (line_end || character == "\n" || character == "\t") {
      out += character;
    } else {
      append_character(out, character, ascii);
    }
    text.remove_prefix(character.size());
  }
  kept_ = std::string(text);
  return out;
}

std::string TerminalText::rest() {
  std::string out;
  append_escaped(out, std::exchange(kept_, {}));
  return out;
}

}  // namespace netd::ctl
