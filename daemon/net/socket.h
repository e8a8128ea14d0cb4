// Sockets that a server waits on, and the start of a connection of its own.
#pragma once

#include <sys/types.h>

#include <optional>
#include <vector>

#include "daemon/base/endpoint.h"
#include "daemon/base/error.h"
#include "daemon/base/unique_fd.h"
#include "daemon/net/socket_address.h"

namespace netd {

/// A bound socket and what it is bound to.
struct BoundSocket {
  UniqueFd fd;
  Endpoint endpoint;  ///< as configured, with the port that the kernel chose in place of 0
};

/// How a unix socket appears in the file system; nothing: as the process would leave it.
struct UnixSocketMode {
  mode_t mode = 0660;
  std::optional<gid_t> group;
};

/// Sockets for one `listen =` value, bound and (but for UDP) listening, non-blocking. Several when
/// the host is a name with several addresses; `*` is one socket for IPv6 and IPv4 alike.
/// `copies` sockets on each address share it with SO_REUSEPORT, so that each worker has its own; a
/// unix socket is opened once whatever `copies` says. `beside_ours`: sockets of this process may
/// hold the port already; otherwise an address that any process holds is an error.
///
/// A name is looked up with getaddrinfo(3), which blocks: for the main thread, at start and reload.
/// A unix socket that a dead process left behind is replaced; a living one, and a file that is no
/// socket, are errors and left alone.
[[nodiscard]] Result<std::vector<std::vector<BoundSocket>>> open_sockets(
    const Endpoint& endpoint, unsigned copies, bool beside_ours, const UnixSocketMode& unix_mode);

/// A non-blocking socket that is connecting to a literal address or a unix path.
[[nodiscard]] Result<UniqueFd> start_connect(const SocketAddress& address);
[[nodiscard]] Result<UniqueFd> start_connect_unix(const std::string& path);

/// What a bound or accepted descriptor is: its local address. For inherited sockets.
[[nodiscard]] Result<Endpoint> describe_socket(int fd);

/// Who is at the other end of a unix connection (SO_PEERCRED).
[[nodiscard]] SocketAddress unix_peer_of(int fd);

}  // namespace netd
