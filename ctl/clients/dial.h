// Names to addresses to connections, for every command that is a client of the network.
#pragma once

#include <sys/socket.h>

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "ctl/context.h"
#include "ctl/waiting.h"
#include "daemon/base/endpoint.h"
#include "daemon/base/error.h"
#include "daemon/base/unique_fd.h"

namespace netd::ctl {

/// Why a peer was not reached, as far as people and scripts treat it differently.
enum class Trouble : std::uint8_t {
  refused,
  timed_out,
  unresolved,
  unreachable,
  reset,   ///< the peer broke the connection off
  closed,  ///< the peer closed before all had been said
  tls,
  failed
};

/// "refused", "timed_out", ...: the `code` of an error with --json.
[[nodiscard]] std::string_view trouble_word(Trouble trouble);

struct ClientError {
  Trouble trouble;
  std::string message;
};

template <class T>
using ClientResult = std::expected<T, ClientError>;

/// Of the system's reason for an errno value.
[[nodiscard]] ClientError client_error(std::string_view doing, int code);
[[nodiscard]] ClientError timed_out(std::string_view doing, milliseconds timeout);

/// The last word of a command that fails so. Returns kFailed.
int complain(const ClientError& error, const Context& context);

/// What people write: HOST:PORT, [IPV6]:PORT, :PORT (this host), unix:PATH, /PATH, each but the
/// last two also behind tcp: or udp:. PORT is a number or a service's name (getservbyname(3)).
[[nodiscard]] Result<Endpoint> parse_target(std::string_view text, Transport otherwise);
/// The same of HOST and PORT in two words, where an IPv6 address needs no brackets.
[[nodiscard]] Result<Endpoint> parse_target(const std::vector<std::string>& words,
                                            Transport otherwise);
/// "HOST:PORT" or the path, without the transport.
[[nodiscard]] std::string short_text(const Endpoint& target);

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;

  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  /// "127.0.0.1:80", "[::1]:80", "unix:/path".
  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::string ip() const;
  void set_port(std::uint16_t port);
};

/// At least one, in the order of preference that the system has (RFC 6724). A name is looked up on
/// a thread that is left behind when the time is up.
[[nodiscard]] ClientResult<std::vector<Address>> resolve(const Endpoint& target, Deadline deadline);

/// A non-blocking socket connected to the target. Of several addresses the first that answers is
/// taken; each next one is tried after a quarter of a second, or at once when one fails (RFC 8305).
[[nodiscard]] ClientResult<UniqueFd> dial(const Endpoint& target, milliseconds timeout);
/// The same to one address.
[[nodiscard]] ClientResult<UniqueFd> dial_address(const Address& address, int type,
                                                  std::string_view name, milliseconds timeout);

/// A non-blocking socket that listens there (of udp: is bound there). Host "*" is every interface.
[[nodiscard]] ClientResult<UniqueFd> listen_on(const Endpoint& where);
/// The address that a socket has itself, with the port that the kernel chose.
[[nodiscard]] Address local_address(int fd);
[[nodiscard]] Address peer_address(int fd);

/// All of it, in a time that counts anew whenever some of it went.
[[nodiscard]] ClientResult<void> send_all(int fd, std::string_view data, milliseconds timeout);
/// What is there; 0 at the end of the stream.
[[nodiscard]] ClientResult<std::size_t> receive_some(int fd, std::span<char> room,
                                                     Deadline deadline);

}  // namespace netd::ctl
