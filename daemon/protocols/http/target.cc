#include "daemon/protocols/http/target.h"

#include <algorithm>

#include "daemon/base/endpoint.h"
#include "daemon/base/text.h"
#include "daemon/protocols/http/grammar.h"

namespace netd::http {

namespace {

bool refuse(Target& target, std::string_view reason) {
  target.status = 400;
  target.reason = reason;
  return false;
}

// *DIGIT (RFC 3986, section 3.2.3), and a number that a port can have.
bool is_port(std::string_view text) {
  if (text.empty()) return true;
  const std::optional<std::uint64_t> number = parse_decimal(text);
  return number && *number <= 65535;
}

bool is_ip_literal(std::string_view text) {
  if (text.size() < 2 || text.front() != '[' || text.back() != ']') return false;
  const std::string_view inside = text.substr(1, text.size() - 2);
  return inside.find(':') != std::string_view::npos && IpBytes::parse(inside).has_value();
}

// No label of a name in DNS is empty, but for the root's behind the last dot.
bool is_registered_name(std::string_view text) {
  if (text.starts_with('.')) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '.' && i > 0 && text[i - 1] == '.') return false;
    if (is_char(text[i], kHostText)) continue;
    if (text[i] != '%' || text.size() - i < 3) return false;
    if (!is_char(text[i + 1], kHexDigit) || !is_char(text[i + 2], kHexDigit)) return false;
    i += 2;
  }
  return true;
}

/// uri-host [ ":" port ]; an empty host is the caller's to judge.
bool split_authority(std::string_view authority, std::string_view& host, std::string_view& port) {
  std::size_t end = 0;
  if (authority.starts_with('[')) {
    end = authority.find(']');
    if (end == std::string_view::npos) return false;
    host = authority.substr(0, ++end);
    if (!is_ip_literal(host)) return false;
  } else {
    end = std::min(authority.find(':'), authority.size());
    host = authority.substr(0, end);
    if (!is_registered_name(host)) return false;
  }
  port = authority.substr(end);
  if (port.empty()) return true;
  if (port.front() != ':') return false;
  port.remove_prefix(1);
  return is_port(port);
}

void set_host(std::string_view host, Target& target) {
  if (host.ends_with('.')) host.remove_suffix(1);
  target.host.clear();
  for (const char c : host) target.host.push_back(ascii_lower(c));
}

// RFC 9112, section 3.2: the field is checked even where the target overrides it.
bool read_host(const Request& request, Target& target) {
  const unsigned count = request.count(Name::host);
  if (count == 0) {
    target.host.clear();
    return request.minor_version == 0 || refuse(target, "no Host field");
  }
  if (count > 1) return refuse(target, "more than one Host field");
  std::string_view host;
  std::string_view port;
  if (!split_authority(request.value(Name::host), host, port)) {
    return refuse(target, "malformed Host field");
  }
  set_host(host, target);
  return true;
}

/// The last segment of `path` is taken away, as ".." asks. False at the root.
bool leave_segment(std::string& path) {
  if (path.size() < 2) return false;
  path.resize(path.rfind('/', path.size() - 2) + 1);
  return true;
}

/// Whether what stands between two slashes holds a dot segment once its encoded slashes count.
bool has_dot_segment(std::string_view text) {
  for (;;) {
    const std::size_t slash = text.find('/');
    const std::string_view part = text.substr(0, slash);
    if (part == "." || part == "..") return true;
    if (slash == std::string_view::npos) return false;
    text.remove_prefix(slash + 1);
  }
}

