#include "daemon/net/socket.h"

#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

namespace netd {

namespace {

struct AddrInfoFree {
  void operator()(addrinfo* list) const noexcept { ::freeaddrinfo(list); }
};
using AddrInfoPtr = std::unique_ptr<addrinfo, AddrInfoFree>;

void set_flag(int fd, int level, int option) {
  const int on = 1;
  // The options wanted here exist on every kernel that netd runs on; a socket works without.
  (void)::setsockopt(fd, level, option, &on, sizeof on);
}

/// bind(2) or listen(2) said no. The caller's "listen ADDRESS" in front says all that was being
/// done.
std::unexpected<Error> refused(int code) { return fail(::strerrordesc_np(code), code); }

Result<AddrInfoPtr> resolve(const Endpoint& endpoint) {
  addrinfo hints{};
  hints.ai_socktype = endpoint.transport == Transport::udp ? SOCK_DGRAM : SOCK_STREAM;
  hints.ai_family = AF_UNSPEC;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  const std::string port = std::to_string(endpoint.port);
  addrinfo* list = nullptr;
  const int code = ::getaddrinfo(endpoint.host.c_str(), port.c_str(), &hints, &list);
  AddrInfoPtr found(list);
  if (code == EAI_SYSTEM) return fail_system("look up " + endpoint.host, errno);
  if (code != 0) return fail("look up " + endpoint.host + ": " + ::gai_strerror(code));
  return found;
}

/// The addresses to bind: of a name, those that it has; for `*`, the one that takes both families,
/// or IPv4 alone on a host without IPv6.
Result<std::vector<SocketAddress>> addresses_of(const Endpoint& endpoint) {
  if (endpoint.host == "*") {
    const UniqueFd probe(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (probe) {
      sockaddr_in6 any{};
      any.sin6_family = AF_INET6;
      any.sin6_port = htons(endpoint.port);
      return std::vector{SocketAddress(reinterpret_cast<sockaddr*>(&any), sizeof any)};
    }
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_port = htons(endpoint.port);
    return std::vector{SocketAddress(reinterpret_cast<sockaddr*>(&any), sizeof any)};
  }
  auto list = resolve(endpoint);
  if (!list) return std::unexpected(list.error());
  std::vector<SocketAddress> addresses;
  for (const addrinfo* one = list->get(); one != nullptr; one = one->ai_next) {
    if (one->ai_family != AF_INET && one->ai_family != AF_INET6) continue;
    addresses.emplace_back(one->ai_addr, one->ai_addrlen);
  }
  return addresses;
}

/// A socket for one of the endpoint's addresses, not bound yet.
Result<UniqueFd> ip_socket(const SocketAddress& address, const Endpoint& endpoint) {
  const int type = endpoint.transport == Transport::udp ? SOCK_DGRAM : SOCK_STREAM;
  const int family = address.raw()->sa_family;
  UniqueFd socket(::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_system("socket", errno);
  if (type == SOCK_STREAM) set_flag(socket.get(), SOL_SOCKET, SO_REUSEADDR);
  if (family == AF_INET6) {
    const int only_v6 = endpoint.host == "*" ? 0 : 1;
    (void)::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof only_v6);
  }
  return socket;
}

/// A port that the kernel chose, kept by the socket returned until another one has bound it by
/// number: only a port bound by number survives that a socket stops listening, as one does that is
/// drained.
Result<UniqueFd> reserve_port(SocketAddress& address, const Endpoint& endpoint) {
  auto holder = ip_socket(address, endpoint);
  if (!holder) return holder;
  if (::bind(holder->get(), address.raw(), address.raw_size()) != 0) {
    return fail_system("bind", errno);
  }
  auto local = describe_socket(holder->get());
  if (!local) return std::unexpected(local.error());
  address = address.with_port(local->port);
  return holder;
}

/// With `beside_ours` the address may be one that a socket of ours has already.
Result<BoundSocket> bind_ip(SocketAddress address, const Endpoint& endpoint, bool beside_ours) {
  const int type = endpoint.transport == Transport::udp ? SOCK_DGRAM : SOCK_STREAM;
  UniqueFd holder;  // of the port, until this function ends
  if (type == SOCK_STREAM && address.port() == 0) {
    auto reserved = reserve_port(address, endpoint);
    if (!reserved) return std::unexpected(reserved.error());
    holder = std::move(*reserved);
  }
  auto socket = ip_socket(address, endpoint);
  if (!socket) return std::unexpected(socket.error());
  BoundSocket bound{std::move(*socket), endpoint};
  const int fd = bound.fd.get();
  if (beside_ours) set_flag(fd, SOL_SOCKET, SO_REUSEPORT);
  // Accepted sockets inherit it, which saves a call for each of them.
  if (type == SOCK_STREAM) set_flag(fd, IPPROTO_TCP, TCP_NODELAY);
  if (::bind(fd, address.raw(), address.raw_size()) != 0) return refused(errno);
  // The first one shares only after it has the address: else a second netd would be let in, too.
  if (!beside_ours) set_flag(fd, SOL_SOCKET, SO_REUSEPORT);
  if (type == SOCK_STREAM && ::listen(fd, SOMAXCONN) != 0) return refused(errno);
  auto local = describe_socket(fd);
  if (!local) return std::unexpected(local.error());
  bound.endpoint.port = local->port;
  return bound;
}

sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

/// Removes the socket file of a process that is gone. Leaves everything else alone and says why.
Result<void> clear_the_way(const std::string& path) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
    return fail_system("stat", errno);
  }
  if (!S_ISSOCK(status.st_mode)) return fail("a file that is not a socket is in the way", EEXIST);
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return fail_system("socket", errno);
  const sockaddr_un address = unix_address(path);
  const int connected =
      ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  // EAGAIN: somebody listens and has a full queue.
  if (connected == 0 || errno != ECONNREFUSED) return refused(EADDRINUSE);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return fail_system("remove the old socket", errno);
  }
  return {};
}

