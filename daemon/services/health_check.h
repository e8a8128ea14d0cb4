// One look at whether an instance of a service answers.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "daemon/base/error.h"
#include "daemon/event/timer.h"
#include "daemon/net/connection.h"
#include "daemon/net/connector.h"
#include "daemon/net/counters.h"
#include "daemon/net/io_context.h"
#include "daemon/services/service_table.h"

namespace netd::services {

/// Belongs to the thread of its loop.
class HealthCheck final : private ConnectionOwner {
 public:
  /// Called once for each start(), later, never before its return. An error says what was wrong,
  /// for people: "connect 127.0.0.1:9001: Connection refused", "answered HTTP 503".
  using Done = std::function<void(const Result<void>& outcome)>;

  /// `path` empty: a connection that is accepted is enough; else an HTTP GET of it must be answered
  /// with a status from 200 to 399, whatever interim answers precede it. `io` and `instance` must
  /// outlive the check.
  HealthCheck(IoContext& io, const SharedInstance& instance, std::string path,
              std::chrono::milliseconds timeout);
  ~HealthCheck() override;
  HealthCheck(const HealthCheck&) = delete;
  HealthCheck& operator=(const HealthCheck&) = delete;

  /// One at a time. Name look-up, connection and answer together get `timeout`.
  void start(Done done);

 private:
  class Probe;

  void on_connection_closed(Connection& connection) noexcept override;
  void probe(Connector::Connected connected);
  void on_timer();
  void finish(Result<void> outcome);
  [[nodiscard]] std::string request() const;

  IoContext& io_;
  const SharedInstance& instance_;
  const std::string path_;
  const std::chrono::milliseconds timeout_;
  TrafficCounters counters_;            // of nobody's interest
  std::optional<Connector> connector_;  // while connecting
  std::unique_ptr<Connection> connection_;
  Timer timer_;
  Done done_;
};

}  // namespace netd::services
