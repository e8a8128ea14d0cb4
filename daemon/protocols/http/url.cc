#include "daemon/protocols/http/url.h"

#include "daemon/base/text.h"

namespace netd::http {

namespace {

bool is_plain_in_path(char c) {
  return is_ascii_alpha(c) || is_ascii_digit(c) ||
         std::string_view("-._~!$&'()*+,;=@/").find(c) != std::string_view::npos;
}

bool is_plain_in_query(char c) {
  return is_plain_in_path(c) || std::string_view(":?%").find(c) != std::string_view::npos;
}

/// The length of the well-formed UTF-8 character at the front of `text`; 0 when there is none.
std::size_t utf8_length(std::string_view text) {
  for (std::size_t length = 1; length <= 4 && length <= text.size(); ++length) {
    if (is_utf8(text.substr(0, length))) return length;
  }
  return 0;
}

void append_encoded(std::string& out, std::string_view text, bool (*is_plain)(char)) {
  for (const char c : text) {
    if (is_plain(c)) {
      out += c;
      continue;
    }
    out += '%';
    append_hex(out, c);
  }
}

}  // namespace

void append_url_path(std::string& out, std::string_view path) {
  append_encoded(out, path, is_plain_in_path);
}

void append_url_query(std::string& out, std::string_view query) {
  append_encoded(out, query, is_plain_in_query);
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