Result<BoundSocket> bind_unix(const Endpoint& endpoint, const UnixSocketMode& mode) {
  const std::string& path = endpoint.name;
  if (auto clear = clear_the_way(path); !clear) return std::unexpected(clear.error());
  BoundSocket bound{UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)),
                    endpoint};
  if (!bound.fd) return fail_system("socket", errno);
  const sockaddr_un address = unix_address(path);
  // Nobody gets in between bind() and chmod(): the socket is not listening yet.
  if (::bind(bound.fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return refused(errno);
  }
  if (mode.group && ::chown(path.c_str(), static_cast<uid_t>(-1), *mode.group) != 0) {
    return fail_system("change the group", errno);
  }
  if (::chmod(path.c_str(), mode.mode) != 0) return fail_system("change the mode", errno);
  if (::listen(bound.fd.get(), SOMAXCONN) != 0) return refused(errno);
  return bound;
}

}  // namespace

Result<std::vector<std::vector<BoundSocket>>> open_sockets(const Endpoint& endpoint,
                                                           unsigned copies, bool beside_ours,
                                                           const UnixSocketMode& unix_mode) {
  const std::string doing = "listen " + endpoint.text();
  std::vector<std::vector<BoundSocket>> groups;
  if (endpoint.transport == Transport::unix_stream) {
    auto bound = bind_unix(endpoint, unix_mode);
    if (!bound) return std::unexpected(bound.error().within(doing));
    groups.emplace_back();
    groups.back().push_back(std::move(*bound));
    return groups;
  }
  const auto addresses = addresses_of(endpoint);
  if (!addresses) return std::unexpected(addresses.error().within(doing));
  for (const SocketAddress& address : *addresses) {
    std::vector<BoundSocket> group;
    SocketAddress target = address;
    for (unsigned copy = 0; copy < copies; ++copy) {
      auto bound = bind_ip(target, endpoint, beside_ours || copy > 0);
      if (!bound) return std::unexpected(bound.error().within(doing));
      target = target.with_port(bound->endpoint.port);
      group.push_back(std::move(*bound));
    }
    groups.push_back(std::move(group));
  }
  if (groups.empty()) return fail(doing + ": the name has no address");
  return groups;
}

Result<UniqueFd> start_connect(const SocketAddress& address) {
  const int family = address.raw()->sa_family;
  UniqueFd socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_system("connect " + address.text(), errno);
  set_flag(socket.get(), IPPROTO_TCP, TCP_NODELAY);
  if (::connect(socket.get(), address.raw(), address.raw_size()) != 0 && errno != EINPROGRESS) {
    return fail_system("connect " + address.text(), errno);
  }
  return socket;
}

Result<UniqueFd> start_connect_unix(const std::string& path) {
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_system("connect unix:" + path, errno);
  const sockaddr_un address = unix_address(path);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail_system("connect unix:" + path, errno);
  }
  return socket;
}

Result<Endpoint> describe_socket(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  if (::getsockname(fd, address, &size) != 0) return fail_system("getsockname", errno);
  int type = 0;
  socklen_t type_size = sizeof type;
  if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) != 0) {
    return fail_system("getsockopt", errno);
  }
  Endpoint endpoint;
  if (storage.ss_family == AF_UNIX) {
    endpoint.transport = Transport::unix_stream;
    const auto* local = reinterpret_cast<const sockaddr_un*>(&storage);
    endpoint.name.assign(local->sun_path, ::strnlen(local->sun_path, sizeof local->sun_path));
    return endpoint;
  }
  const SocketAddress local(address, size);
  if (!local.is_ip()) return fail("neither an IP socket nor a unix socket");
  endpoint.transport = type == SOCK_DGRAM ? Transport::udp : Transport::tcp;
  endpoint.host = local.ip_text();
  endpoint.port = local.port();
  return endpoint;
}

SocketAddress unix_peer_of(int fd) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return {};
  return SocketAddress::unix_peer(credentials.uid, credentials.pid);
}

}  // namespace netd
