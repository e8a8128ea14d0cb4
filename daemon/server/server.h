// The daemon: owns everything there is, and takes it from start to stop.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/base/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/lifetime.h"
#include "daemon/config/loader.h"
#include "daemon/config/settings.h"
#include "daemon/control/daemon_control.h"
#include "daemon/event/dispatcher.h"
#include "daemon/event/signals.h"
#include "daemon/event/timer.h"
#include "daemon/net/udp_service.h"
#include "daemon/protocols/protocol.h"
#include "daemon/server/listener_set.h"
#include "daemon/server/worker.h"
#include "daemon/systemd/service_manager.h"

namespace netd {

namespace control {
class ControlServer;
class EventHub;
class FifoChannel;
}  // namespace control
namespace services {
class ServiceSet;
class ServiceTable;
}  // namespace services
namespace tasks {
class TaskService;
}

/// What the loader has to know of the protocols that are there.
[[nodiscard]] std::vector<config::ProtocolSchema> protocol_schemas();

/// Main thread only, but for ask(); the workers' threads are its own.
class Server final : public control::DaemonControl, public DaemonQueries {
 public:
  struct Options {
    std::string config_path;
    std::shared_ptr<const config::Settings> settings;  ///< of config_path
    std::vector<InheritedSocket> inherited;
  };

  /// What it handles: to be blocked before the process's first thread starts.
  [[nodiscard]] static std::vector<int> signals();

  /// Opens everything. The error lists all that did not work, a line each. `clock` and `manager`
  /// must outlive the server.
  [[nodiscard]] static std::expected<std::unique_ptr<Server>, std::vector<std::string>> create(
      Options options, const Clock& clock, ServiceManager& manager);
  ~Server() override;

  /// Serves until a signal or stop() ends it and everything is closed.
  void run();

  // ---- control::DaemonControl
  void status(std::function<void(const control::StatusReport&)> reply) override;
  void connections(const control::ConnectionQuery& query,
                   std::function<void(const control::ConnectionList&)> reply) override;
  void reload(std::function<void(const control::ReloadOutcome&)> reply) override;
  std::vector<std::string> check_config() override;
  std::string config_text() override;
  void disconnect(const control::DisconnectRequest& request,
                  std::function<void(std::uint64_t count)> reply) override;
  Result<control::DrainOutcome> drain(const std::optional<std::string>& listener,
                                      bool resume) override;
  void stop() override;

  // ---- DaemonQueries; any thread
  void ask(Document document, Dispatcher& reply_to,
           std::function<void(std::string text)> reply) override;

 private:
  using ReloadReply = std::function<void(const control::ReloadOutcome&)>;
  using Mistakes = std::vector<std::string>;

  Server(Options options, const Clock& clock, ServiceManager& manager);
  [[nodiscard]] std::expected<void, Mistakes> open();
  [[nodiscard]] Result<void> open_workers();
  [[nodiscard]] Result<void> open_tasks();
  [[nodiscard]] Result<void> open_control();
  void on_started();

  void on_signal(int number);
  void reopen_logs();

  void start_reload();
  void use(std::shared_ptr<const config::Settings> settings, ListenerSet::Prepared prepared,
           const services::ServiceTable& services);
  void refuse_reload(Mistakes mistakes);
  void finish_reload(const control::ReloadOutcome& outcome);

  void begin_stop();
  void worker_is_done();
  void finish_stop();

  void watch();
  [[nodiscard]] std::vector<std::string> stuck_workers() const;
  [[nodiscard]] std::vector<std::string> problems() const;
  [[nodiscard]] control::StatusReport make_status() const;
  [[nodiscard]] control::ListenerReport describe(const ListenerSet::Entry& entry) const;
  [[nodiscard]] std::string status_line() const;

  [[nodiscard]] std::string make_document(Document document) const;

  const Clock& clock_;
  ServiceManager& manager_;
  std::string config_path_;
  std::shared_ptr<const config::Settings> settings_;  // shared with the sessions opened under it
  std::uint64_t generation_ = 1;
  Monotonic started_at_;
  WallTime loaded_at_;
  control::DaemonState state_ = control::DaemonState::starting;

  std::unique_ptr<Dispatcher> dispatcher_;
  std::unique_ptr<Signals> signals_;  // depends on: dispatcher_
  std::unique_ptr<IoContext> io_;     // depends on: dispatcher_
  ServedPorts served_ports_;
  std::unique_ptr<tasks::TaskService> tasks_;        // depends on: dispatcher_
  std::vector<std::unique_ptr<Worker>> workers_;     // depends on: served_ports_
  std::unique_ptr<ListenerSet> listeners_;           // depends on: workers_
  std::unique_ptr<services::ServiceSet> services_;   // depends on: io_
  std::unique_ptr<control::EventHub> events_;        // depends on: dispatcher_, tasks_
  std::unique_ptr<control::ControlServer> control_;  // depends on: io_, tasks_, events_
  std::unique_ptr<control::FifoChannel> fifo_;       // depends on: tasks_, events_
  std::unique_ptr<Timer> watchdog_timer_;            // depends on: dispatcher_
  std::unique_ptr<Timer> stop_timer_;                // depends on: dispatcher_
  std::vector<InheritedSocket> inherited_;           // until listeners_ takes them

  std::deque<ReloadReply> reload_replies_;  // the front is the reload that runs
  std::size_t workers_left_ = 0;            // that have not shut down yet
};

}  // namespace netd
