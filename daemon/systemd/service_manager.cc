#include "daemon/systemd/service_manager.h"

#include <systemd/sd-daemon.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace netd {

namespace {

class SystemdServiceManager final : public ServiceManager {
 public:
  explicit SystemdServiceManager(const Clock& clock) : clock_(clock) {
    if (::sd_watchdog_enabled(0, &watchdog_usec_) <= 0) watchdog_usec_ = 0;
  }

  void ready(std::string_view status) override { notify("READY=1\nSTATUS=" + std::string(status)); }

  void reloading() override {
    const auto now =
        std::chrono::duration_cast<std::chrono::microseconds>(clock_.now().time_since_epoch());
    notify("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(now.count()) + "\nSTATUS=Reloading");
  }

  void stopping(std::string_view status) override {
    notify("STOPPING=1\nSTATUS=" + std::string(status));
  }

  void store(std::string_view name, std::span<const int> descriptors) override {
    // FDPOLL=0: a socket that a drain took from listening looks dead to epoll and is not.
    const std::string state = "FDSTORE=1\nFDPOLL=0\nFDNAME=" + std::string(name);
    while (!descriptors.empty()) {
      const auto some = descriptors.first(std::min(descriptors.size(), kMaxDescriptors));
      (void)::sd_pid_notify_with_fds(0, 0, state.c_str(), some.data(),
                                     static_cast<unsigned>(some.size()));
      descriptors = descriptors.subspan(some.size());
    }
  }

  void remove_stored(std::string_view name) override {
    notify("FDSTOREREMOVE=1\nFDNAME=" + std::string(name));
  }

  [[nodiscard]] bool is_there() const override { return ::getenv("NOTIFY_SOCKET") != nullptr; }

  void keep_alive() override { notify("WATCHDOG=1"); }

  [[nodiscard]] std::chrono::microseconds watchdog_interval() const override {
    return std::chrono::microseconds(watchdog_usec_);
  }

 private:
  // SCM_RIGHTS takes 253 in one message: unix(7).
  static constexpr std::size_t kMaxDescriptors = 128;

  // A service manager that cannot be told must not keep the service from its work.
  static void notify(const std::string& state) { (void)::sd_notify(0, state.c_str()); }

  const Clock& clock_;
  std::uint64_t watchdog_usec_ = 0;
};

}  // namespace

std::unique_ptr<ServiceManager> make_systemd_service_manager(const Clock& clock) {
  return std::make_unique<SystemdServiceManager>(clock);
}

}  // namespace netd
