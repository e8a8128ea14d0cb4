#include "daemon/net/socket_address.h"

#include <arpa/inet.h>

#include <array>
#include <charconv>
#include <cstring>
#include <span>

namespace netd {

namespace {

/// As inet_ntop(3), which calls printf(3) for it: each request and each mail names its client.
std::string dotted(std::span<const std::uint8_t, 4> octets) {
  std::array<char, INET_ADDRSTRLEN> text{};
  char* at = text.data();
  for (const std::uint8_t octet : octets) {
    if (at != text.data()) *at++ = '.';
    at = std::to_chars(at, text.data() + text.size(), octet).ptr;
  }
  return {text.data(), at};
}

}  // namespace

SocketAddress::SocketAddress() : store_{} { store_.any.sa_family = AF_UNSPEC; }

SocketAddress::SocketAddress(const sockaddr* address, socklen_t length) : SocketAddress() {
  const bool v4 = address->sa_family == AF_INET && length >= sizeof(sockaddr_in);
  const bool v6 = address->sa_family == AF_INET6 && length >= sizeof(sockaddr_in6);
  if (v4) std::memcpy(&store_.v4, address, sizeof(sockaddr_in));
  if (v6) std::memcpy(&store_.v6, address, sizeof(sockaddr_in6));
}

SocketAddress SocketAddress::unix_peer(uid_t uid, pid_t pid) {
  SocketAddress peer;
  peer.store_.local = {.family = AF_UNIX, .uid = uid, .pid = pid};
  return peer;
}

bool SocketAddress::is_ip() const {
  return store_.any.sa_family == AF_INET || store_.any.sa_family == AF_INET6;
}

std::string SocketAddress::ip_text() const {
  const auto address = ip();
  if (!address) {
    if (!is_unix()) return "unknown";
    return "unix:uid=" + std::to_string(store_.local.uid) +
           ",pid=" + std::to_string(store_.local.pid);
  }
  if (address->is_v4()) return dotted(std::span(address->bytes).last<4>());
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(AF_INET6, address->bytes, text.data(), text.size());
  return text.data();
}

std::string SocketAddress::text() const {
  const auto address = ip();
  if (!address) return ip_text();
  const std::string host = address->is_v4() ? ip_text() : "[" + ip_text() + "]";
  return host + ":" + std::to_string(port());
}

std::uint16_t SocketAddress::port() const {
  if (store_.any.sa_family == AF_INET) return ntohs(store_.v4.sin_port);
  if (store_.any.sa_family == AF_INET6) return ntohs(store_.v6.sin6_port);
  return 0;
}

std::optional<IpBytes> SocketAddress::ip() const {
  if (store_.any.sa_family == AF_INET) return IpBytes::from_v4(&store_.v4.sin_addr);
  if (store_.any.sa_family == AF_INET6) return IpBytes::from_v6(&store_.v6.sin6_addr);
  return std::nullopt;
}

SocketAddress SocketAddress::with_port(std::uint16_t port) const {
  SocketAddress other = *this;
  if (store_.any.sa_family == AF_INET) other.store_.v4.sin_port = htons(port);
  if (store_.any.sa_family == AF_INET6) other.store_.v6.sin6_port = htons(port);
  return other;
}

socklen_t SocketAddress::raw_size() const {
  return store_.any.sa_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
}

}  // namespace netd
