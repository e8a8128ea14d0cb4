#include "daemon/protocols/http/parser.h"

#include <algorithm>

#include "daemon/base/text.h"
#include "daemon/protocols/http/grammar.h"

namespace netd::http {

namespace {

/// The first byte at or after `from` that may not stand inside a line: a line end, or a control
/// character. `text.size()` when there is none.
std::size_t find_stop(std::string_view text, std::size_t from) {
  const char* const data = text.data();
  const std::size_t size = text.size();
  while (from < size && is_char(data[from], kFieldText)) ++from;
  return from;
}

}  // namespace

HeadParser::State HeadParser::refuse(int status, std::string_view reason) {
  status_ = static_cast<std::uint16_t>(status);
  reason_ = reason;
  return State::refused;
}

HeadParser::State HeadParser::parse(std::string_view input, const HeadLimits& limits,
                                    Request& request) {
  const bool resumed = has_line_;
  if (!resumed || fields_ == 0) request.clear();
  State state = run(input, limits, request);
  if (state == State::complete && resumed) {
    // The lines of earlier calls were checked in bytes that have moved since. Taken again in one
    // go, they are sure to pass.
    const HeadParser fresh;
    *this = fresh;
    request.clear();
    state = run(input, limits, request);
  }
  return state;
}

HeadParser::State HeadParser::run(std::string_view input, const HeadLimits& limits,
                                  Request& request) {
  for (;;) {
    const std::size_t limit = begin_ + std::size_t{has_line_ ? limits.max_head : limits.max_line};
    const std::string_view window = input.substr(0, std::min(input.size(), limit));
    const std::size_t stop = find_stop(window, std::max(scanned_, line_));
    std::size_t after = stop + 1;
    if (stop + 1 < window.size() && window[stop] == '\r') ++after;
    if (stop == window.size() || (window[stop] == '\r' && after == stop + 1)) {
      if (input.size() >= limit) {
        if (has_line_) return refuse(431, "the head is too large");
        return refuse_long_line(window.substr(begin_));
      }
      scanned_ = static_cast<std::uint32_t>(stop);
      return State::incomplete;
    }
    if (window[after - 1] != '\n') {
      return refuse(400, window[stop] == '\r' ? "a CR without LF" : "a control character");
    }
    const std::string_view line = window.substr(line_, stop - line_);
    line_ = static_cast<std::uint32_t>(after);
    if (has_line_ || !line.empty()) (after == stop + 1 ? has_lf_ : has_crlf_) = true;
    if (line.empty()) {
      if (has_line_) {
        request.mixed_line_ends = has_lf_ && has_crlf_;
        return State::complete;
      }
      if (++empty_lines_ > kMaxEmptyLines) return refuse(400, "too many empty lines");
      begin_ = line_;
    } else if (!has_line_) {
      if (take_request_line(line, request) == State::refused) return State::refused;
    } else if (take_field(line, limits, request) == State::refused) {
      return State::refused;
    }
  }
}

// RFC 9112, section 3: 501 for a method longer than any that is known, 414 for a target.
HeadParser::State HeadParser::refuse_long_line(std::string_view line) {
  if (line.find(' ') != std::string_view::npos)
    return refuse(414, "the request target is too long");
  if (is_all(line, kToken)) return refuse(501, "the method is too long");
  return refuse(400, "malformed method");
}

void HeadParser::describe(std::string_view input, const HeadLimits& limits,
                          Request& request) const {
  request.clear();
  const std::string_view line = input.substr(begin_, limits.max_line);
  request.line = line.substr(0, line.find_first_of("\r\n"));
  request.method_text = request.line.substr(0, request.line.find(' '));
  request.method = method_of(request.method_text);
}

// method SP request-target SP HTTP-version, with exactly these two spaces (RFC 9112, section 3).
HeadParser::State HeadParser::take_request_line(std::string_view line, Request& request) {
  const std::size_t first = line.find(' ');
  const std::string_view method = line.substr(0, first);
  if (!is_all(method, kToken)) return refuse(400, "malformed method");
  if (first == std::string_view::npos) return refuse(400, "malformed request line");
  const std::string_view rest = line.substr(first + 1);
  const std::size_t second = rest.find(' ');
  const std::string_view target = rest.substr(0, second);
  if (!is_all(target, kTargetText)) return refuse(400, "malformed request target");
  if (second == std::string_view::npos) return refuse(400, "no HTTP version");
  if (take_version(rest.substr(second + 1), request) == State::refused) return State::refused;
  request.line = line;
  request.method_text = method;
  request.method = method_of(method);
  request.target = target;
  has_line_ = true;
  return State::incomplete;
}

HeadParser::State HeadParser::take_version(std::string_view version, Request& request) {
  if (version.size() != 8 || !version.starts_with("HTTP/") || !is_ascii_digit(version[5]) ||
      version[6] != '.' || !is_ascii_digit(version[7])) {
    return refuse(400, "malformed HTTP version");
  }
  if (version[5] != '1') return refuse(505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
  request.minor_version = static_cast<unsigned>(version[7] - '0');
  return State::incomplete;
}

HeadParser::State HeadParser::take_field(std::string_view line, const HeadLimits& limits,
                                         Request& request) {
  std::size_t colon = 0;
  while (colon < line.size() && is_char(line[colon], kToken)) ++colon;
  if (colon == 0 || colon == line.size() || line[colon] != ':') {
    return refuse(400, "malformed header field");
  }
  if (fields_ >= limits.max_fields) return refuse(431, "too many header fields");
  ++fields_;
  // In a head that came in pieces the fields before this one may be missing, and the array may
  // have been another request's: what is added here is thrown away when the head is complete.
  if (!request.add({line.substr(0, colon), trim_ows(line.substr(colon + 1))})) request.clear();
  return State::incomplete;
}

}  // namespace netd::http
