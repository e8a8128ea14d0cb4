#include "ctl/mail_compose.h"

#include <time.h>

#include <algorithm>
#include <array>
#include <utility>

#include "ctl/mime_decode.h"
#include "daemon/base/text.h"

namespace netd::ctl {

namespace {

/// RFC 5322, section 2.1.1.
constexpr std::size_t kMaxLine = 998;

constexpr auto kTypes = std::to_array<std::pair<std::string_view, std::string_view>>({
    {".txt", "text/plain; charset=utf-8"},
    {".html", "text/html; charset=utf-8"},
    {".csv", "text/csv; charset=utf-8"},
    {".json", "application/json"},
    {".pdf", "application/pdf"},
    {".zip", "application/zip"},
    {".gz", "application/gzip"},
    {".png", "image/png"},
    {".gif", "image/gif"},
    {".jpg", "image/jpeg"},
    {".svg", "image/svg+xml"},
});

std::string_view type_of(std::string_view filename) {
  const std::string lower = to_ascii_lower(filename);
  for (const auto& [ending, type] : kTypes) {
    if (lower.ends_with(ending)) return type;
  }
  return "application/octet-stream";
}

/// Where the sender is.
std::string date(std::chrono::system_clock::time_point now) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm parts{};
  (void)::localtime_r(&seconds, &parts);
  return format_rfc5322(parts);
}

/// Content-Transfer-Encoding, an empty line, and the text in it.
std::string encoded_text(std::string_view text) {
  const std::string lines = with_crlf(text);
  const bool is_plain =
      std::ranges::all_of(
          lines,
          [](char c) { return (c >= ' ' && c <= '~') || c == '\t' || c == '\r' || c == '\n'; }) &&
      std::ranges::all_of(split(lines, '\n'),
                          [](std::string_view line) { return line.size() <= kMaxLine; });
  if (is_plain) return "Content-Transfer-Encoding: 7bit\r\n\r\n" + lines;
  std::string encoded = encode_quoted_printable(lines);
  if (!encoded.ends_with("\r\n")) encoded += "\r\n";
  return "Content-Transfer-Encoding: quoted-printable\r\n\r\n" + encoded;
}

std::string multipart(std::string_view kind, const std::string& boundary,
                      const std::vector<std::string>& parts) {
  std::string result =
      "Content-Type: multipart/" + std::string(kind) + "; boundary=\"" + boundary + "\"\r\n\r\n";
  const auto add_delimiter = [&](std::string_view end) {
    result += "--";
    result += boundary;
    result += end;
  };
  for (const std::string& part : parts) {
    add_delimiter("\r\n");
    result += part;
    result += "\r\n";
  }
  add_delimiter("--\r\n");
  return result;
}

/// RFC 2231, section 4, where a name is not plain; a quoted string elsewhere.
std::string filename_parameter(std::string_view name) {
  const bool is_plain = std::ranges::all_of(
      name, [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; });
  if (is_plain) return "filename=\"" + std::string(name) + '"';
  std::string result = "filename*=utf-8''";
  for (const char c : name) {
    if (is_ascii_alpha(c) || is_ascii_digit(c) || c == '.' || c == '-' || c == '_') {
      result += c;
      continue;
    }
    result += '%';
    append_hex(result, c);
  }
  return result;
}

std::string attachment_part(const Attachment& attachment) {
  return "Content-Type: " + std::string(type_of(attachment.filename)) +
         "\r\nContent-Disposition: attachment;\r\n " + filename_parameter(attachment.filename) +
         "\r\nContent-Transfer-Encoding: base64\r\n\r\n" + encode_base64(attachment.content);
}

/// "Ann <ann@example.org>" with the name encoded or quoted where it has to be: a comma in it would
/// begin another address. Whoever quotes knows how.
std::string encoded_address(std::string_view address) {
  const std::size_t bracket = address.rfind('<');
  if (bracket == std::string_view::npos || bracket == 0) return std::string(address);
  std::string name = encode_header(trim(address.substr(0, bracket)));
  constexpr std::string_view kSpecials = ".,:;@[]<>";  // RFC 5322, section 3.2.3
  if (name.find('"') == std::string::npos && !name.starts_with("=?") &&
      name.find_first_of(kSpecials) != std::string::npos) {
    name = '"' + name + '"';
  }
  return name + ' ' + std::string(address.substr(bracket));
}

}  // namespace

std::string with_crlf(std::string_view text) {
  std::string result;
  result.reserve(text.size() + 64);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c != '\r' && c != '\n') {
      result += c;
      continue;
    }
    if (c == '\r' && i + 1 < text.size() && text[i + 1] == '\n') ++i;
    result += "\r\n";
  }
  if (!result.empty() && !result.ends_with("\r\n")) result += "\r\n";
  return result;
}

std::string compose(const Draft& draft, std::chrono::system_clock::time_point now,
                    std::string_view id, std::string_view host) {
  const auto has = [&](std::string_view name) {
    return std::ranges::any_of(draft.headers, [&](const std::string& header) {
      return iequals(trim(std::string_view(header).substr(0, header.find(':'))), name);
    });
  };
  std::string message;
  const auto add = [&](std::string_view name, const std::string& value) {
    if (!has(name)) message += std::string(name) + ": " + value + "\r\n";
  };
  add("Date", date(now));
  add("From", encoded_address(draft.from));
  std::string to;
  for (const std::string& recipient : draft.to) {
    if (!to.empty()) to += ",\r\n ";
    to += encoded_address(recipient);
  }
  add("To", to);
  add("Subject", encode_header(draft.subject));
  add("Message-ID", '<' + std::string(id) + '@' + std::string(host) + '>');
  for (const std::string& header : draft.headers) {
    const std::size_t colon = header.find(':');
    message += header.substr(0, colon) + ": " +
               encode_header(trim(std::string_view(header).substr(colon + 1))) + "\r\n";
  }
  message += "MIME-Version: 1.0\r\n";

  std::string body = "Content-Type: text/plain; charset=utf-8\r\n" + encoded_text(draft.text);
  if (!draft.html.empty()) {
    const std::string html =
        "Content-Type: text/html; charset=utf-8\r\n" + encoded_text(draft.html);
    body = multipart("alternative", "alternative-" + std::string(id), {body, html});
  }
  if (!draft.attachments.empty()) {
    std::vector<std::string> parts = {std::move(body)};
    for (const Attachment& each : draft.attachments) parts.push_back(attachment_part(each));
    body = multipart("mixed", "mixed-" + std::string(id), parts);
  }
  return message + body;
}

}  // namespace netd::ctl
