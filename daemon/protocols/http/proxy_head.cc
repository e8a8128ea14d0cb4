#include "daemon/protocols/http/proxy_head.h"

#include <algorithm>
#include <array>

#include "daemon/base/text.h"
#include "daemon/protocols/http/fields.h"
#include "daemon/protocols/http/url.h"

namespace netd::http {

namespace {

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

// Fields of one connection by definition, whether Connection names them or not; those of a proxy's
// authentication are between it and its next neighbour (RFC 9110, section 11.7). Trailer goes where
// the trailers go.
bool is_hop_by_hop(std::string_view name, bool trailers) {
  switch (name.size()) {
    case 7:
      return !trailers && iequals(name, "trailer");
    case 10:
      return iequals(name, "keep-alive");
    case 14:
      return iequals(name, "http2-settings");
    case 16:
      return iequals(name, "proxy-connection");
    case 18:
      return iequals(name, "proxy-authenticate");
    case 19:
      return iequals(name, "proxy-authorization");
    default:
      return false;
  }
}

/// Whether programs that get fields as variables, as CGI does, take `name` for `known`.
bool is_same_variable(std::string_view name, std::string_view known) {
  return std::equal(name.begin(), name.end(), known.begin(), known.end(),
                    [](char a, char b) { return ascii_lower(a) == b || (a == '_' && b == '-'); });
}

// What only we may say about the client, and what programs behind a CGI would take for the setting
// of a proxy (CVE-2016-5385).
bool is_forged(std::string_view name) {
  switch (name.size()) {
    case 5:
      return iequals(name, "proxy");
    case 15:
      return is_same_variable(name, "x-forwarded-for");
    case 16:
      return is_same_variable(name, "x-forwarded-host");
    case 17:
      return is_same_variable(name, "x-forwarded-proto");
    default:
      return false;
  }
}

/// Whether a quoted string in `value` has no end, which would swallow what is added to it.
bool ends_in_quotes(std::string_view value) {
  bool quoted = false;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (value[i] == '"') quoted = !quoted;
    if (value[i] == '\\' && quoted) ++i;
  }
  return quoted;
}

/// Whether the proxy writes this field itself, in both directions.
bool is_rewritten(Name name) {
  return name == Name::connection || name == Name::content_length || name == Name::te ||
         name == Name::transfer_encoding || name == Name::upgrade;
}

/// All values of a list field, and what we have to add to it.
void append_list(std::string& out, std::string_view title, const Request& request, Name name,
                 std::string_view last) {
  out.append(title).append(": ");
  request.each(name, [&](std::string_view value) {
    if (!value.empty() && !ends_in_quotes(value)) out.append(value).append(", ");
    return true;
  });
  out.append(last).append("\r\n");
}

// RFC 7239, section 6.
std::string forwarded_element(const SocketAddress& client, std::string_view host) {
  std::string element = "for=";
  if (!client.is_ip()) {
    element += "unknown";
  } else if (const std::string ip = client.ip_text(); ip.find(':') != std::string::npos) {
    element += "\"[" + ip + "]\"";
  } else {
    element += ip;
  }
  if (!host.empty()) element.append(";host=\"").append(host).append("\"");
  return element + ";proto=http";
}

/// As it was received, unless it has dot segments: two readers may take those differently, and it
/// was routed by what we make of them.
void append_target(std::string& out, const ForwardedRequest& forwarded) {
  const Target& target = forwarded.target;
  std::string_view raw = forwarded.request.target;
  if (target.form == Target::Form::absolute) {
    raw.remove_prefix(raw.find("://") + 3);
    raw.remove_prefix(std::min(raw.size(), raw.find_first_of("/?")));
  }
  raw = raw.substr(0, raw.find('?'));
  if (target.has_dot_segments) {
    append_url_path(out, target.path);
  } else {
    out += raw.empty() ? "/" : raw;
  }
  if (target.has_query) out.append("?").append(target.query);
}

/// The authority of the target, which wins over the Host field (RFC 9112, section 3.2.2).
std::string_view authority_of(const ForwardedRequest& forwarded) {
  if (forwarded.target.form == Target::Form::absolute) {
    std::string_view text = forwarded.request.target;
    text.remove_prefix(text.find("://") + 3);
    return text.substr(0, text.find_first_of("/?"));
  }
  return forwarded.request.value(Name::host);
}

/// The fields of the client that go along as they are.
void append_request_fields(std::string& out, const ForwardedRequest& forwarded) {
  const Request& request = forwarded.request;
  for (std::size_t i = 0; i < request.field_count(); ++i) {
    const Field& field = request.field(i);
    const Name name = request.name(i);
    switch (name) {
      case Name::host:
      case Name::forwarded:
      case Name::x_forwarded_for:
        continue;
      case Name::expect:
        // What HTTP/1.0 knows nothing of would come to mean something (RFC 9110, section 10.1.1).
        if (request.minor_version == 0) continue;
        break;
      case Name::max_forwards:
        if (const auto hops = parse_decimal(field.value);
            request.method == Method::options && hops && *hops > 0) {
          out += "Max-Forwards: ";
          append_decimal(out, *hops - 1);
          out += "\r\n";
          continue;
        }
        break;
      case Name::other:
        if (is_hop_by_hop(field.name, false) || is_forged(field.name)) continue;
        break;
      default:
        if (is_rewritten(name)) continue;
    }
    if (forwarded.options.names(field.name)) continue;
    append_field(out, field.name, field.value);
  }
}

}  // namespace

