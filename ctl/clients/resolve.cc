// Names to addresses, in a limited time.
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstddef>
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>

#include "ctl/clients/dial.h"

namespace netd::ctl {

namespace {

struct Answer {
  int code = 0;         // of getaddrinfo(3)
  int system_code = 0;  // with EAI_SYSTEM
  std::vector<Address> addresses;
};

/// What the asking and the looking thread share.
struct LookUp {
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<Answer> answer;
};

Answer look_up(const std::string& host, std::uint16_t port, int flags) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;  // each address once
  hints.ai_flags = flags;
  addrinfo* found = nullptr;
  Answer answer;
  const bool any = (flags & AI_PASSIVE) != 0 && host == "*";
  answer.code =
      ::getaddrinfo(any ? nullptr : host.c_str(), std::to_string(port).c_str(), &hints, &found);
  answer.system_code = errno;
  if (answer.code != 0) return answer;
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, ::freeaddrinfo);
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    if (one->ai_addrlen > sizeof(sockaddr_storage)) continue;
    Address& address = answer.addresses.emplace_back();
    std::memcpy(&address.storage, one->ai_addr, one->ai_addrlen);
    address.length = one->ai_addrlen;
  }
  if (answer.addresses.empty()) answer.code = EAI_NONAME;
  return answer;
}

ClientResult<std::vector<Address>> result_of(const Answer& answer, const std::string& host) {
  if (answer.code == 0) return answer.addresses;
  const std::string reason = answer.code == EAI_SYSTEM
                                 ? system_error("getaddrinfo", answer.system_code).what()
                                 : std::string(::gai_strerror(answer.code));
  return std::unexpected(
      ClientError{Trouble::unresolved, host + ": the name does not resolve: " + reason});
}

Address unix_address(const std::string& path) {
  Address address;
  sockaddr_un unix{};
  unix.sun_family = AF_UNIX;
  path.copy(unix.sun_path, sizeof unix.sun_path - 1);
  std::memcpy(&address.storage, &unix, sizeof unix);
  address.length = sizeof unix;
  return address;
}

}  // namespace

ClientResult<std::vector<Address>> resolve(const Endpoint& target, Deadline deadline) {
  if (target.transport == Transport::unix_stream) return std::vector{unix_address(target.name)};
  constexpr int kFlags = AI_NUMERICSERV;
  if (target.host == "*") return result_of(look_up("*", target.port, kFlags | AI_PASSIVE), "*");
  // A literal needs no other thread.
  const Answer literal = look_up(target.host, target.port, kFlags | AI_NUMERICHOST);
  if (literal.code == 0) return literal.addresses;
  // shared_ptr: whichever thread ends last lets it go.
  const auto shared = std::make_shared<LookUp>();
  std::thread([shared, host = target.host, port = target.port] {
    Answer answer = look_up(host, port, kFlags);
    const std::lock_guard lock(shared->mutex);
    shared->answer = std::move(answer);
    shared->changed.notify_one();
  }).detach();
  std::unique_lock lock(shared->mutex);
  const auto answered = [&] { return shared->answer.has_value(); };
  if (!deadline) {
    shared->changed.wait(lock, answered);
  } else if (!shared->changed.wait_until(lock, *deadline, answered)) {
    return std::unexpected(
        ClientError{Trouble::timed_out, target.host + ": looking up the name timed out"});
  }
  return result_of(*shared->answer, target.host);
}

std::string Address::ip() const {
  if (storage.ss_family != AF_INET && storage.ss_family != AF_INET6) return {};
  std::array<char, NI_MAXHOST> text{};  // an address of one link has its zone behind it: fe80::1%lo
  return ::getnameinfo(get(), length, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) == 0
             ? text.data()
             : "";
}

std::string Address::text() const {
  if (storage.ss_family == AF_INET) {
    return ip() + ":" +
           std::to_string(ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port));
  }
  if (storage.ss_family == AF_INET6) {
    return "[" + ip() +
           "]:" + std::to_string(ntohs(reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port));
  }
  const auto* const unix = reinterpret_cast<const sockaddr_un*>(&storage);
  constexpr std::size_t kPathAt = offsetof(sockaddr_un, sun_path);
  if (length <= kPathAt || unix->sun_path[0] == '\0') return "unix:";
  return "unix:" + std::string(unix->sun_path, ::strnlen(unix->sun_path, length - kPathAt));
}

void Address::set_port(std::uint16_t port) {
  if (storage.ss_family == AF_INET) {
    reinterpret_cast<sockaddr_in*>(&storage)->sin_port = htons(port);
  } else if (storage.ss_family == AF_INET6) {
    reinterpret_cast<sockaddr_in6*>(&storage)->sin6_port = htons(port);
  }
}

}  // namespace netd::ctl
