#include "daemon/control/report_json.h"

#include <unistd.h>

#include <array>

#include "daemon/base/text.h"
#include "daemon/control/answer.h"
#include "daemon/control/json_text.h"
#include "daemon/control/process_use.h"
#include "version.h"

namespace netd::control {

namespace {

double seconds_of(std::chrono::milliseconds value) {
  return static_cast<double>(value.count()) / 1000.0;
}

std::string traffic_connections(const TrafficReport& traffic) {
  return JsonWriter()
      .add("active", traffic.active)
      .add("accepted", traffic.accepted)
      .add("refused", traffic.refused)
      .object();
}

std::string traffic_bytes(const TrafficReport& traffic) {
  return JsonWriter().add("in", traffic.bytes_in).add("out", traffic.bytes_out).object();
}

std::string listener_object(const ListenerReport& listener) {
  return JsonWriter()
      .add("name", listener.name)
      .add("protocol", listener.protocol)
      .add("state", listener_state_name(listener.state))
      .add_list("addresses", listener.addresses)
      .add_raw("connections", traffic_connections(listener.traffic))
      .add("max_connections", listener.max_connections)
      .add_raw("bytes", traffic_bytes(listener.traffic))
      .add("errors", listener.traffic.errors)
      .add_list("problems", listener.problems)
      .object();
}

std::string listeners_array(const StatusReport& report) {
  std::vector<std::string> objects;
  objects.reserve(report.listeners.size());
  for (const auto& listener : report.listeners) objects.push_back(listener_object(listener));
  return json_array(objects);
}

std::string services_array(const StatusReport& report) {
  std::vector<std::string> services;
  services.reserve(report.services.size());
  for (const auto& service : report.services) {
    std::vector<std::string> instances;
    instances.reserve(service.instances.size());
    for (const auto& instance : service.instances) {
      JsonWriter writer;
      writer.add("address", instance.address).add("state", instance.state);
      if (!instance.reason.empty()) writer.add("reason", instance.reason);
      instances.push_back(writer.object());
    }
    services.push_back(JsonWriter()
                           .add("name", service.name)
                           .add_raw("instances", json_array(instances))
                           .object());
  }
  return json_array(services);
}

std::string loops_array(const StatusReport& report) {
  std::vector<std::string> loops;
  loops.reserve(report.workers.size());
  for (const auto& worker : report.workers) {
    loops.push_back(JsonWriter()
                        .add("connections", worker.connections)
                        .add_decimal("last_turn_s", seconds_of(worker.last_turn_age))
                        .object());
  }
  return json_array(loops);
}

std::string config_object(const StatusReport& report) {
  return JsonWriter()
      .add("path", report.config_path)
      .add("generation", report.config_generation)
      .add("loaded_at", format_rfc3339(report.config_loaded_at))
      .object();
}

struct QueueTotals {
  std::uint64_t ready = 0;
  std::uint64_t delayed = 0;
  std::uint64_t leased = 0;
  std::uint64_t dead = 0;
};

QueueTotals sum_of(const tasks::TaskStats& tasks) {
  QueueTotals totals;
  for (const auto& queue : tasks.queues) {
    totals.ready += queue.ready;
    totals.delayed += queue.delayed;
    totals.leased += queue.leased;
    totals.dead += queue.dead;
  }
  return totals;
}

JsonWriter tasks_now(const tasks::TaskStats& tasks) {
  const QueueTotals totals = sum_of(tasks);
  JsonWriter writer;
  writer.add("available", tasks.available)
      .add("total", tasks.tasks)
      .add("ready", totals.ready)
      .add("delayed", totals.delayed)
      .add("leased", totals.leased)
      .add("dead", totals.dead)
      .add("waiting", tasks.waiting)
      .add("queues", static_cast<std::uint64_t>(tasks.queues.size()))
      .add("memory_bytes", tasks.memory_bytes)
      .add("disk_bytes", tasks.disk_bytes);
  return writer;
}

void add_task_counters(JsonWriter& writer, const tasks::TaskStats& tasks) {
  writer.add("produced", tasks.produced)
      .add("duplicates", tasks.duplicates)
      .add("taken", tasks.taken)
      .add("done", tasks.done)
      .add("failed", tasks.failed)
      .add("returned", tasks.returned)
      .add("died", tasks.died)
      .add("expired", tasks.expired)
      .add("deleted", tasks.deleted)
      .add("refused", tasks.refused)
      .add("commits", tasks.commits);
}

TrafficReport sum_of(const std::vector<ListenerReport>& listeners) {
  TrafficReport sum;
  for (const auto& listener : listeners) {
    sum.active += listener.traffic.active;
    sum.accepted += listener.traffic.accepted;
    sum.refused += listener.traffic.refused;
    sum.bytes_in += listener.traffic.bytes_in;
    sum.bytes_out += listener.traffic.bytes_out;
    sum.errors += listener.traffic.errors;
  }
  return sum;
}

std::string process_object() {
  const ProcessUse use = process_use();
  return JsonWriter()
      .add_decimal("cpu_s", use.cpu_seconds)
      .add("memory_bytes", use.memory_bytes)
      .object();
}

}  // namespace

std::string_view daemon_state_name(DaemonState state) {
  static constexpr std::array<std::string_view, 5> kNames = {"starting", "running", "reloading",
                                                             "draining", "stopping"};
  return kNames.at(static_cast<std::size_t>(state));
}

std::string_view listener_state_name(ListenerState state) {
  static constexpr std::array<std::string_view, 4> kNames = {"accepting", "paused", "draining",
                                                             "failed"};
  return kNames.at(static_cast<std::size_t>(state));
}

std::string status_document(const StatusReport& report, const tasks::TaskStats& tasks) {
  return ok_document()
      .add("state", daemon_state_name(report.state))
      .add("version", kVersion)
      .add("pid", static_cast<std::int64_t>(::getpid()))
      .add_decimal("uptime_s", seconds_of(report.uptime))
      .add("hostname", report.hostname)
      .add("log_level", log_level_name(report.log_level))
      .add_raw("config", config_object(report))
      .add_list("problems", report.problems)
      .add_raw("listeners", listeners_array(report))
      .add_raw("services", services_array(report))
      .add_raw("tasks", tasks_now(tasks).object())
      .add("workers", static_cast<std::uint64_t>(report.workers.size()))
      .add_raw("loops", loops_array(report))
      .add("max_connections", report.max_connections)
      .add_raw("process", process_object())
      .object();
}

std::string listeners_document(const StatusReport& report) {
  return ok_document().add_raw("listeners", listeners_array(report)).object();
}

std::string stats_document(const StatusReport& report, const tasks::TaskStats& tasks) {
  const TrafficReport sum = sum_of(report.listeners);
  JsonWriter task_writer = tasks_now(tasks);
  add_task_counters(task_writer, tasks);
  return ok_document()
      .add_decimal("uptime_s", seconds_of(report.uptime))
      .add_raw("connections", traffic_connections(sum))
      .add_raw("bytes", traffic_bytes(sum))
      .add("errors", sum.errors)
      .add_raw("listeners", listeners_array(report))
      .add_raw("tasks", task_writer.object())
      .add_raw("loops", loops_array(report))
      .add_raw("process", process_object())
      .object();
}

std::string connections_document(const ConnectionList& list) {
  std::vector<std::string> objects;
  objects.reserve(list.connections.size());
  for (const auto& connection : list.connections) {
    objects.push_back(JsonWriter()
                          .add("id", connection.id)
                          .add("listener", connection.listener)
                          .add("protocol", connection.protocol)
                          .add("client", connection.client)
                          .add("local", connection.local)
                          .add("worker", connection.worker)
                          .add_decimal("age_s", seconds_of(connection.age))
                          .add_decimal("idle_s", seconds_of(connection.idle))
                          .add_raw("bytes", JsonWriter()
                                                .add("in", connection.bytes_in)
                                                .add("out", connection.bytes_out)
                                                .object())
                          .object());
  }
  return ok_document()
      .add("total", list.total)
      .add_raw("connections", json_array(objects))
      .object();
}

std::string task_stats_document(const tasks::TaskStats& tasks) {
  std::vector<std::string> queues;
  queues.reserve(tasks.queues.size());
  for (const auto& queue : tasks.queues) {
    queues.push_back(JsonWriter()
                         .add("name", queue.name)
                         .add("ready", queue.ready)
                         .add("delayed", queue.delayed)
                         .add("leased", queue.leased)
                         .add("dead", queue.dead)
                         .add("waiting", queue.waiting)
                         .add("bytes", queue.bytes)
                         .add("paused", queue.paused)
                         .object());
  }
  JsonWriter writer = tasks_now(tasks);
  add_task_counters(writer, tasks);
  return ok_document()
      .add_raw("tasks", writer.object())
      .add_raw("queues", json_array(queues))
      .object();
}

}  // namespace netd::control
