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
#include "daemon/services/service_table.h"

namespace netd::services {

/// One instance and the checks that it undergoes.
class Instance {
 public:
  /// A healthy one that fails once may have been restarting: it takes this many in a row.
  static constexpr unsigned kFailuresToUnhealthy = 2;

  /// `io` must outlive the instance.
  Instance(IoContext& io, const config::ServiceSettings& service,
           std::shared_ptr<SharedInstance> shared);

  [[nodiscard]] const Endpoint& address() const { return shared_->address(); }
  [[nodiscard]] Health health() const { return shared_->health(); }
  [[nodiscard]] const std::shared_ptr<SharedInstance>& shared() const { return shared_; }
  /// Why it is unhealthy, for people; empty otherwise.
  [[nodiscard]] const std::string& reason() const { return reason_; }

 private:
  void check();
  void on_checked(const Result<void>& outcome);
  void become(Health health, const std::string& reason);

  const std::string service_;
  const std::shared_ptr<SharedInstance> shared_;  // with the workers
  const std::chrono::milliseconds interval_;
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

  /// What the workers see of a configuration's services. What is the same as in the one in use is
  /// shared with it; nothing is checked before apply().
  [[nodiscard]] std::shared_ptr<const ServiceTable> make_table(const config::Settings& settings);
  /// Takes the services of a configuration into use, `table` being made from it. What is the same
  /// in both keeps its state and its rhythm.
  void apply(const std::shared_ptr<const config::Settings>& settings, const ServiceTable& table);
  [[nodiscard]] const std::vector<Service>& services() const { return services_; }

 private:
  /// The instance in use at that address, when its checks stay what they are; else null.
  [[nodiscard]] std::unique_ptr<Instance>* find_same(const config::ServiceSettings& wanted,
                                                     const Endpoint& address);

  IoContext& io_;
  const Clock& clock_;
  std::shared_ptr<const config::Settings> settings_;  // shared with the listeners' sessions
  std::vector<Service> services_;
};

}  // namespace netd::services
