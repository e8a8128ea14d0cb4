// What people write for a peer.
#include <netdb.h>

#include <array>

#include "ctl/clients/dial.h"
#include "daemon/base/text.h"

namespace netd::ctl {

namespace {

Result<std::uint16_t> parse_port(std::string_view text, Transport transport) {
  if (const auto number = parse_decimal(text)) {
    if (*number > 65535) return fail("expected a port from 0 to 65535, found " + printable(text));
    return static_cast<std::uint16_t>(*number);
  }
  servent entry{};
  servent* found = nullptr;
  std::array<char, 4096> buffer{};
  const char* const protocol = transport == Transport::udp ? "udp" : "tcp";
  const std::string name(text);
  if (text.empty() ||
      ::getservbyname_r(name.c_str(), protocol, &entry, buffer.data(), buffer.size(), &found) !=
          0 ||
      found == nullptr) {
    return fail("expected a port or the name of a service, found \"" + printable(text, 40) + "\"");
  }
  return ntohs(static_cast<std::uint16_t>(entry.s_port));
}

Result<Endpoint> join(std::string_view host, std::string_view port, Transport transport) {
  const auto number = parse_port(port, transport);
  if (!number) return std::unexpected(number.error());
  if (host.size() > 255 || host.find_first_of(" \t\r\n/@") != std::string_view::npos ||
      host.find('\0') != std::string_view::npos) {
    return fail("expected a host, found \"" + printable(host, 40) + "\"");
  }
  Endpoint target;
  target.transport = transport;
  target.host = host.empty() ? "localhost" : host;
  target.port = *number;
  return target;
}

Result<Endpoint> unix_target(std::string_view path) {
  constexpr std::size_t kMaxPath = 107;  // sockaddr_un::sun_path, less the terminating zero
  if (path.empty() || path.size() > kMaxPath) return fail("a socket's path has 1 to 107 bytes");
  Endpoint target;
  target.transport = Transport::unix_stream;
  target.name = path;
  return target;
}

}  // namespace

Result<Endpoint> parse_target(std::string_view text, Transport otherwise) {
  if (text.starts_with("unix:")) return unix_target(text.substr(5));
  if (text.starts_with('/')) return unix_target(text);
  if (text.starts_with("tcp:") || text.starts_with("udp:")) {
    otherwise = text.starts_with("tcp:") ? Transport::tcp : Transport::udp;
    text.remove_prefix(4);
  }
  if (otherwise == Transport::unix_stream) return unix_target(text);
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || text.ends_with(']')) {
    return fail("expected HOST:PORT, [IPV6]:PORT or unix:PATH, found \"" + printable(text, 40) +
                "\"");
  }
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return fail("an IPv6 address needs brackets: [ADDRESS]:PORT");
  }
  return join(host, text.substr(colon + 1), otherwise);
}

Result<Endpoint> parse_target(const std::vector<std::string>& words, Transport otherwise) {
  if (words.size() == 1) return parse_target(words[0], otherwise);
  if (words.size() != 2) return fail("expected HOST:PORT, or HOST and PORT");
  std::string_view host = words[0];
  if (host.empty()) return fail("expected a host, found \"\"");
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return join(host, words[1], otherwise);
}

std::string short_text(const Endpoint& target) {
  if (target.transport == Transport::unix_stream) return target.name;
  return target.text().substr(4);
}

}  // namespace netd::ctl
