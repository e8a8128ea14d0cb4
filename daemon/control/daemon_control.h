// What the control channels (socket and FIFO) ask of the daemon, as plain data. The server
// implements it; the control layer turns it into JSON.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/log.h"

namespace netd::control {

/// Counters since the start of the daemon; `active` is the number of connections now.
struct TrafficReport {
  std::uint64_t active = 0;
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;  ///< by a limit or an access list
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::uint64_t errors = 0;  ///< connections that broke, requests that could not be served
};

enum class ListenerState : std::uint8_t {
  accepting,
  paused,    ///< a connection limit is reached or descriptors have run out; resumes by itself
  draining,  ///< asked to take no more connections
  failed,    ///< does not listen; `problems` says why
};

struct ListenerReport {
  std::string name;
  std::string protocol;
  ListenerState state = ListenerState::accepting;
  /// As configured, with the port that the kernel chose in place of 0: "tcp:127.0.0.1:50007".
  std::vector<std::string> addresses;
  std::uint64_t max_connections = 0;
  TrafficReport traffic;
  /// What keeps it from doing all of its work ("mail store: disk full"), for people.
  std::vector<std::string> problems;
};

struct WorkerReport {
  std::uint64_t connections = 0;
  std::chrono::milliseconds last_turn_age{};  ///< how long ago its loop last came round
};

struct InstanceReport {
  std::string address;
  std::string state;   ///< "healthy", "unhealthy" or "unknown"
  std::string reason;  ///< of the last failed check, for people; empty when healthy
};

struct ServiceReport {
  std::string name;
  std::vector<InstanceReport> instances;
};

enum class DaemonState : std::uint8_t { starting, running, reloading, draining, stopping };

struct StatusReport {
  DaemonState state = DaemonState::running;
  std::chrono::milliseconds uptime{};
  std::string hostname;
  std::string config_path;
  std::uint64_t config_generation = 0;
  WallTime config_loaded_at{};
  LogLevel log_level = LogLevel::info;
  std::vector<ListenerReport> listeners;
  std::vector<ServiceReport> services;
  std::vector<WorkerReport> workers;
  std::uint64_t max_connections = 0;  ///< over all listeners
  /// What is wrong with the daemon as a whole, for people, worst first; the listeners' own problems
  /// stand with the listeners.
  std::vector<std::string> problems;
};

struct ConnectionReport {
  std::uint64_t id = 0;
  std::string listener;
  std::string protocol;
  std::string client;  ///< SocketAddress::text()
  std::string local;
  unsigned worker = 0;
  std::chrono::milliseconds age{};
  std::chrono::milliseconds idle{};
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
};

struct ConnectionQuery {
  std::optional<std::string> listener;  ///< only of this listener
  std::optional<std::string> client;    ///< only with this address: "127.0.0.1", or with its port
  std::size_t limit = 1000;             ///< how many to describe at most, the oldest first
};

struct ConnectionList {
  std::vector<ConnectionReport> connections;  ///< at most `limit`
  std::uint64_t total = 0;                    ///< how many there are
};

struct ReloadOutcome {
  /// FILE:LINE: message each, or a listener that would not open. Empty: reloaded.
  std::vector<std::string> mistakes;
  /// What changed, for people: "listener echo: added", "listener web: max_connections 100 -> 200".
  std::vector<std::string> changes;
  std::uint64_t generation = 0;
};

/// Which connections to close; those that fit every member that is set. At least one is.
struct DisconnectRequest {
  std::optional<std::uint64_t> id;
  std::optional<std::string> listener;
  std::optional<std::string> client;  ///< as in ConnectionQuery
};

struct DrainOutcome {
  std::vector<std::string> listeners;  ///< those that the request meant
  std::uint64_t active = 0;            ///< connections they still have
};

/// All of it is called in the main thread. Replies come in the main thread too, exactly once, at
/// once or later; whoever passes `reply` makes sure that it may outlive him.
class DaemonControl {
 public:
  virtual ~DaemonControl() = default;

  virtual void status(std::function<void(const StatusReport&)> reply) = 0;
  virtual void connections(const ConnectionQuery& query,
                           std::function<void(const ConnectionList&)> reply) = 0;

  /// Reads the configuration anew, all or nothing. A reload that is asked for while one runs
  /// follows it.
  virtual void reload(std::function<void(const ReloadOutcome&)> reply) = 0;
  /// Reads the configuration as reload() would and uses nothing of it. Returns the mistakes.
  virtual std::vector<std::string> check_config() = 0;
  /// What is in use, as `netd --print-config` writes it.
  virtual std::string config_text() = 0;

  /// Replies with how many connections were closed.
  virtual void disconnect(const DisconnectRequest& request,
                          std::function<void(std::uint64_t count)> reply) = 0;

  /// One listener, or all: takes no more connections, closes idle ones, lets what is in the middle
  /// of something finish. `resume` takes that back. Fails when there is no such listener.
  virtual Result<DrainOutcome> drain(const std::optional<std::string>& listener, bool resume) = 0;

  /// Stops the daemon as SIGTERM does, draining first; after the loop has turned once, so that the
  /// answer leaves.
  virtual void stop() = 0;
};

}  // namespace netd::control
