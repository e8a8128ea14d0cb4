// What netd tells the service manager about itself: sd_notify(3).
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/base/clock.h"

namespace netd {

/// Main thread only. Without a service manager every call does nothing.
class ServiceManager {
 public:
  virtual ~ServiceManager() = default;

  /// Start-up or a reload is over, well or not: the service works. READY=1 with STATUS.
  virtual void ready(std::string_view status) = 0;
  /// RELOADING=1 with MONOTONIC_USEC; every reload ends with ready().
  virtual void reloading() = 0;
  /// STOPPING=1 with STATUS.
  virtual void stopping(std::string_view status) = 0;
  /// WATCHDOG=1.
  virtual void keep_alive() = 0;
  /// How often keep_alive() must come at the least; zero: no watchdog is set.
  [[nodiscard]] virtual std::chrono::microseconds watchdog_interval() const = 0;
};

/// The one that NOTIFY_SOCKET names. `clock` must outlive it.
[[nodiscard]] std::unique_ptr<ServiceManager> make_systemd_service_manager(const Clock& clock);

}  // namespace netd
