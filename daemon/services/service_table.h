// The services of one configuration as every thread sees them, and the choice of an instance.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/clock.h"
#include "daemon/base/endpoint.h"
#include "daemon/net/resolver.h"

namespace netd::services {

enum class Health : std::uint8_t { unknown, healthy, unhealthy };

[[nodiscard]] std::string_view health_name(Health health);

/// One instance. Any thread.
class SharedInstance {
 public:
  /// One that could not be connected to is chosen after the others for so long.
  static constexpr std::chrono::seconds kPenalty{1};

  /// `clock` must outlive the instance.
  SharedInstance(const Endpoint& address, const Clock& clock,
                 Resolver::LookUp look_up = Resolver::look_up);

  [[nodiscard]] const Endpoint& address() const { return address_; }
  /// "HOST:PORT" or "unix:PATH", for people and for Host fields.
  [[nodiscard]] const std::string& name() const { return name_; }
  /// Null for a unix socket.
  [[nodiscard]] Resolver* resolver() const { return resolver_.get(); }

  [[nodiscard]] Health health() const { return health_.load(std::memory_order_relaxed); }
  /// The health checks' verdict.
  void set_health(Health health);
  /// A worker could not connect.
  void failed(Monotonic now);
  [[nodiscard]] bool failed_lately(Monotonic now) const;

 private:
  const Endpoint address_;
  const std::string name_;
  const std::unique_ptr<Resolver> resolver_;
  std::atomic<Health> health_{Health::unknown};
  std::atomic<Monotonic::rep> penalty_until_{0};
};

/// Immutable, but for the instances' own state.
struct SharedService {
  std::string name;
  // shared_ptr: generations of the configuration share the instances that stay, and each of them is
  // kept alive by the sessions opened under it.
  std::vector<std::shared_ptr<SharedInstance>> instances;
  std::chrono::milliseconds connect_timeout{};
  std::chrono::milliseconds answer_timeout{};
  std::chrono::milliseconds tunnel_timeout{};
  std::uint64_t idle_connections = 0;  ///< kept open to each instance, by each worker
};

/// All services of one generation.
class ServiceTable {
 public:
  // shared_ptr: see SharedService; a session may outlive the table.
  void add(std::shared_ptr<const SharedService> service);
  /// Null when there is none of that name.
  [[nodiscard]] std::shared_ptr<const SharedService> find(std::string_view name) const;

 private:
  std::vector<std::shared_ptr<const SharedService>> services_;
};

/// The instances of a service in the order in which one client tries them: at random, each once.
class InstanceChoice {
 public:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  /// `service` must outlive the choice.
  explicit InstanceChoice(const SharedService& service) : service_(service) {}

  /// The index of one that was not chosen yet and is not known to be unhealthy; kNone when there is
  /// none left.
  [[nodiscard]] std::size_t next(Monotonic now);
  /// Notes why the instance that was chosen last did not do.
  void failed(std::string why);
  /// What to say when none is left: which were tried, and what came of it; or that none is healthy.
  [[nodiscard]] std::string account() const;

 private:
  [[nodiscard]] bool was_tried(std::size_t index) const;

  const SharedService& service_;
  std::size_t current_ = kNone;
  std::vector<std::pair<std::size_t, std::string>> tried_;  // and why it did not do
};

}  // namespace netd::services
