// What netd tells the service manager about itself: sd_notify(3).
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "daemon/base/clock.h"

namespace netd {

/// Main thread only. Without a service manager every call does nothing.
class ServiceManager {
 public:
  virtual ~ServiceManager() = default;

  /// Start-up or a reload is over, well or not: the service works. READY=1 with STATUS, of which a
  /// long one is cut.
  virtual void ready(std::string_view status) = 0;
  /// RELOADING=1 with MONOTONIC_USEC; every reload ends with ready().
  virtual void reloading() = 0;
  /// STOPPING=1 with STATUS.
  virtual void stopping(std::string_view status) = 0;
  /// FDSTORE=1: the service manager keeps copies of `descriptors` under `name` (1 to 255 printable
  /// ASCII characters, no colon) and hands them to the next process of this service.
  virtual void store(std::string_view name, std::span<const int> descriptors) = 0;
  /// FDSTOREREMOVE=1: it closes all that it has under `name`.
  virtual void remove_stored(std::string_view name) = 0;
  /// BARRIER=1: waits, 200 ms at the most, until it has done all of the above, so that addresses
  /// of sockets that it closed can be opened again.
  virtual void wait_until_done() = 0;
  /// Whether there is a service manager, which may have stored what it was given.
  [[nodiscard]] virtual bool is_there() const = 0;
  /// WATCHDOG=1.
  virtual void keep_alive() = 0;
  /// How often keep_alive() must come at the least; zero: no watchdog is set.
  [[nodiscard]] virtual std::chrono::microseconds watchdog_interval() const = 0;
};

/// The one that NOTIFY_SOCKET names. `clock` must outlive it.
[[nodiscard]] std::unique_ptr<ServiceManager> make_systemd_service_manager(const Clock& clock);

}  // namespace netd
