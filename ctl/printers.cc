#include "ctl/printers.h"

#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "ctl/humanize.h"
#include "ctl/json_access.h"
#include "ctl/status_view.h"

namespace netd::ctl {

namespace {

using Json = nlohmann::ordered_json;

std::string print_listeners(const Json& answer, const Terminal& terminal) {
  if (array(answer, "listeners").empty()) return "no listeners\n";
  return render_listeners(answer, terminal);
}

std::string print_connections(const Json& answer, const Terminal& terminal) {
  const Json& list = array(answer, "connections");
  if (list.empty()) return "no connections\n";
  Table table({">ID", "LISTENER", "CLIENT", "LOCAL", ">AGE", ">IDLE", ">IN", ">OUT"});
  for (const auto& one : list) {
    const Json& bytes = object(one, "bytes");
    table.add({integer_text(one, "id"), text(one, "listener"), text(one, "client"),
               text(one, "local"), human_seconds(number(one, "age_s")),
               human_seconds(number(one, "idle_s")), human_bytes(number(bytes, "in")),
               human_bytes(number(bytes, "out"))});
  }
  std::string out = table.text(terminal);
  const double total = number(answer, "total");
  if (total > static_cast<double>(list.size())) {
    out += "the oldest " + std::to_string(list.size()) + " of " + integer_text(answer, "total") +
           " connections (--limit shows more)\n";
  }
  return out;
}

std::string print_stats(const Json& answer, const Terminal& terminal) {
  const Json& connections = object(answer, "connections");
  const Json& bytes = object(answer, "bytes");
  const Json& tasks = object(answer, "tasks");
  const Json& process = object(answer, "process");
  std::string out = "up           " + human_seconds(number(answer, "uptime_s")) + "\n";
  out += "connections  " + human_count(number(connections, "active")) + " open, " +
         human_count(number(connections, "accepted")) + " accepted, " +
         human_count(number(connections, "refused")) + " refused, " +
         human_count(number(answer, "errors")) + " broken\n";
  out += "bytes        " + human_bytes(number(bytes, "in")) + " in, " +
         human_bytes(number(bytes, "out")) + " out\n";
  out += "tasks        " + human_count(number(tasks, "produced")) + " produced, " +
         human_count(number(tasks, "taken")) + " taken, " + human_count(number(tasks, "done")) +
         " done, " + human_count(number(tasks, "failed")) + " failed, " +
         human_count(number(tasks, "died")) + " died\n";
  out += "process      " + human_bytes(number(process, "memory_bytes")) + " of memory, " +
         human_seconds(number(process, "cpu_s")) + " of CPU time\n\n";
  return out + print_listeners(answer, terminal);
}

std::string print_reload(const Json& answer, const Terminal&) {
  std::string out = "reloaded: generation " + integer_text(answer, "generation") + "\n";
  const Json& changes = array(answer, "changes");
  if (changes.empty()) out += "  nothing has changed\n";
  for (const auto& change : changes) out += "  " + plain(change) + "\n";
  return out;
}

std::string print_config(const Json& answer, const Terminal&) {
  // The file itself, with its lines.
  return raw_text(answer, "config");
}

std::string print_config_check(const Json&, const Terminal&) {
  return "the configuration is good\n";
}

std::string print_log_level(const Json& answer, const Terminal&) {
  std::string out = text(answer, "log_level");
  if (answer.contains("previous")) out += " (was " + text(answer, "previous") + ")";
  return out + "\n";
}

std::string print_disconnect(const Json& answer, const Terminal&) {
  return "closed: " + integer_text(answer, "disconnected") + "\n";
}

std::string print_drain(const Json& answer, const Terminal&) {
  std::string out;
  for (const auto& name : array(answer, "listeners"))
    out += (out.empty() ? "" : ", ") + plain(name);
  return out + ": " + integer_text(answer, "active") + " connections open\n";
}

std::string print_stop(const Json&, const Terminal&) { return "netd is stopping\n"; }

std::string print_version(const Json& answer, const Terminal&) {
  return "netd " + text(answer, "version") + "\n";
}

std::string print_task_add(const Json& answer, const Terminal&) {
  const bool duplicate = flag(answer, "duplicate", false);
  return "queued " + text(answer, "task_id") + (duplicate ? " (it was there already)" : "") + "\n";
}

/// One member a line, the names flush.
std::string print_task(const Json& answer, const Terminal& terminal) {
  const Json& task = object(answer, "task");
  std::vector<std::pair<std::string, std::string>> lines = {
      {"task", text(task, "id")},
      {"queue", text(task, "queue")},
      {"queued", local_time(number(task, "timestamp"))}};
  if (task.contains("state")) lines.emplace_back("state", text(task, "state"));
  if (task.contains("due_in_s")) {
    lines.emplace_back("due in", human_seconds(number(task, "due_in_s")));
  }
  lines.emplace_back("attempt", integer_text(task, "attempt"));
  if (task.contains("priority")) lines.emplace_back("priority", integer_text(task, "priority"));
  if (task.contains("expires")) lines.emplace_back("expires", local_time(number(task, "expires")));
  lines.emplace_back("data", text(task, "data"));
  std::string out;
  for (auto& [name, value] : lines) {
    name.resize(10, ' ');
    out += terminal.bold(name) + value + "\n";
  }
  return out;
}

std::string print_task_list(const Json& answer, const Terminal& terminal) {
  const Json& list = array(answer, "tasks");
  if (list.empty() && !answer.contains("next")) return "no tasks\n";
  Table table({"ID", "QUEUE", "STATE", ">PRIORITY", ">ATTEMPT", ">DUE IN", ">SIZE", "QUEUED"});
  for (const auto& task : list) {
    table.add({text(task, "id"), text(task, "queue"), text(task, "state"),
               integer_text(task, "priority"), integer_text(task, "attempt"),
               task.contains("due_in_s") ? human_seconds(number(task, "due_in_s")) : "-",
               human_bytes(number(task, "bytes")), local_time(number(task, "timestamp"))});
  }
  std::string out = table.text(terminal);
  if (answer.contains("next")) out += "more: --after " + integer_text(answer, "next") + "\n";
  return out;
}

std::string print_task_stats(const Json& answer, const Terminal& terminal) {
  const Json& tasks = object(answer, "tasks");
  std::string out;
  if (!flag(tasks, "available", true)) {
    out += terminal.red("the disk does not take tasks at the moment") + "\n";
  }
  Table table({"QUEUE", ">READY", ">DELAYED", ">LEASED", ">DEAD", ">CONSUMERS", ">SIZE", "STATE"});
  for (const auto& queue : array(answer, "queues")) {
    table.add({text(queue, "name"), integer_text(queue, "ready"), integer_text(queue, "delayed"),
               integer_text(queue, "leased"), integer_text(queue, "dead"),
               integer_text(queue, "waiting"), human_bytes(number(queue, "bytes")),
               flag(queue, "paused", false) ? "paused" : "open"});
  }
  out += table.empty() ? "no queues\n" : table.text(terminal);
  out += "\nsince the start: " + integer_text(tasks, "produced") + " produced, " +
         integer_text(tasks, "taken") + " taken, " + integer_text(tasks, "done") + " done, " +
         integer_text(tasks, "failed") + " failed, " + integer_text(tasks, "returned") +
         " returned, " + integer_text(tasks, "died") + " died, " + integer_text(tasks, "expired") +
         " expired, " + integer_text(tasks, "refused") + " refused\n";
  out += "store: " + human_bytes(number(tasks, "disk_bytes")) + " on disk, " +
         human_bytes(number(tasks, "memory_bytes")) + " in memory\n";
  return out;
}

std::string print_kick(const Json& answer, const Terminal&) {
  return "ready again: " + integer_text(answer, "kicked") + "\n";
}

std::string print_result(const Json& answer, const Terminal&) {
  return text(answer, "result") + "\n";
}

std::string print_nothing(const Json&, const Terminal&) { return {}; }

struct Printer {
  std::string_view words;
  std::string (*print)(const Json& answer, const Terminal& terminal);
};

constexpr auto kPrinters = std::to_array<Printer>({
    {"status", render_status},
    {"listeners", print_listeners},
    {"connections", print_connections},
    {"stats", print_stats},
    {"reload", print_reload},
    {"config show", print_config},
    {"config check", print_config_check},
    {"log-level", print_log_level},
    {"disconnect", print_disconnect},
    {"drain", print_drain},
    {"stop", print_stop},
    {"version", print_version},
    {"task add", print_task_add},
    {"task take", print_task},
    {"task show", print_task},
    {"task list", print_task_list},
    {"task stats", print_task_stats},
    {"task kick", print_kick},
    {"task wait", print_result},
    {"task done", print_nothing},
    {"task fail", print_nothing},
    {"task give-back", print_nothing},
    {"task touch", print_nothing},
    {"task delete", print_nothing},
    {"task pause", print_nothing},
    {"task resume", print_nothing},
});

}  // namespace

std::string render(std::string_view words, std::string_view answer, const Terminal& terminal) {
  const Json document = Json::parse(answer, nullptr, false);
  for (const auto& printer : kPrinters) {
    if (printer.words == words && document.is_object()) return printer.print(document, terminal);
  }
  return std::string(answer) + "\n";
}

std::string render_error(std::string_view answer) {
  const Json document = Json::parse(answer, nullptr, false);
  if (!document.is_object()) return "netd's answer is not JSON";
  std::string out = text(document, "message");
  for (const auto& mistake : array(document, "mistakes")) out += "\n  " + plain(mistake);
  return out;
}

Outcome outcome_of(std::string_view answer) {
  const Json document = Json::parse(answer, nullptr, false);
  if (!document.is_object()) return {"error", "invalid_json"};
  return {raw_text(document, "status"), raw_text(document, "code")};
}

std::string render_event(std::string_view event, const Terminal& terminal) {
  const Json document = Json::parse(event, nullptr, false);
  if (!document.is_object()) return std::string(event) + "\n";
  if (document.contains("dropped")) {
    return terminal.yellow("(" + integer_text(document, "dropped") + " events missed)") + "\n";
  }
  std::string line = text(document, "time") + " " + terminal.bold(text(document, "event"));
  if (document.contains("message")) return line + ": " + text(document, "message") + "\n";
  for (const auto& [name, value] : document.items()) {
    if (name != "time" && name != "event") line += " " + name + "=" + plain(value);
  }
  return line + "\n";
}

}  // namespace netd::ctl
