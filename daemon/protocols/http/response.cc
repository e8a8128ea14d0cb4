#include "daemon/protocols/http/response.h"

#include <utility>

#include "daemon/base/text.h"

namespace netd::http {

namespace {

/// Whether an answer of this status has content at all (RFC 9110, section 6.4.1).
bool may_have_content(int status) { return status >= 200 && status != 204 && status != 304; }

}  // namespace

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return {};
  }
}

void Response::clear() {
  status = 200;
  fields.clear();
  prepared = {};
  body.clear();
  text.clear();
  body_length = 0;
  close = false;
}

void Response::field(std::string_view name, std::string_view value) {
  fields.append(name).append(": ").append(value).append("\r\n");
}

void Response::add_bytes(std::string_view bytes) {
  body_length += bytes.size();
  body.push_back({.bytes = bytes});
}

void Response::add_file(SharedFile file, std::uint64_t offset, std::uint64_t length) {
  body_length += length;
  body.push_back({.file = std::move(file), .offset = offset, .length = length});
}

void Response::set_text(std::string_view content_type, std::string content) {
  text = std::move(content);
  body.clear();
  body_length = 0;
  field("Content-Type", content_type);
  add_bytes(text);
}

HeadWriter::HeadWriter(std::string_view server, std::string_view common) {
  if (!server.empty()) fixed_.append("Server: ").append(server).append("\r\n");
  server_size_ = fixed_.size();
  fixed_ += common;
}

void HeadWriter::refresh_date(std::int64_t now) {
  if (now == date_of_) return;
  date_of_ = now;
  constexpr std::string_view kName = "Date: ";
  date_.assign(kName);
  date_.resize(kName.size() + kDateSize);
  format_date(now, date_.data() + kName.size());
  date_ += "\r\n";
}

std::string_view HeadWriter::write(const Response& response, Context context, std::int64_t now) {
  refresh_date(now);
  head_.clear();
  if (response.status == 200) {
    head_ += "HTTP/1.1 200 OK\r\n";
  } else {
    head_ += "HTTP/1.1 ";
    append_decimal(head_, static_cast<std::uint64_t>(response.status));
    head_ += ' ';
    head_ += reason_phrase(response.status);
    head_ += "\r\n";
  }
  head_ += fixed_;
  head_ += date_;
  head_ += response.prepared;
  head_ += response.fields;
  if (may_have_content(response.status)) {
    head_ += "Content-Length: ";
    append_decimal(head_, response.body_length);
    head_ += "\r\n";
  }
  if (!context.keep_alive) {
    head_ += "Connection: close\r\n";
  } else if (context.http_1_0) {
    head_ += "Connection: keep-alive\r\n";
  }
  head_ += "\r\n";
  return head_;
}

}  // namespace netd::http
