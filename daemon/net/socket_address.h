#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <optional>
#include <string>

#include "daemon/base/endpoint.h"

namespace netd {

/// The address of a peer or of a bound socket, in 28 bytes: every connection holds one. A peer over
/// AF_UNIX has no address worth showing; its credentials stand for it.
class SocketAddress {
 public:
  SocketAddress();
  /// Of AF_INET and AF_INET6; anything else becomes "unknown".
  SocketAddress(const sockaddr* address, socklen_t length);
  [[nodiscard]] static SocketAddress unix_peer(uid_t uid, pid_t pid);

  [[nodiscard]] bool is_ip() const;
  [[nodiscard]] bool is_unix() const { return store_.any.sa_family == AF_UNIX; }
  /// "127.0.0.1:4242", "[::1]:4242", "unix:uid=1000,pid=4242", "unknown". IPv4-mapped IPv6
  /// addresses are written as IPv4.
  [[nodiscard]] std::string text() const;
  /// The same without port and brackets.
  [[nodiscard]] std::string ip_text() const;
  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] std::optional<IpBytes> ip() const;
  [[nodiscard]] SocketAddress with_port(std::uint16_t port) const;

  /// For bind(2), connect(2) and sendto(2).
  [[nodiscard]] const sockaddr* raw() const { return &store_.any; }
  [[nodiscard]] socklen_t raw_size() const;

 private:
  struct UnixPeer {
    sa_family_t family;
    uid_t uid;
    pid_t pid;
  };
  union Store {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
    UnixPeer local;
  };
  Store store_;
};

}  // namespace netd
