// What the control channels and the HTTP handlers ask of the server.
#include <algorithm>
#include <utility>

#include "daemon/base/text.h"
#include "daemon/control/control_server.h"
#include "daemon/control/event_hub.h"
#include "daemon/control/metrics_text.h"
#include "daemon/control/report_json.h"
#include "daemon/net/socket.h"
#include "daemon/server/server.h"
#include "daemon/services/service_set.h"
#include "daemon/tasks/task_service.h"

namespace netd {

namespace {

/// "127.0.0.1" names all connections of that host, "127.0.0.1:4242" one.
bool is_client(const Connection& connection, const std::string& client) {
  return connection.peer().text() == client || connection.peer().ip_text() == client;
}

/// Where the connection came in.
std::string local_text(const Connection& connection) {
  if (!connection.peer().is_unix()) return connection.local().text();
  const auto endpoint = describe_socket(connection.fd());
  return endpoint ? endpoint->text() : "unknown";
}

/// Collects what every worker answers, and hands it on when the last one has. Main thread.
template <class Answer>
struct Gathering {
  Answer all{};
  std::size_t left = 0;
  std::function<void(const Answer&)> reply;
};

/// Runs `question` in every worker's thread, `add` in the main thread with what it returned, and
/// `reply` after the last. The worker outlives what is posted to it.
template <class Answer, class Question, class Add>
void ask_workers(Dispatcher& main, std::vector<std::unique_ptr<Worker>>& workers,
                 const Question& question, const Add& add,
                 std::function<void(const Answer&)> reply) {
  // shared_ptr: each worker's answer holds it, in no fixed order.
  auto gathering = std::make_shared<Gathering<Answer>>();
  gathering->left = workers.size();
  gathering->reply = std::move(reply);
  for (auto& worker : workers) {
    worker->dispatcher().post([raw = worker.get(), &main, question, add, gathering] {
      auto answer = question(*raw);
      main.post([answer = std::move(answer), add, gathering] {
        add(gathering->all, answer);
        if (--gathering->left == 0) gathering->reply(gathering->all);
      });
    });
  }
}

}  // namespace

control::ListenerReport Server::describe(const ListenerSet::Entry& entry) const {
  control::ListenerReport report;
  report.name = entry.shared->name;
  report.protocol = entry.shared->protocol;
  for (const auto& address : entry.addresses) {
    for (const Endpoint& bound : address.bound) report.addresses.push_back(bound.text());
  }
  report.max_connections = entry.listener->max_connections;
  const TrafficTotals totals = ListenerSet::totals(entry);
  report.traffic = {.active = totals.active,
                    .accepted = totals.accepted,
                    .refused = totals.refused,
                    .bytes_in = totals.bytes_in,
                    .bytes_out = totals.bytes_out,
                    .errors = totals.errors};
  if (entry.draining) {
    report.state = control::ListenerState::draining;
  } else if (entry.shared->paused_workers.load(std::memory_order_relaxed) != 0) {
    report.state = control::ListenerState::paused;
    report.problems.emplace_back("a limit is reached; new connections wait until others close");
  }
  if (entry.state) {
    if (std::string trouble = entry.state->trouble(); !trouble.empty()) {
      report.problems.push_back(std::move(trouble));
    }
  }
  return report;
}

control::StatusReport Server::make_status() const {
  control::StatusReport report;
  report.state = state_;
  report.uptime = to_milliseconds(clock_.now() - started_at_);
  report.hostname = settings_->netd.hostname;
  report.config_path = config_path_;
  report.config_generation = generation_;
  report.config_loaded_at = loaded_at_;
  report.log_level = log_level();
  report.max_connections = settings_->netd.max_connections;
  for (const ListenerSet::Entry& entry : listeners_->entries()) {
    report.listeners.push_back(describe(entry));
  }
  for (const services::Service& service : services_->services()) {
    control::ServiceReport one{service.name, {}};
    for (const auto& instance : service.instances) {
      one.instances.push_back({.address = instance->address().text(),
                               .state = std::string(services::health_name(instance->health())),
                               .reason = instance->reason()});
    }
    report.services.push_back(std::move(one));
  }
  const Monotonic now = clock_.now();
  for (const auto& worker : workers_) {
    control::WorkerReport one;
    for (const ListenerSet::Entry& entry : listeners_->entries()) {
      one.connections += entry.shared->counters[worker->index()].active.get();
    }
    one.last_turn_age = to_milliseconds(now - worker->dispatcher().last_turn());
    report.workers.push_back(one);
  }
  report.problems = stuck_workers();
  if (const std::string trouble = tasks_->trouble(); !trouble.empty()) {
    report.problems.push_back("tasks: " + trouble);
  }
  return report;
}

void Server::status(std::function<void(const control::StatusReport&)> reply) {
  reply(make_status());
}

void Server::connections(const control::ConnectionQuery& query,
                         std::function<void(const control::ConnectionList&)> reply) {
  using control::ConnectionList;
  const auto question = [query](Worker& worker) {
    ConnectionList list;
    const Monotonic now = worker.dispatcher().now();
    for (const auto& listener : worker.listeners()) {
      if (query.listener && listener->name() != *query.listener) continue;
      listener->visit([&](const Connection& connection) {
        if (query.client && !is_client(connection, *query.client)) return;
        ++list.total;
        list.connections.push_back({.id = connection.id(),
                                    .listener = listener->name(),
                                    .protocol = listener->shared().protocol,
                                    .client = connection.peer().text(),
                                    .local = local_text(connection),
                                    .worker = worker.index(),
                                    .age = to_milliseconds(now - connection.opened_at()),
                                    .idle = to_milliseconds(now - connection.last_activity()),
                                    .bytes_in = connection.bytes_in(),
                                    .bytes_out = connection.bytes_out()});
      });
    }
    return list;
  };
  const auto add = [limit = query.limit](ConnectionList& all, const ConnectionList& some) {
    all.total += some.total;
    all.connections.insert(all.connections.end(), some.connections.begin(), some.connections.end());
    // Numbers are given in the order of opening: the oldest come first.
    std::ranges::sort(all.connections, {}, &control::ConnectionReport::id);
    if (all.connections.size() > limit) all.connections.resize(limit);
  };
  ask_workers<ConnectionList>(*dispatcher_, workers_, question, add, std::move(reply));
}

void Server::disconnect(const control::DisconnectRequest& request,
                        std::function<void(std::uint64_t count)> reply) {
  const auto question = [request](Worker& worker) {
    std::uint64_t count = 0;
    for (const auto& listener : worker.listeners()) {
      if (request.listener && listener->name() != *request.listener) continue;
      count += listener->disconnect([&](const Connection& connection) {
        return (!request.id || connection.id() == *request.id) &&
               (!request.client || is_client(connection, *request.client));
      });
    }
    return count;
  };
  const auto add = [](std::uint64_t& all, std::uint64_t some) { all += some; };
  ask_workers<std::uint64_t>(*dispatcher_, workers_, question, add, std::move(reply));
}

std::vector<std::string> Server::check_config() {
  const auto schemas = protocol_schemas();
  const auto loaded = config::load(config_path_, schemas, config::Environment::system());
  std::vector<std::string> lines;
  if (loaded) return lines;
  for (const config::Mistake& mistake : loaded.error()) lines.push_back(config::format(mistake));
  return lines;
}

std::string Server::config_text() { return config::print(*settings_); }

Result<control::DrainOutcome> Server::drain(const std::optional<std::string>& listener,
                                            bool resume) {
  control::DrainOutcome outcome;
  if (listener && listeners_->find(*listener) == nullptr) {
    return fail("there is no listener " + *listener);
  }
  for (const ListenerSet::Entry& one : listeners_->entries()) {
    if (listener && one.shared->name != *listener) continue;
    listeners_->find(one.shared->name)->draining = !resume;
    outcome.listeners.push_back(one.shared->name);
    outcome.active += ListenerSet::totals(one).active;
  }
  for (auto& worker : workers_) {
    worker->dispatcher().post([raw = worker.get(), names = outcome.listeners, resume] {
      for (const std::string& name : names) {
        Listener* found = raw->find(name);
        if (found == nullptr) continue;
        if (resume) {
          found->resume();
        } else {
          found->drain();
        }
      }
    });
  }
  return outcome;
}

// ---- Questions of the workers' sessions.

void Server::ask(Document document, Dispatcher& reply_to,
                 std::function<void(std::string text)> reply) {
  dispatcher_->post([this, document, &reply_to, reply = std::move(reply)] {
    reply_to.post([reply, text = make_document(document)]() mutable { reply(std::move(text)); });
  });
}

/// What keeps netd from serving.
std::vector<std::string> Server::problems() const {
  std::vector<std::string> found = stuck_workers();
  if (!tasks_->stats().available) found.push_back("tasks: " + tasks_->trouble());
  if (state_ == control::DaemonState::stopping) found.emplace_back("netd is stopping");
  for (const ListenerSet::Entry& entry : listeners_->entries()) {
    const control::ListenerReport report = describe(entry);
    for (const std::string& problem : report.problems) {
      found.push_back("listener " + report.name + ": " + problem);
    }
    if (entry.draining) found.push_back("listener " + report.name + " is draining");
  }
  return found;
}

std::string Server::make_document(Document document) const {
  const auto lines = [](const std::vector<std::string>& all) {
    std::string text;
    for (const std::string& one : all) text += one + "\n";
    return text;
  };
  switch (document) {
    case Document::status:
      return control::status_document(make_status(), tasks_->stats());
    case Document::metrics:
      return control::metrics_text(make_status(), tasks_->stats());
    case Document::livez:
      return lines(stuck_workers());
    case Document::readyz:
      break;
  }
  return lines(problems());
}

}  // namespace netd