// Decoding comes first and happens once, so that no second decoding downstream can find new dots or
// slashes; then the segments are judged as they would be opened (RFC 3986, section 5.2.4).
bool read_path(std::string_view raw, Target& target) {
  std::string& path = target.path;
  path.assign(1, '/');
  std::size_t segment = 1;  // where the segment that is being read begins in path
  const auto end_segment = [&path, &segment, &target](bool by_slash) {
    const std::string_view last = std::string_view(path).substr(segment);
    if (target.has_encoded_slash || last.starts_with('.')) {
      target.has_dot_segments |= has_dot_segment(last);
    }
    if (last == "..") {
      path.resize(segment);
      if (!leave_segment(path)) return false;
    } else if (last == ".") {
      path.resize(segment);
    } else if (by_slash) {
      path.push_back('/');
    }
    segment = path.size();
    return true;
  };
  for (std::size_t i = 1; i < raw.size(); ++i) {
    char c = raw[i];
    if (c == '/') {
      if (!end_segment(true)) return refuse(target, "the path leaves the root");
      continue;
    }
    if (c == '%') {
      const int high = raw.size() - i > 2 ? hex_value(raw[i + 1]) : -1;
      const int low = high >= 0 ? hex_value(raw[i + 2]) : -1;
      if (low < 0) return refuse(target, "malformed percent-encoding");
      c = static_cast<char>(high * 16 + low);
      i += 2;
      if (c == '\0') return refuse(target, "an encoded NUL");
      if (c == '/') target.has_encoded_slash = true;
    }
    path.push_back(c);
  }
  return end_segment(false) || refuse(target, "the path leaves the root");
}

bool read_path_and_query(std::string_view text, Target& target) {
  const std::size_t question = text.find('?');
  target.has_query = question != std::string_view::npos;
  if (target.has_query) target.query = text.substr(question + 1);
  const std::string_view path = text.substr(0, question);
  return read_path(path.empty() ? "/" : path, target);
}

bool read_absolute(std::string_view text, const Request& request, Target& target) {
  const std::size_t scheme_end = text.find("://");
  const std::string_view scheme = text.substr(0, scheme_end);
  if (scheme_end == std::string_view::npos ||
      (!iequals(scheme, "http") && !iequals(scheme, "https"))) {
    return refuse(target, "malformed request target");
  }
  text.remove_prefix(scheme_end + 3);
  const std::size_t end = std::min(text.find_first_of("/?"), text.size());
  std::string_view host;
  std::string_view port;
  if (!split_authority(text.substr(0, end), host, port) || host.empty()) {
    return refuse(target, "malformed authority in the request target");
  }
  target.form = Target::Form::absolute;
  if (text.substr(end).empty() && request.method == Method::options) {
    target.form = Target::Form::asterisk;  // RFC 9112, section 3.2.4
  }
  set_host(host, target);
  return read_path_and_query(text.substr(end), target);
}

bool read_authority(std::string_view text, Target& target) {
  std::string_view host;
  std::string_view port;
  if (!split_authority(text, host, port) || host.empty() || port.empty()) {
    return refuse(target, "malformed authority in the request target");
  }
  target.form = Target::Form::authority;
  set_host(host, target);
  return true;
}

/// Whether it is what people type or what they may mean: a byte over 0x7F that is no part of a
/// character in UTF-8 is read in one way here and in another there.
bool is_unambiguous(std::string_view target) {
  const bool is_ascii =
      std::ranges::all_of(target, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  return is_ascii || is_utf8(target);
}

void read_form(const Request& request, Target& target) {
  const std::string_view text = request.target;
  if (request.method == Method::connect) {
    read_authority(text, target);
  } else if (text.starts_with('/')) {
    read_path_and_query(text, target);
  } else if (text == "*" && request.method == Method::options) {
    target.form = Target::Form::asterisk;
  } else {
    read_absolute(text, request, target);
  }
}

}  // namespace

void read_target(const Request& request, Target& target) {
  target.form = Target::Form::origin;
  target.path.clear();
  target.query = {};
  target.has_query = target.has_encoded_slash = target.has_dot_segments = false;
  target.status = 0;
  if (!read_host(request, target)) return;
  if (!is_unambiguous(request.target)) {
    refuse(target, "bytes in the request target that are not UTF-8");
    return;
  }
  read_form(request, target);
  // An http URI without a host is invalid (RFC 9110, section 4.2.1).
  if (target.status == 0 && target.host.empty() && request.minor_version > 0) {
    refuse(target, "an empty Host field");
  }
}

}  // namespace netd::http
