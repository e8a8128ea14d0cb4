#include "daemon/server/server.h"

#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/base/message_ids.h"
#include "daemon/base/text.h"
#include "daemon/control/control_server.h"
#include "daemon/control/event_hub.h"
#include "daemon/control/fifo_channel.h"
#include "daemon/server/task_settings.h"
#include "daemon/services/service_set.h"
#include "daemon/tasks/task_service.h"
#include "version.h"

namespace netd {

namespace {

/// The control socket must answer, and files must open, when clients have taken all that they can.
constexpr rlim_t kReservedDescriptors = 64;

/// max_connections, or what the limit of open files leaves of it.
std::uint64_t connection_limit(const config::Settings& settings) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return settings.netd.max_connections;
  const rlim_t reserved = std::min(kReservedDescriptors, limit.rlim_cur / 2);
  return std::min<std::uint64_t>(settings.netd.max_connections, limit.rlim_cur - reserved);
}

using control::DaemonState;

// A loop that has not come round for this long does not serve. An idle one turns every second.
constexpr std::chrono::seconds kStuckAfter{5};

std::vector<std::string> format_all(const std::vector<config::Mistake>& mistakes) {
  std::vector<std::string> lines;
  lines.reserve(mistakes.size());
  for (const config::Mistake& mistake : mistakes) lines.push_back(config::format(mistake));
  return lines;
}

std::string join(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) {
    if (!text.empty()) text += "; ";
    text += line;
  }
  return text;
}

}  // namespace

std::vector<config::ProtocolSchema> protocol_schemas() {
  std::vector<config::ProtocolSchema> schemas;
  for (const Protocol* protocol : protocols()) {
    schemas.push_back({.name = protocol->name,
                       .rows = protocol->rows,
                       .check = protocol->check,
                       .stream = protocol->make_stream != nullptr,
                       .datagram = protocol->make_datagram != nullptr});
  }
  return schemas;
}

Server::Server(Options options, const Clock& clock, ServiceManager& manager)
    : clock_(clock),
      manager_(manager),
      config_path_(std::move(options.config_path)),
      settings_(std::move(options.settings)),
      started_at_(clock.now()),
      loaded_at_(clock.wall()),
      inherited_(std::move(options.inherited)) {}

Server::~Server() {
  // The workers' listeners count in what the set of listeners owns.
  workers_.clear();
}

std::vector<int> Server::signals() { return {SIGTERM, SIGINT, SIGHUP, SIGUSR1}; }

// ---- Start.

std::expected<std::unique_ptr<Server>, std::vector<std::string>> Server::create(
    Options options, const Clock& clock, ServiceManager& manager) {
  std::unique_ptr<Server> server(new Server(std::move(options), clock, manager));
  if (auto opened = server->open(); !opened) return std::unexpected(opened.error());
  return server;
}

std::expected<void, Server::Mistakes> Server::open() {
  const auto failed = [](const Error& error) { return std::unexpected(Mistakes{error.what()}); };
  auto dispatcher = Dispatcher::create(clock_);
  if (!dispatcher) return failed(dispatcher.error());
  dispatcher_ = std::move(*dispatcher);
  io_ = std::make_unique<IoContext>(*dispatcher_);
  auto handled =
      Signals::create(*dispatcher_, signals(), [this](int number) { on_signal(number); });
  if (!handled) return failed(handled.error());
  signals_ = std::move(*handled);

  if (auto opened = open_tasks(); !opened) return failed(opened.error());
  if (auto opened = open_workers(); !opened) return failed(opened.error());
  services_ = std::make_unique<services::ServiceSet>(*io_, clock_);
  const auto services = services_->make_table(*settings_);
  services_->apply(settings_, *services);
  listeners_ = std::make_unique<ListenerSet>(workers_, *this, manager_, std::move(inherited_));
  listeners_->all_connections().set_maximum(connection_limit(*settings_));
  auto prepared = listeners_->prepare(settings_, services);
  if (!prepared) return std::unexpected(prepared.error());
  if (auto opened = open_control(); !opened) return failed(opened.error());
  for (auto& worker : workers_) {
    if (auto started = worker->start(); !started) return failed(started.error());
  }
  listeners_->commit(std::move(*prepared), *dispatcher_, [this] { on_started(); });
  return {};
}

