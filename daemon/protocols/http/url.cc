#include "daemon/protocols/http/url.h"

#include "daemon/base/text.h"

namespace netd::http {

namespace {

bool is_plain_in_path(char c) {
  return is_ascii_alpha(c) || is_ascii_digit(c) ||
         std::string_view("-._~!$&'()*+,;=@/").find(c) != std::string_view::npos;
}

/// The length of the well-formed UTF-8 character at the front of `text`; 0 when there is none.
std::size_t utf8_length(std::string_view text) {
  for (std::size_t length = 1; length <= 4 && length <= text.size(); ++length) {
    if (is_utf8(text.substr(0, length))) return length;
  }
  return 0;
}

}  // namespace

void append_url_path(std::string& out, std::string_view path) {
  for (const char c : path) {
    if (is_plain_in_path(c)) {
      out += c;
      continue;
    }
    out += '%';
    append_hex(out, c);
  }
}

void append_html(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) {
      out += "\xEF\xBF\xBD";
      text.remove_prefix(1);
      continue;
    }
    switch (text.front()) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
}

}  // namespace netd::http