ConnectionOptions::ConnectionOptions(const FieldTable& fields) {
  if (!fields.has(Name::connection)) return;
  fields.each(Name::connection, [this](std::string_view value) {
    for_each_element(value, [this](std::string_view option) {
      if (iequals(option, "close") || iequals(option, "keep-alive")) return true;
      if (iequals(option, "upgrade")) {
        upgrade_ = true;
        return true;
      }
      too_many_ = count_ == kMaxNamed;
      if (!too_many_) named_[count_++] = option;
      return !too_many_;
    });
    return !too_many_;
  });
}

bool ConnectionOptions::names(std::string_view field) const {
  return std::any_of(named_.begin(), named_.begin() + static_cast<std::ptrdiff_t>(count_),
                     [field](std::string_view name) { return iequals(name, field); });
}

bool asks_for_upgrade(const Request& request, const Framing& framing) {
  if (!request.has(Name::upgrade) || request.minor_version == 0 || framing.has_body()) return false;
  if (!ConnectionOptions(request).upgrade()) return false;
  bool allowed = true;
  request.each(Name::upgrade, [&](std::string_view value) {
    for_each_element(value, [&](std::string_view protocol) {
      const std::string_view name = protocol.substr(0, protocol.find('/'));
      allowed &= !iequals(name, "h2c") && !iequals(name, "h2") && !iequals(name, "http");
      return allowed;
    });
    return allowed;
  });
  return allowed;
}

std::string protocols_of(const FieldTable& fields) {
  std::string protocols;
  fields.each(Name::upgrade, [&protocols](std::string_view value) {
    protocols.append(value).append(",");
    return true;
  });
  return protocols;
}

bool are_among(std::string_view chosen, std::string_view asked) {
  bool any = false;
  bool all = true;
  for_each_element(chosen, [&](std::string_view protocol) {
    bool found = false;
    for_each_element(asked, [&](std::string_view one) {
      found = iequals(one, protocol);
      return !found;
    });
    any = true;
    all = found;
    return all;
  });
  return any && all;
}

bool takes_trailers(const Request& request) {
  bool found = false;
  if (request.minor_version == 0) return false;
  request.each(Name::te, [&found](std::string_view value) {
    for_each_element(value, [&found](std::string_view coding) {
      found |= iequals(coding, "trailers");
      return !found;
    });
    return !found;
  });
  return found;
}

