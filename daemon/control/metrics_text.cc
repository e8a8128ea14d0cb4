#include "daemon/control/metrics_text.h"

#include <string_view>

#include "daemon/control/process_use.h"
#include "version.h"

namespace netd::control {

namespace {

/// One metric with its samples.
class Metric {
 public:
  Metric(std::string& out, std::string_view name, std::string_view kind, std::string_view help)
      : out_(out), name_(name) {
    out_ += "# HELP " + name_ + ' ' + std::string(help) + "\n# TYPE " + name_ + ' ' +
            std::string(kind) + '\n';
  }
  Metric& sample(std::string_view value) { return labelled({}, value); }
  Metric& sample(std::uint64_t value) { return sample(std::to_string(value)); }
  /// `labels` as they stand between the braces.
  Metric& labelled(std::string_view labels, std::string_view value) {
    out_ += name_;
    if (!labels.empty()) {
      out_ += '{';
      out_ += labels;
      out_ += '}';
    }
    out_ += ' ';
    out_ += value;
    out_ += '\n';
    return *this;
  }
  Metric& labelled(std::string_view labels, std::uint64_t value) {
    return labelled(labels, std::to_string(value));
  }

 private:
  std::string& out_;
  std::string name_;
};

std::string label(std::string_view name, std::string_view value) {
  std::string out(name);
  out += "=\"";
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out + '"';
}

void add_listener_metrics(std::string& out, const StatusReport& report) {
  const auto labels = [](const ListenerReport& listener) {
    return label("listener", listener.name) + ',' + label("protocol", listener.protocol);
  };
  const auto each = [&](std::string_view name, std::string_view kind, std::string_view help,
                        std::uint64_t TrafficReport::* member) {
    Metric metric(out, name, kind, help);
    for (const auto& listener : report.listeners) {
      metric.labelled(labels(listener), listener.traffic.*member);
    }
  };
  Metric up(out, "netd_listener_up", "gauge", "Whether the listener accepts connections.");
  for (const auto& listener : report.listeners) {
    up.labelled(labels(listener),
                listener.state == ListenerState::accepting ? std::uint64_t{1} : std::uint64_t{0});
  }
  each("netd_connections_active", "gauge", "Connections that are open.", &TrafficReport::active);
  each("netd_connections_accepted_total", "counter", "Connections accepted.",
       &TrafficReport::accepted);
  each("netd_connections_refused_total", "counter",
       "Connections refused by a limit or an access list.", &TrafficReport::refused);
  each("netd_received_bytes_total", "counter", "Bytes received.", &TrafficReport::bytes_in);
  each("netd_sent_bytes_total", "counter", "Bytes sent.", &TrafficReport::bytes_out);
  each("netd_errors_total", "counter", "Connections that broke.", &TrafficReport::errors);
}

void add_task_metrics(std::string& out, const tasks::TaskStats& tasks) {
  Metric(out, "netd_tasks_available", "gauge", "Whether the store took the last change.")
      .sample(tasks.available ? std::uint64_t{1} : std::uint64_t{0});
  Metric queue(out, "netd_tasks", "gauge", "Tasks by queue and state.");
  for (const auto& one : tasks.queues) {
    const std::string name = label("queue", one.name);
    queue.labelled(name + ",state=\"ready\"", one.ready)
        .labelled(name + ",state=\"delayed\"", one.delayed)
        .labelled(name + ",state=\"leased\"", one.leased)
        .labelled(name + ",state=\"dead\"", one.dead);
  }
  Metric(out, "netd_tasks_events_total", "counter", "What happened to tasks.")
      .labelled("event=\"produced\"", tasks.produced)
      .labelled("event=\"taken\"", tasks.taken)
      .labelled("event=\"done\"", tasks.done)
      .labelled("event=\"failed\"", tasks.failed)
      .labelled("event=\"returned\"", tasks.returned)
      .labelled("event=\"died\"", tasks.died)
      .labelled("event=\"expired\"", tasks.expired)
      .labelled("event=\"deleted\"", tasks.deleted)
      .labelled("event=\"refused\"", tasks.refused);
  Metric(out, "netd_tasks_store_bytes", "gauge", "Size of the store on disk.")
      .sample(tasks.disk_bytes);
}

}  // namespace

std::string metrics_text(const StatusReport& report, const tasks::TaskStats& tasks) {
  std::string out;
  Metric(out, "netd_info", "gauge", "The version that runs.")
      .labelled(label("version", kVersion), std::uint64_t{1});
  Metric(out, "netd_uptime_seconds", "gauge", "Since the start of the daemon.")
      .sample(static_cast<std::uint64_t>(report.uptime.count() / 1000));
  Metric(out, "netd_config_generation", "gauge", "Counts the configurations that were loaded.")
      .sample(report.config_generation);
  Metric(out, "netd_workers", "gauge", "Event loops.")
      .sample(static_cast<std::uint64_t>(report.workers.size()));
  Metric instance(out, "netd_service_instance_up", "gauge", "Whether the instance is healthy.");
  for (const auto& service : report.services) {
    for (const auto& one : service.instances) {
      instance.labelled(label("service", service.name) + ',' + label("instance", one.address),
                        one.state == "healthy" ? std::uint64_t{1} : std::uint64_t{0});
    }
  }
  add_listener_metrics(out, report);
  add_task_metrics(out, tasks);
  const ProcessUse use = process_use();
  Metric(out, "process_cpu_seconds_total", "counter", "User and system CPU time.")
      .sample(std::to_string(use.cpu_seconds));
  Metric(out, "process_resident_memory_bytes", "gauge", "Resident memory.")
      .sample(use.memory_bytes);
  return out;
}

}  // namespace netd::control
