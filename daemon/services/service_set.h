// The configured services: their instances, and which of them are healthy.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "daemon/base/clock.h"
#include "daemon/config/settings.h"
#include "daemon/event/timer.h"
#include "daemon/net/io_context.h"
#include "daemon/services/health_check.h"

namespace netd::services {

enum class Health : std::uint8_t { unknown, healthy, unhealthy };

[[nodiscard]] std::string_view health_name(Health health);

/// One instance and the checks that it undergoes.
class Instance {
 public:
  /// A healthy one that fails once may have been restarting: it takes this many in a row.
  static constexpr unsigned kFailuresToUnhealthy = 2;

  Instance(IoContext& io, const Clock& clock, const config::ServiceSettings& service,
           const Endpoint& address);

  [[nodiscard]] const Endpoint& address() const { return address_; }
  [[nodiscard]] Health health() const { return health_; }
  /// Why it is unhealthy, for people; empty otherwise.
  [[nodiscard]] const std::string& reason() const { return reason_; }

 private:
  void check();
  void on_checked(const Result<void>& outcome);
  void become(Health health, const std::string& reason);

  const std::string service_;
  const Endpoint address_;
  const std::chrono::milliseconds interval_;
  Health health_ = Health::unknown;
  std::string reason_;
  unsigned failures_ = 0;  // in a row
  Timer timer_;
  std::unique_ptr<HealthCheck> check_;  // null: health = off
};

struct Service {
  std::string name;
  std::vector<std::unique_ptr<Instance>> instances;
};

/// Belongs to the main thread.
class ServiceSet {
 public:
  /// Both must outlive the set.
  ServiceSet(IoContext& io, const Clock& clock) : io_(io), clock_(clock) {}

  /// Takes the services of a configuration into use. What is the same in both keeps its state and
  /// its rhythm.
  void apply(const std::shared_ptr<const config::Settings>& settings);
  [[nodiscard]] const std::vector<Service>& services() const { return services_; }

 private:
  IoContext& io_;
  const Clock& clock_;
  std::shared_ptr<const config::Settings> settings_;  // shared with the listeners' sessions
  std::vector<Service> services_;
};

}  // namespace netd::services
