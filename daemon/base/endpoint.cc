#include "daemon/base/endpoint.h"

#include <arpa/inet.h>

#include <cstring>

#include "daemon/base/text.h"

namespace netd {

namespace {

// sockaddr_un::sun_path, less the terminating zero (unix(7)).
constexpr std::size_t kMaxUnixPath = 107;

Result<void> parse_host_port(std::string_view text, Endpoint& endpoint) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return fail("expected HOST:PORT");
  std::string_view host = text.substr(0, colon);
  const auto port = parse_decimal(text.substr(colon + 1));
  if (!port || *port > 65535) return fail("expected a port from 0 to 65535");
  if (host.starts_with('[')) {
    if (!host.ends_with(']')) return fail("expected ] after the IPv6 address");
    host = host.substr(1, host.size() - 2);
    in6_addr ignored{};
    if (::inet_pton(AF_INET6, std::string(host).c_str(), &ignored) != 1) {
      return fail("expected an IPv6 address between [ and ]");
    }
  } else if (host.find(':') != std::string_view::npos) {
    return fail("an IPv6 address needs brackets: [ADDRESS]:PORT");
  }
  if (host.empty()) return fail("expected a host, or * for every interface");
  endpoint.host = host;
  endpoint.port = static_cast<std::uint16_t>(*port);
  return {};
}

}  // namespace

Result<Endpoint> Endpoint::parse(std::string_view text) {
  Endpoint endpoint;
  const auto colon = text.find(':');
  const auto scheme = text.substr(0, colon);
  const auto rest = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  if (scheme == "tcp" || scheme == "udp") {
    endpoint.transport = scheme == "tcp" ? Transport::tcp : Transport::udp;
    if (auto parsed = parse_host_port(rest, endpoint); !parsed) {
      return std::unexpected(parsed.error());
    }
    return endpoint;
  }
  if (colon != std::string_view::npos && (scheme == "unix" || scheme == "fd")) {
    endpoint.transport = scheme == "unix" ? Transport::unix_stream : Transport::inherited;
    endpoint.name = rest;
    if (rest.empty()) return fail(scheme == "unix" ? "expected a path" : "expected a name");
    if (scheme == "unix" && rest.size() > kMaxUnixPath) {
      return fail("a socket's path has at most 107 bytes");
    }
    return endpoint;
  }
  return fail("expected tcp:HOST:PORT, udp:HOST:PORT, unix:PATH or fd:NAME");
}

std::string Endpoint::text() const {
  switch (transport) {
    case Transport::unix_stream:
      return "unix:" + name;
    case Transport::inherited:
      return "fd:" + name;
    case Transport::tcp:
    case Transport::udp:
      break;
  }
  std::string out = transport == Transport::tcp ? "tcp:" : "udp:";
  const bool literal_v6 = host.find(':') != std::string::npos;
  out += literal_v6 ? "[" + host + "]" : host;
  return out + ":" + std::to_string(port);
}

std::optional<IpBytes> IpBytes::parse(std::string_view literal) {
  const std::string text(literal);
  in_addr v4{};
  if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) return from_v4(&v4);
  in6_addr v6{};
  if (::inet_pton(AF_INET6, text.c_str(), &v6) == 1) return from_v6(&v6);
  return std::nullopt;
}

IpBytes IpBytes::from_v4(const void* four_bytes) {
  IpBytes address;
  address.bytes[10] = address.bytes[11] = 0xFF;
  std::memcpy(address.bytes + 12, four_bytes, 4);
  return address;
}

IpBytes IpBytes::from_v6(const void* sixteen_bytes) {
  IpBytes address;
  std::memcpy(address.bytes, sixteen_bytes, 16);
  return address;
}

bool IpBytes::is_v4() const {
  static constexpr unsigned char kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  return std::memcmp(bytes, kMapped, sizeof kMapped) == 0;
}

Result<IpNetwork> IpNetwork::parse(std::string_view text) {
  const auto slash = text.find('/');
  const auto address = IpBytes::parse(text.substr(0, slash));
  if (!address) return fail("expected an IPv4 or IPv6 address or network");
  const bool v4 = text.substr(0, slash).find(':') == std::string_view::npos;
  const unsigned width = v4 ? 32 : 128;
  unsigned prefix = width;
  if (slash != std::string_view::npos) {
    const auto number = parse_decimal(text.substr(slash + 1));
    if (!number || *number > width) {
      return fail("expected a prefix length from 0 to " + std::to_string(width));
    }
    prefix = static_cast<unsigned>(*number);
  }
  IpNetwork network;
  network.network_ = *address;
  network.prefix_ = prefix + (128 - width);
  for (unsigned bit = network.prefix_; bit < 128; ++bit) {
    if ((address->bytes[bit / 8] >> (7 - bit % 8)) & 1) {
      return fail("the address has bits set beyond its prefix length");
    }
  }
  return network;
}

bool IpNetwork::contains(const IpBytes& address) const {
  const unsigned whole = prefix_ / 8;
  if (std::memcmp(network_.bytes, address.bytes, whole) != 0) return false;
  const unsigned rest = prefix_ % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<unsigned char>(0xFF << (8 - rest));
  return ((network_.bytes[whole] ^ address.bytes[whole]) & mask) == 0;
}

}  // namespace netd
