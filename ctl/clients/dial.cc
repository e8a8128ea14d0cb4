#include "ctl/clients/dial.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "ctl/humanize.h"

namespace netd::ctl {

namespace {

// RFC 8305, section 8: the time between two attempts.
constexpr milliseconds kAttemptDelay{250};

Trouble trouble_of(int code) {
  switch (code) {
    case ECONNREFUSED:
    case ENOENT:  // of a unix socket
      return Trouble::refused;
    case ETIMEDOUT:
      return Trouble::timed_out;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
    case EADDRNOTAVAIL:
      return Trouble::unreachable;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
      return Trouble::reset;
    default:
      return Trouble::failed;
  }
}

/// Connections under way to the addresses of one name.
class Race {
 public:
  Race(const std::vector<Address>& addresses, int type, std::string doing, milliseconds timeout)
      : addresses_(addresses), type_(type), doing_(std::move(doing)), timeout_(timeout) {}

  ClientResult<UniqueFd> run(Deadline deadline) {
    while (next_ < addresses_.size() || !running_.empty()) {
      if (next_ < addresses_.size()) {
        if (auto winner = start(addresses_[next_++])) return std::move(*winner);
        if (running_.empty()) continue;
      }
      Deadline until = deadline;
      if (next_ < addresses_.size()) {
        const Moment soon = std::chrono::steady_clock::now() + kAttemptDelay;
        until = deadline ? std::min(*deadline, soon) : soon;
      }
      if (!wait_for_any(running_, until)) {
        if (deadline && std::chrono::steady_clock::now() >= *deadline) {
          return std::unexpected(timed_out(doing_, timeout_));
        }
        continue;
      }
      if (auto winner = collect()) return std::move(*winner);
    }
    return std::unexpected(*error_);
  }

