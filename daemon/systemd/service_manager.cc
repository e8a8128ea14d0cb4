#include "daemon/systemd/service_manager.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>

#include "daemon/base/unique_fd.h"

namespace netd {

namespace {

/// Whether the service manager reads. sd_notify(3) blocks when a few messages wait
/// (net.unix.max_dgram_qlen, 10 by default) and it does not: a test harness, say, that waited for
/// READY=1 and looked no further.
class NotifyLine {
 public:
  /// Waits a second for one that has stopped reading, once.
  [[nodiscard]] bool takes_messages() {
    if (!connected_) connect();
    if (!socket_) return true;  // sd_notify() says what is wrong, or knows of nobody to tell
    pollfd state{socket_.get(), POLLOUT, 0};
    constexpr int kPatience = 1000;  // milliseconds
    stalled_ = ::poll(&state, 1, stalled_ ? 0 : kPatience) == 0;
    return !stalled_;
  }

 private:
  /// To ask with: of a socket that is connected poll(2) knows whether its peer has room.
  void connect() {
    connected_ = true;
    const char* const name = ::getenv("NOTIFY_SOCKET");  // NOLINT(concurrency-mt-unsafe)
    const std::string_view path = name == nullptr ? "" : name;
    sockaddr_un address{};
    if (!(path.starts_with('/') || path.starts_with('@')) ||
        path.size() >= sizeof address.sun_path) {
      return;
    }
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, path.size());
    if (path.starts_with('@')) address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
    UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!fd || ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) return;
    socket_ = std::move(fd);
  }

  UniqueFd socket_;
  bool connected_ = false;  // tried once
  bool stalled_ = false;
};

/// systemd drops a message of more than 4096 bytes, READY=1 with it, and nobody reads a line as
/// long.
std::string status_line(std::string_view status) {
  constexpr std::size_t kMaxStatus = 1000;
  std::string line = "STATUS=";
  if (status.size() <= kMaxStatus) return line.append(status);
  const auto is_continuation = [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) == 0x80;
  };
  std::size_t end = kMaxStatus;
  while (end > 0 && is_continuation(status[end])) --end;  // not within a character of UTF-8
  return line.append(status.substr(0, end)).append("...");
}

class SystemdServiceManager final : public ServiceManager {
 public:
  explicit SystemdServiceManager(const Clock& clock) : clock_(clock) {
    if (::sd_watchdog_enabled(0, &watchdog_usec_) <= 0) watchdog_usec_ = 0;
  }

  void ready(std::string_view status) override { notify("READY=1\n" + status_line(status)); }

  void reloading() override {
    const auto now =
        std::chrono::duration_cast<std::chrono::microseconds>(clock_.now().time_since_epoch());
    notify("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(now.count()) + "\nSTATUS=Reloading");
  }

  void stopping(std::string_view status) override { notify("STOPPING=1\n" + status_line(status)); }

  void store(std::string_view name, std::span<const int> descriptors) override {
    // FDPOLL=0: a socket that a drain took from listening looks dead to epoll and is not.
    const std::string state = "FDSTORE=1\nFDPOLL=0\nFDNAME=" + std::string(name);
    while (!descriptors.empty() && line_.takes_messages()) {
      const auto some = descriptors.first(std::min(descriptors.size(), kMaxDescriptors));
      (void)::sd_pid_notify_with_fds(0, 0, state.c_str(), some.data(),
                                     static_cast<unsigned>(some.size()));
      descriptors = descriptors.subspan(some.size());
    }
  }

  void remove_stored(std::string_view name) override {
    notify("FDSTOREREMOVE=1\nFDNAME=" + std::string(name));
  }

  void wait_until_done() override {
    constexpr std::uint64_t kPatience = 200'000;  // microseconds
    if (line_.takes_messages()) (void)::sd_notify_barrier(0, kPatience);
  }

  [[nodiscard]] bool is_there() const override {
    return ::getenv("NOTIFY_SOCKET") != nullptr;  // NOLINT(concurrency-mt-unsafe): never changes
  }

  void keep_alive() override { notify("WATCHDOG=1"); }

  [[nodiscard]] std::chrono::microseconds watchdog_interval() const override {
    return std::chrono::microseconds(watchdog_usec_);
  }

 private:
  // SCM_RIGHTS takes 253 in one message: unix(7).
  static constexpr std::size_t kMaxDescriptors = 128;

  // A service manager that cannot be told must not keep the service from its work.
  void notify(const std::string& state) {
    if (line_.takes_messages()) (void)::sd_notify(0, state.c_str());
  }

  const Clock& clock_;
  NotifyLine line_;
  std::uint64_t watchdog_usec_ = 0;
};

}  // namespace

std::unique_ptr<ServiceManager> make_systemd_service_manager(const Clock& clock) {
  return std::make_unique<SystemdServiceManager>(clock);
}

}  // namespace netd