bool is_passed_trailer(std::string_view name) {
  constexpr std::array<std::string_view, 14> kForbidden = {
      "age",
      "cache-control",
      "content-encoding",
      "content-range",
      "content-type",
      "expires",
      "keep-alive",
      "location",
      "proxy-connection",
      "retry-after",
      "proxy-authenticate",
      "set-cookie",
      "trailer",
      "vary",
  };
  const Name known = name_of(name);
  if (known == Name::host || known == Name::date || is_rewritten(known)) return false;
  return std::ranges::none_of(kForbidden, [name](auto one) { return iequals(name, one); });
}

void write_forwarded_request(std::string& out, const ForwardedRequest& forwarded) {
  const Request& request = forwarded.request;
  const std::string_view host = authority_of(forwarded);
  out.append(request.method_text).append(" ");
  append_target(out, forwarded);
  out += " HTTP/1.1\r\n";
  append_field(out, "Host", host.empty() ? forwarded.default_host : host);
  append_request_fields(out, forwarded);
  append_list(out, "Forwarded", request, Name::forwarded,
              forwarded_element(forwarded.client, host));
  append_list(out, "X-Forwarded-For", request, Name::x_forwarded_for,
              forwarded.client.is_ip() ? forwarded.client.ip_text() : "unknown");
  append_field(out, "X-Forwarded-Proto", "http");
  if (!host.empty()) append_field(out, "X-Forwarded-Host", host);
  out += request.minor_version == 0 ? "Via: 1.0 netd\r\n" : "Via: 1.1 netd\r\n";
  if (forwarded.framing.chunked) {
    out += "Transfer-Encoding: chunked\r\n";
  } else if (request.has(Name::content_length)) {
    out += "Content-Length: ";
    append_decimal(out, forwarded.framing.content_length);
    out += "\r\n";
  }
  if (forwarded.trailers) {
    out += forwarded.upgrade ? "TE: trailers\r\nConnection: TE, Upgrade\r\n"
                             : "TE: trailers\r\nConnection: TE\r\n";
  } else if (forwarded.upgrade) {
    out += "Connection: Upgrade\r\n";
  }
  if (forwarded.upgrade) {
    request.each(Name::upgrade, [&out](std::string_view value) {
      append_field(out, "Upgrade", value);
      return true;
    });
  }
  out += "\r\n";
}

namespace {

void append_status_line(std::string& out, const ResponseHead& head) {
  out += "HTTP/1.1 ";
  append_decimal(out, static_cast<std::uint64_t>(head.status));
  out.append(" ").append(head.reason).append("\r\n");
}

/// The fields of the instance that go along as they are.
void append_answer_fields(std::string& out, const ResponseHead& head,
                          const ConnectionOptions& options, bool trailers) {
  for (std::size_t i = 0; i < head.field_count(); ++i) {
    const Field& field = head.field(i);
    const Name name = head.name(i);
    if (name == Name::other ? is_hop_by_hop(field.name, trailers) : is_rewritten(name)) continue;
    if (options.names(field.name)) continue;
    append_field(out, field.name, field.value);
  }
}

}  // namespace

void write_forwarded_answer(std::string& out, const ForwardedAnswer& answer) {
  append_status_line(out, answer.head);
  append_answer_fields(out, answer.head, answer.options, answer.trailers);
  if (!answer.head.has(Name::date)) out += answer.date;
  out += answer.common;
  if (answer.has_length) {
    out += "Content-Length: ";
    append_decimal(out, answer.length);
    out += "\r\n";
  } else if (answer.chunked) {
    out += "Transfer-Encoding: chunked\r\n";
  }
  if (answer.upgrade) {
    out += "Connection: Upgrade\r\n";
    answer.head.each(Name::upgrade, [&out](std::string_view value) {
      append_field(out, "Upgrade", value);
      return true;
    });
  } else if (!answer.keep_alive) {
    out += "Connection: close\r\n";
  } else if (answer.http_1_0) {
    out += "Connection: keep-alive\r\n";
  }
  out += "\r\n";
}

void write_interim_answer(std::string& out, const ResponseHead& head,
                          const ConnectionOptions& options) {
  append_status_line(out, head);
  append_answer_fields(out, head, options, false);
  out += "\r\n";
}

}  // namespace netd::http
