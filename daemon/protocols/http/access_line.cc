#include "daemon/protocols/http/access_line.h"

#include <array>
#include <chrono>

#include "daemon/base/text.h"
#include "daemon/protocols/http/date.h"

namespace netd::http {

namespace {

void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7F && c != '"' && c != '\\') {
      out += c;
    } else {
      out += "\\x";
      append_hex(out, c);
    }
  }
}

void append_quoted(std::string& out, std::string_view text) {
  out += " \"";
  if (text.empty()) {
    out += '-';
  } else {
    append_escaped(out, text);
  }
  out += '"';
}

// "[06/Nov/1994:08:49:37 +0000]", out of "Sun, 06 Nov 1994 08:49:37 GMT".
void append_time(std::string& out, std::int64_t seconds) {
  std::array<char, kDateSize> buffer;
  format_date(seconds, buffer.data());
  const std::string_view date(buffer.data(), buffer.size());
  out.append("[").append(date.substr(5, 2)).append("/").append(date.substr(8, 3));
  out.append("/").append(date.substr(12, 4)).append(":").append(date.substr(17, 8));
  out.append(" +0000]");
}

}  // namespace

std::string combined_line(const AccessRecord& record) {
  std::string out;
  if (record.client.empty()) {
    out += '-';
  } else {
    append_escaped(out, record.client);
  }
  out += " - - ";
  append_time(out, record.time);
  append_quoted(out, record.line);
  out.append(" ").append(std::to_string(record.status));
  out.append(" ").append(std::to_string(record.bytes));
  append_quoted(out, record.referer);
  append_quoted(out, record.user_agent);
  return out;
}

std::string json_line(const AccessRecord& record) {
  const WallTime time{std::chrono::seconds(record.time)};
  std::string out = "{\"time\":" + json_quote(format_rfc3339(time));
  const auto member = [&out](std::string_view name, std::string_view value) {
    if (!value.empty()) out.append(",\"").append(name).append("\":").append(json_quote(value));
  };
  member("client", record.client);
  member("request", record.line);
  member("host", record.host);
  out.append(",\"status\":").append(std::to_string(record.status));
  out.append(",\"bytes\":").append(std::to_string(record.bytes));
  member("referer", record.referer);
  member("user_agent", record.user_agent);
  out += '}';
  return out;
}

}  // namespace netd::http