Result<void> Server::open_workers() {
  for (unsigned i = 0; i < settings_->netd.workers; ++i) {
    auto worker = Worker::create(i, clock_, served_ports_);
    if (!worker) return std::unexpected(worker.error());
    workers_.push_back(std::move(*worker));
  }
  return {};
}

Result<void> Server::open_tasks() {
  auto service = tasks::TaskService::create(*dispatcher_, task_service_settings(settings_->tasks));
  if (!service) return std::unexpected(service.error().within("task store"));
  tasks_ = std::move(*service);
  return {};
}

Result<void> Server::open_control() {
  events_ = std::make_unique<control::EventHub>(*dispatcher_, *tasks_);
  const control::Services services{*this, *tasks_, *events_};
  auto server = control::ControlServer::create(*io_, settings_->control, services);
  if (!server) return std::unexpected(server.error());
  control_ = std::move(*server);
  if (settings_->control.fifo.empty()) return {};
  auto fifo = control::FifoChannel::create(*dispatcher_, settings_->control, services);
  if (!fifo) return std::unexpected(fifo.error());
  fifo_ = std::move(*fifo);
  return {};
}

void Server::on_started() {
  if (state_ != DaemonState::starting) return;
  state_ = DaemonState::running;
  std::string message = "netd ";
  message.append(kVersion).append(" started with ").append(config_path_);
  message.append(": ").append(status_line());
  LogEntry(LogLevel::info, "started").message_id(message_id::kStarted).send(message);
  manager_.ready(status_line());
  watchdog_timer_ = std::make_unique<Timer>(*dispatcher_, [this] { watch(); });
  watch();
}

void Server::run() { dispatcher_->run(); }

std::string Server::status_line() const {
  std::string line;
  for (const ListenerSet::Entry& entry : listeners_->entries()) {
    line += line.empty() ? "" : ", ";
    line += entry.shared->name;
    for (const auto& address : entry.addresses) {
      for (const Endpoint& bound : address.bound) line += " " + bound.text();
    }
  }
  return line.empty() ? "no listeners" : "listening: " + line;
}

// ---- Signals.

void Server::on_signal(int number) {
  switch (number) {
    case SIGHUP:
      reload([](const control::ReloadOutcome&) {});
      break;
    case SIGUSR1:
      reopen_logs();
      break;
    default:
      if (state_ == DaemonState::stopping) {
        finish_stop();
      } else {
        begin_stop();
      }
  }
}

void Server::reopen_logs() {
  for (const ListenerSet::Entry& entry : listeners_->entries()) {
    if (!entry.access_log) continue;
    if (auto reopened = entry.access_log->reopen(); !reopened) {
      LogEntry(LogLevel::warning, "access_log_failed")
          .listener(entry.shared->name)
          .send(reopened.error().within("listener " + entry.shared->name).what() +
                "; the file that was open stays in use");
    }
  }
}

// ---- Reload.

void Server::reload(ReloadReply reply) {
  reload_replies_.push_back(std::move(reply));
  if (reload_replies_.size() == 1) start_reload();
}

void Server::start_reload() {
  if (state_ != DaemonState::running) {
    control::ReloadOutcome outcome;
    outcome.mistakes.emplace_back(state_ == DaemonState::starting ? "netd is still starting"
                                                                  : "netd is stopping");
    outcome.generation = generation_;
    finish_reload(outcome);
    return;
  }
  state_ = DaemonState::reloading;
  manager_.reloading();
  const auto schemas = protocol_schemas();
  auto loaded = config::load(config_path_, schemas, config::Environment::system());
  if (!loaded) {
    refuse_reload(format_all(loaded.error()));
    return;
  }
  const auto services = services_->make_table(**loaded);
  auto prepared = listeners_->prepare(*loaded, services);
  if (!prepared) {
    refuse_reload(prepared.error());
    return;
  }
  use(std::move(*loaded), std::move(*prepared), *services);
}