 private:
  /// The socket, when it is connected at once.
  std::optional<UniqueFd> start(const Address& address) {
    const int family = address.get()->sa_family;
    UniqueFd fd(::socket(family, type_ | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) {
      note(errno);
      return std::nullopt;
    }
    const int one = 1;
    if (family != AF_UNIX && type_ == SOCK_STREAM) {
      (void)::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
    if (::connect(fd.get(), address.get(), address.length) == 0) return fd;
    if (errno != EINPROGRESS) {
      note(errno);
      return std::nullopt;
    }
    running_.push_back({fd.get(), POLLOUT, 0});
    sockets_.push_back(std::move(fd));
    return std::nullopt;
  }

  std::optional<UniqueFd> collect() {
    for (std::size_t i = 0; i < running_.size();) {
      if (running_[i].revents == 0) {
        ++i;
        continue;
      }
      int code = 0;
      socklen_t length = sizeof code;
      if (::getsockopt(running_[i].fd, SOL_SOCKET, SO_ERROR, &code, &length) != 0) code = errno;
      if (code == 0) return std::move(sockets_[i]);
      note(code);
      running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
      sockets_.erase(sockets_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    return std::nullopt;
  }

  /// Of several reasons a refusal tells most: the host is there.
  void note(int code) {
    ClientError error = client_error(doing_, code);
    if (!error_ || error.trouble == Trouble::refused) error_ = std::move(error);
  }

  const std::vector<Address>& addresses_;
  const int type_;
  const std::string doing_;
  const milliseconds timeout_;
  std::size_t next_ = 0;
  std::vector<pollfd> running_;
  std::vector<UniqueFd> sockets_;  // of running_, in the same order
  std::optional<ClientError> error_;
};

int type_of(const Endpoint& target) {
  return target.transport == Transport::udp ? SOCK_DGRAM : SOCK_STREAM;
}

}  // namespace

std::string_view trouble_word(Trouble trouble) {
  switch (trouble) {
    case Trouble::refused:
      return "refused";
    case Trouble::timed_out:
      return "timed_out";
    case Trouble::unresolved:
      return "unresolved";
    case Trouble::unreachable:
      return "unreachable";
    case Trouble::reset:
      return "reset";
    case Trouble::closed:
      return "closed";
    case Trouble::tls:
      return "tls";
    case Trouble::failed:
      break;
  }
  return "failed";
}

ClientError client_error(std::string_view doing, int code) {
  const Trouble trouble = trouble_of(code);
  std::string message = system_error(doing, code).what();
  if (trouble == Trouble::refused) message += ": nobody listens there";
  return {trouble, std::move(message)};
}

ClientError timed_out(std::string_view doing, milliseconds timeout) {
  const auto seconds = static_cast<double>(timeout.count()) / 1000.0;
  return {Trouble::timed_out, std::string(doing) + ": timed out after " + human_seconds(seconds)};
}

int complain(const ClientError& error, const Context& context) {
  return complain(error.message, kFailed, trouble_word(error.trouble), context);
}

ClientResult<UniqueFd> dial(const Endpoint& target, milliseconds timeout) {
  const Deadline deadline = deadline_of(timeout);
  const auto addresses = resolve(target, deadline);
  if (!addresses) return std::unexpected(addresses.error());
  return Race(*addresses, type_of(target), "connect to " + short_text(target), timeout)
      .run(deadline);
}

ClientResult<UniqueFd> dial_address(const Address& address, int type, std::string_view name,
                                    milliseconds timeout) {
  const std::vector<Address> addresses{address};
  return Race(addresses, type, "connect to " + std::string(name), timeout)
      .run(deadline_of(timeout));
}

ClientResult<UniqueFd> listen_on(const Endpoint& where) {
  auto addresses = resolve(where, std::nullopt);
  if (!addresses) return std::unexpected(addresses.error());
  // Of "every interface" IPv6 stands for both where it can.
  if (where.host == "*") {
    std::ranges::stable_partition(
        *addresses, [](const Address& address) { return address.get()->sa_family == AF_INET6; });
  }
  const std::string doing = "listen on " + short_text(where);
  ClientError error{Trouble::failed, doing};
  for (const Address& address : *addresses) {
    const int family = address.get()->sa_family;
    UniqueFd fd(::socket(family, type_of(where) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const int one = 1;
    const int zero = 0;
    if (fd && family == AF_INET6) {
      (void)::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, where.host == "*" ? &zero : &one,
                         sizeof one);
    }
    if (fd && family != AF_UNIX && where.transport == Transport::tcp) {
      (void)::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    }
    if (fd && ::bind(fd.get(), address.get(), address.length) == 0 &&
        (where.transport == Transport::udp || ::listen(fd.get(), 16) == 0)) {
      return fd;
    }
    const int code = errno;
    error = {Trouble::failed, system_error(doing, code).what()};
  }
  return std::unexpected(error);
}

Address local_address(int fd) {
  Address address;
  address.length = sizeof address.storage;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address.storage), &address.length) != 0) {
    return {};
  }
  return address;
}

Address peer_address(int fd) {
  Address address;
  address.length = sizeof address.storage;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&address.storage), &address.length) != 0) {
    return {};
  }
  return address;
}

ClientResult<void> send_all(int fd, std::string_view data, milliseconds timeout) {
  Deadline deadline = deadline_of(timeout);
  while (!data.empty()) {
    const ssize_t count = ::send(fd, data.data(), data.size(), MSG_NOSIGNAL);
    const int code = count < 0 ? errno : 0;
    if (count > 0) {
      data.remove_prefix(static_cast<std::size_t>(count));
      deadline = deadline_of(timeout);
    } else if (code == EAGAIN) {
      if (!wait_for(fd, POLLOUT, deadline)) return std::unexpected(timed_out("send", timeout));
    } else if (code != EINTR) {
      return std::unexpected(client_error("send", code));
    }
  }
  return {};
}

ClientResult<std::size_t> receive_some(int fd, std::span<char> room, Deadline deadline) {
  for (;;) {
    const ssize_t count = ::recv(fd, room.data(), room.size(), 0);
    if (count >= 0) return static_cast<std::size_t>(count);
    const int code = errno;
    if (code == EAGAIN) {
      if (!wait_for(fd, POLLIN, deadline)) {
        return std::unexpected(ClientError{Trouble::timed_out, "no answer: timed out"});
      }
    } else if (code != EINTR) {
      return std::unexpected(client_error("receive", code));
    }
  }
}

}  // namespace netd::ctl
