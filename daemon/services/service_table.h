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
#include "daemon/base/log.h"
#include "daemon/base/trouble.h"
#include "daemon/net/resolver.h"

namespace netd::services {

enum class Health : std::uint8_t { unknown, healthy, unhealthy };

[[nodiscard]] std::string_view health_name(Health health);

/// An entry of the log about one instance, with its fields.
[[nodiscard]] LogEntry instance_entry(LogLevel level, std::string_view event,
                                      std::string_view service, const Endpoint& address);

/// One instance. Any thread.
class SharedInstance {
 public:
  /// One that failed a client is chosen after the others for a multiple of the time that it cost
  /// this client, within these bounds: a refused connection is cheap to find out about again.
  static constexpr int kPenaltyFactor = 10;
  static constexpr std::chrono::seconds kLeastPenalty{1};
  static constexpr std::chrono::seconds kMostPenalty{10};

  /// `clock` must outlive the instance.
  SharedInstance(const Endpoint& address, const Clock& clock,
                 Resolver::LookUp look_up = Resolver::look_up);

  [[nodiscard]] const Endpoint& address() const { return address_; }
  /// "HOST:PORT" or "unix:PATH", for people and for Host fields.
  [[nodiscard]] const std::string& name() const { return name_; }
  /// Null for a unix socket.
  [[nodiscard]] Resolver* resolver() const { return resolver_.get(); }

  [[nodiscard]] Health health() const { return health_.load(std::memory_order_relaxed); }
  /// The health checks' verdict. A good one ends the penalty.
  void set_health(Health health);
  /// A client was failed, after it had waited for `cost`.
  void failed(Monotonic now, Duration cost);
  [[nodiscard]] bool failed_lately(Monotonic now) const;
  /// That it fails clients, which its health checks need not notice.
  [[nodiscard]] Trouble& trouble() { return trouble_; }

 private:
  const Endpoint address_;
  const std::string name_;
  const std::unique_ptr<Resolver> resolver_;
  std::atomic<Health> health_{Health::unknown};
  std::atomic<Monotonic::rep> penalty_until_{0};
  Trouble trouble_;
};

/// Immutable, but for the instances' own state.
struct SharedService {
  std::string name;  ///< empty: a single address that a listener names itself
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

/// The instances of a service in the order in which one client tries them: at random, each once,
/// for as long as the client may wait for connections.
class InstanceChoice {
 public:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  /// One instance gets this part of the time that is left, or more where fewer are left, ...
  static constexpr std::size_t kMostShares = 4;
  /// ... and no less than this while there is any: many that are gone must not starve the rest.
  static constexpr std::chrono::milliseconds kLeastShare{50};

  /// `service` must outlive the choice. `connect_timeout` is for all connections together; what an
  /// instance does with a connection that it has accepted is not counted.
  InstanceChoice(const SharedService& service, Duration connect_timeout)
      : service_(service), left_(connect_timeout) {}

  /// The index of one that was not chosen yet and is not known to be unhealthy; kNone when there is
  /// none left, or no time.
  [[nodiscard]] std::size_t next(Monotonic now);
  /// A connection to the instance that was chosen last begins: how long it may take.
  [[nodiscard]] Duration begin_connecting(Monotonic now);
  /// It is there.
  void connected(Monotonic now);
  /// Notes why the instance that was chosen last did not do, has the next clients try it last, and
  /// tells the journal when that is news.
  void failed(std::string why, Monotonic now);
  /// The instance that was chosen last does its work.
  void served();
  /// What to say when none is left: which were tried, and what came of it; or that none is healthy.
  [[nodiscard]] std::string account() const;

 private:
  [[nodiscard]] bool was_tried(std::size_t index) const;
  [[nodiscard]] bool is_open(std::size_t index) const;
  [[nodiscard]] std::size_t open_count() const;

  const SharedService& service_;
  Duration left_;        // of the time for connecting
  Monotonic chosen_at_;  // the instance that was chosen last
  Monotonic connecting_since_;
  bool connecting_ = false;
  std::size_t current_ = kNone;
  std::vector<std::pair<std::size_t, std::string>> tried_;  // and why it did not do
};

}  // namespace netd::services
