// What the bench programs have in common: loopback sockets, and giving up when one cannot be had.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace netd::bench {

[[noreturn]] inline void die(const char* doing) {
  (void)std::fprintf(stderr, "%s: %s\n", doing, ::strerrordesc_np(errno));
  ::_exit(1);
}

/// 127.0.0.LAST:PORT.
inline sockaddr_in loopback(std::uint16_t port, std::uint32_t last = 1) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(0x7F000000U + last);
  return address;
}

inline const sockaddr* generic(const sockaddr_in& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

inline void set_option(int fd, int level, int name, int value) {
  if (::setsockopt(fd, level, name, &value, sizeof value) != 0) die("setsockopt");
}

inline int bound_socket(int type, std::uint16_t port) {
  const int fd = ::socket(AF_INET, type | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket");
  set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  const sockaddr_in address = loopback(port);
  if (::bind(fd, generic(address), sizeof address) != 0) die("bind");
  return fd;
}

inline std::uint16_t port_argument(const char* text) {
  const long port = std::strtol(text, nullptr, 10);
  if (port < 1 || port > 65535) {
    (void)std::fprintf(stderr, "not a port: %s\n", text);
    ::_exit(2);
  }
  return static_cast<std::uint16_t>(port);
}

}  // namespace netd::bench
