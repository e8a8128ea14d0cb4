#include "daemon/protocols/http/framing.h"

#include <optional>

#include "daemon/base/text.h"
#include "daemon/protocols/http/fields.h"
#include "daemon/protocols/http/grammar.h"

namespace netd::http {

namespace {

bool refuse(Framing& framing, int status, std::string_view reason) {
  framing.status = status;
  framing.reason = reason;
  return false;
}

// RFC 9112, section 6.1. Only `chunked`, once and last, can be undone here; what else a client
// names is either not understood (501) or leaves the end of the body unknown (400).
bool read_transfer_encoding(const Request& request, Framing& framing) {
  if (request.minor_version == 0) {
    return refuse(framing, 400, "Transfer-Encoding in an HTTP/1.0 request");
  }
  if (request.has(Name::content_length)) {
    return refuse(framing, 400, "both Transfer-Encoding and Content-Length");
  }
  unsigned chunked = 0;
  unsigned others = 0;
  bool malformed = false;
  bool chunked_is_last = false;
  request.each(Name::transfer_encoding, [&](std::string_view value) {
    // Empty elements, which lists may hold elsewhere, have no honest use here.
    for (std::string_view rest = value;;) {
      const std::size_t comma = rest.find(',');
      const std::string_view coding = trim_ows(rest.substr(0, comma));
      chunked_is_last = iequals(coding, "chunked");
      if (chunked_is_last) {
        ++chunked;
      } else {
        ++others;
        malformed |= !is_all(trim_ows(coding.substr(0, coding.find(';'))), kToken);
      }
      if (comma == std::string_view::npos) return true;
      rest.remove_prefix(comma + 1);
    }
  });
  if (malformed) return refuse(framing, 400, "malformed Transfer-Encoding");
  if (chunked > 1) return refuse(framing, 400, "chunked more than once");
  if (!chunked_is_last) return refuse(framing, 400, "the last transfer coding is not chunked");
  if (others > 0) return refuse(framing, 501, "unknown transfer coding");
  framing.chunked = true;
  return true;
}

// RFC 9112, section 6.3: one field, digits only. Equal values repeated could be taken, but whoever
// sends them has lost track of the message.
bool read_content_length(const Request& request, Framing& framing) {
  if (request.count(Name::content_length) > 1) {
    return refuse(framing, 400, "more than one Content-Length");
  }
  const std::optional<std::uint64_t> length = parse_decimal(request.value(Name::content_length));
  // The top bit stays free for arithmetic; no real length needs it.
  if (!length || *length > INT64_MAX) return refuse(framing, 400, "malformed Content-Length");
  framing.content_length = *length;
  return true;
}

void read_connection(const Request& request, Framing& framing) {
  bool close = false;
  bool keep_alive = false;
  request.each(Name::connection, [&](std::string_view value) {
    for_each_element(value, [&](std::string_view option) {
      close |= iequals(option, "close");
      keep_alive |= iequals(option, "keep-alive");
      return true;
    });
    return true;
  });
  framing.keep_alive = !close && (request.minor_version > 0 || keep_alive);
}

// RFC 9110, section 10.1.1; HTTP/1.0 has no expectations.
void read_expect(const Request& request, Framing& framing) {
  if (request.minor_version == 0) return;
  bool understood = true;
  request.each(Name::expect, [&](std::string_view value) {
    for_each_element(value, [&](std::string_view expectation) {
      if (iequals(expectation, "100-continue")) {
        framing.expects_continue = true;
      } else {
        understood = false;
      }
      return true;
    });
    return true;
  });
  if (!understood) refuse(framing, 417, "unknown expectation");
}

}  // namespace

Framing read_framing(const Request& request) {
  Framing framing;
  const bool is_framed = request.has(Name::transfer_encoding) || request.has(Name::content_length);
  if (is_framed && request.mixed_line_ends) {
    // People's tools end all lines alike. To a reader that knows only CRLF, the field behind a bare
    // LF is a part of the value before it, and the body is the next request.
    refuse(framing, 400, "a body announced by lines that end in different ways");
    return framing;
  }
  if (request.has(Name::transfer_encoding)) {
    if (!read_transfer_encoding(request, framing)) return framing;
  } else if (request.has(Name::content_length)) {
    if (!read_content_length(request, framing)) return framing;
  }
  if (request.has(Name::connection)) {
    read_connection(request, framing);
  } else {
    framing.keep_alive = request.minor_version > 0;
  }
  if (request.has(Name::expect)) read_expect(request, framing);
  return framing;
}

}  // namespace netd::http