void Server::use(std::shared_ptr<const config::Settings> settings, ListenerSet::Prepared prepared,
                 const services::ServiceTable& services) {
  control::ReloadOutcome outcome;
  for (const config::Change& change : config::describe_changes(*settings_, *settings)) {
    outcome.changes.push_back(change.text + (change.needs_restart ? " (needs a restart)" : ""));
  }
  if (settings->netd.log_level != settings_->netd.log_level) {
    set_log_level(settings->netd.log_level);
  }
  listeners_->all_connections().set_maximum(connection_limit(*settings));
  tasks_->apply(task_service_settings(settings->tasks));
  settings_ = std::move(settings);
  services_->apply(settings_, services);
  outcome.generation = ++generation_;
  loaded_at_ = clock_.wall();
  listeners_->commit(std::move(prepared), *dispatcher_, [this, outcome] {
    LogEntry(LogLevel::info, "reloaded")
        .message_id(message_id::kReloaded)
        .send("reloaded " + config_path_ + ": " +
              (outcome.changes.empty() ? "nothing changed" : join(outcome.changes)));
    finish_reload(outcome);
  });
}

void Server::refuse_reload(Mistakes mistakes) {
  control::ReloadOutcome outcome;
  outcome.mistakes = std::move(mistakes);
  outcome.generation = generation_;
  for (const std::string& mistake : outcome.mistakes) {
    LogEntry(LogLevel::error, "reload_refused")
        .message_id(message_id::kReloadRefused)
        .send("reload refused: " + mistake);
  }
  finish_reload(outcome);
}

void Server::finish_reload(const control::ReloadOutcome& outcome) {
  if (state_ == DaemonState::reloading) {
    state_ = DaemonState::running;
    manager_.ready(status_line());
  }
  const ReloadReply reply = std::move(reload_replies_.front());
  reply(outcome);
  reload_replies_.pop_front();
  // The next one gets a turn of its own: nothing piles up on the stack.
  if (!reload_replies_.empty()) dispatcher_->post([this] { start_reload(); });
}

// ---- Stop.

void Server::stop() {
  dispatcher_->post([this] { begin_stop(); });
}

void Server::begin_stop() {
  if (state_ == DaemonState::stopping) return;
  state_ = DaemonState::stopping;
  const auto timeout = settings_->netd.drain_timeout;
  LogEntry(LogLevel::info, "stopping")
      .message_id(message_id::kStopping)
      .send("stopping: open requests get " + format_duration(timeout) + " to finish");
  manager_.stopping("Finishing open requests");
  stop_timer_ = std::make_unique<Timer>(*dispatcher_, [this] { finish_stop(); });
  stop_timer_->arm(timeout);
  workers_left_ = workers_.size();
  for (auto& worker : workers_) {
    worker->dispatcher().post([this, raw = worker.get()] {
      raw->shut_down([this] { dispatcher_->post([this] { worker_is_done(); }); });
    });
  }
}

void Server::worker_is_done() {
  if (--workers_left_ == 0) finish_stop();
}

void Server::finish_stop() {
  control_->shut_down();
  for (auto& worker : workers_) {
    worker->dispatcher().post([raw = worker.get()] { raw->abort_all(); });
    worker->join();
  }
  listeners_->remove_unix_paths();
  LogEntry(LogLevel::info, "stopped").send("stopped");
  dispatcher_->stop();
}

// ---- Health.

std::vector<std::string> Server::stuck_workers() const {
  std::vector<std::string> stuck;
  const Monotonic now = clock_.now();
  for (const auto& worker : workers_) {
    const auto age = now - worker->dispatcher().last_turn();
    if (age <= kStuckAfter) continue;
    stuck.push_back("worker " + std::to_string(worker->index()) + " has not turned for " +
                    format_duration(to_milliseconds(age)));
  }
  return stuck;
}

void Server::watch() {
  const auto interval = manager_.watchdog_interval();
  if (interval <= std::chrono::microseconds::zero()) return;
  // A stuck worker is as bad as a stuck main thread: no sign of life, and systemd restarts us.
  if (stuck_workers().empty()) manager_.keep_alive();
  watchdog_timer_->arm(interval / 3);
}

}  // namespace netd
