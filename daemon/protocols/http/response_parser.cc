#include "daemon/protocols/http/response_parser.h"

#include <algorithm>

#include "daemon/base/text.h"
#include "daemon/protocols/http/fields.h"
#include "daemon/protocols/http/grammar.h"

namespace netd::http {

namespace {

constexpr std::string_view kProtocol = "HTTP/1.";
// HTTP/1.1 SP 200
constexpr std::size_t kStatusEnd = 12;

}  // namespace

ResponseParser::State ResponseParser::refuse(std::string_view reason) {
  reason_ = reason;
  return State::refused;
}

ResponseParser::State ResponseParser::parse(std::string_view input, ResponseHead& head) {
  // What is no HTTP at all may never come to the end of a head.
  const std::size_t prefix = std::min(input.size(), kProtocol.size());
  if (input.substr(0, prefix) != kProtocol.substr(0, prefix)) {
    return refuse("the answer is not HTTP/1");
  }
  constexpr std::string_view kEnd = "\r\n\r\n";
  const std::string_view window = input.substr(0, kMaxHead);
  const std::size_t end = window.find(kEnd, scanned_);
  if (end == std::string_view::npos) {
    if (input.size() >= kMaxHead) return refuse("the head of the answer is too large");
    // Line ends of another kind would have us wait for ever.
    if (window.find("\n\n") != std::string_view::npos) {
      return refuse("lines of the answer's head do not end in CRLF");
    }
    scanned_ = input.size() - std::min(input.size(), kEnd.size() - 1);
    return State::incomplete;
  }
  size_ = end + kEnd.size();
  std::string_view rest = window.substr(0, end + 2);
  head.clear_fields();
  for (bool is_first = true; !rest.empty(); is_first = false) {
    const std::size_t line_end = rest.find("\r\n");
    const std::string_view line = rest.substr(0, line_end);
    if (!(is_first ? take_status_line(line, head) : take_field(line, head))) return State::refused;
    rest.remove_prefix(line_end + 2);
  }
  return State::complete;
}

// HTTP-version SP status-code SP [ reason-phrase ]. The last space is often forgotten.
bool ResponseParser::take_status_line(std::string_view line, ResponseHead& head) {
  const auto malformed = [this] {
    refuse("malformed status line");
    return false;
  };
  if (line.size() < kStatusEnd || !line.starts_with(kProtocol) || line[8] != ' ') {
    return malformed();
  }
  const char minor = line[7];
  const auto status = parse_decimal(line.substr(9, 3));
  if (!is_ascii_digit(minor) || !status || *status < 100 || *status > 599) return malformed();
  std::string_view reason = line.substr(kStatusEnd);
  if (!reason.empty()) {
    if (reason.front() != ' ' || !is_all(reason, kFieldText)) return malformed();
    reason.remove_prefix(1);
  }
  head.minor_version = static_cast<unsigned>(minor - '0');
  head.status = static_cast<int>(*status);
  head.reason = reason;
  return true;
}

bool ResponseParser::take_field(std::string_view line, ResponseHead& head) {
  std::size_t colon = 0;
  while (colon < line.size() && is_char(line[colon], kToken)) ++colon;
  const std::string_view value = line.substr(std::min(line.size(), colon + 1));
  if (colon == 0 || colon == line.size() || line[colon] != ':' ||
      !(value.empty() || is_all(value, kFieldText))) {
    refuse("malformed header field in the answer");
    return false;
  }
  if (!head.add({line.substr(0, colon), trim_ows(value)})) {
    refuse("too many header fields in the answer");
    return false;
  }
  return true;
}

namespace {

bool stays_open(const ResponseHead& head) {
  bool close = false;
  bool keep_alive = false;
  head.each(Name::connection, [&](std::string_view value) {
    for_each_element(value, [&](std::string_view option) {
      close |= iequals(option, "close");
      keep_alive |= iequals(option, "keep-alive");
      return true;
    });
    return true;
  });
  return !close && (head.minor_version > 0 || keep_alive);
}

}  // namespace

ResponseFraming read_response_framing(const ResponseHead& head, bool to_head) {
  using Body = ResponseFraming::Body;
  const auto refused = [](std::string_view why) { return ResponseFraming{.refusal = why}; };
  ResponseFraming framing{.keep_alive = stays_open(head)};
  const unsigned lengths = head.count(Name::content_length);
  const unsigned codings = head.count(Name::transfer_encoding);
  // RFC 9112, section 6.1: nobody has a good reason to send both.
  if (lengths > 0 && codings > 0) return refused("both Transfer-Encoding and Content-Length");
  if (lengths > 1) return refused("more than one Content-Length");
  if (lengths == 1) {
    const auto length = parse_decimal(head.value(Name::content_length));
    if (!length || *length > INT64_MAX) return refused("malformed Content-Length");
    framing.content_length = *length;
    framing.has_content_length = true;
  }
  if (codings > 0) {
    if (head.minor_version == 0) return refused("Transfer-Encoding in an HTTP/1.0 answer");
    if (codings > 1 || !iequals(head.value(Name::transfer_encoding), "chunked")) {
      return refused("a transfer coding that was not asked for");
    }
  }
  const bool bodiless = to_head || head.status < 200 || head.status == 204 || head.status == 304;
  if (bodiless) {
    framing.body = Body::none;
  } else if (codings > 0) {
    framing.body = Body::chunked;
  } else if (lengths > 0) {
    framing.body = framing.content_length > 0 ? Body::length : Body::none;
  } else {
    framing.body = Body::until_close;
    framing.keep_alive = false;
  }
  return framing;
}

}  // namespace netd::http
