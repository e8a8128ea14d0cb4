#include "ctl/status_view.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "ctl/humanize.h"
#include "ctl/terminal_text.h"
#include "daemon/base/text.h"

namespace netd::ctl {

namespace {

// A loop comes round at least once a second.
constexpr double kStuckSeconds = 5;

void add_listener_problems(const OrderedJson& status, std::vector<std::string>& problems) {
  for (const auto& listener : array(status, "listeners")) {
    const std::string name = "listener " + text(listener, "name");
    const auto add = [&](std::string_view joint, std::string_view what) {
      problems.emplace_back(name).append(joint).append(what);
    };
    const OrderedJson& own = array(listener, "problems");
    for (const auto& problem : own) add(": ", plain(problem));
    const std::string state = text(listener, "state");
    if (own.empty() && state != "accepting") add(" is ", state);
  }
}

void add_service_problems(const OrderedJson& status, std::vector<std::string>& problems) {
  for (const auto& service : array(status, "services")) {
    for (const auto& instance : array(service, "instances")) {
      if (text(instance, "state") != "unhealthy") continue;
      std::string line =
          "service " + text(service, "name") + ": " + text(instance, "address") + " is unhealthy";
      if (instance.contains("reason")) line += ": " + text(instance, "reason");
      problems.push_back(std::move(line));
    }
  }
}

std::string headline(const OrderedJson& status, const Terminal& terminal,
                     const std::vector<std::string>& problems) {
  const std::string state = text(status, "state");
  std::string line = "netd " + text(status, "version") + " is " + state + ": ";
  if (problems.empty()) {
    line += state == "running" ? terminal.green("all is well") : "no problems";
  } else {
    line += terminal.red(std::to_string(problems.size()) +
                         (problems.size() == 1 ? " problem" : " problems"));
  }
  return line + "\n";
}

/// "users 2 of 3 healthy, ...": of those that are checked.
std::string service_line(const OrderedJson& status) {
  std::string line;
  for (const auto& service : array(status, "services")) {
    std::size_t healthy = 0;
    const OrderedJson& instances = array(service, "instances");
    for (const auto& instance : instances) {
      if (text(instance, "state") != "unhealthy") ++healthy;
    }
    line += (line.empty() ? "services " : ", ") + text(service, "name") + " " +
            std::to_string(healthy) + " of " + std::to_string(instances.size()) + " usable";
  }
  return line.empty() ? line : line + "\n";
}

/// Of each line what the terminal's width holds: a line that wraps takes the place of another.
std::string cut_to(const std::string& lines, std::size_t columns) {
  std::string out;
  for (const auto line : split(lines, '\n')) {
    out.append(start_that_fits(line, columns)) += '\n';
  }
  if (!out.empty()) out.pop_back();  // split() gives what follows the last line end, too
  return out;
}

/// How many rows of the terminal the lines take, those that wrap more than one.
std::size_t rows_of(std::string_view lines, const Terminal& terminal) {
  std::size_t rows = 0;
  for (const auto line : split(lines, '\n')) {
    std::size_t width = display_width(line);
    // What colours it has no width.
    for (std::size_t at = line.find('\x1b'); at != std::string_view::npos;) {
      width -= line.find('m', at) - at + 1;
      at = line.find('\x1b', at + 1);
    }
    const std::size_t columns = terminal.columns > 0 ? terminal.columns : width + 1;
    rows += std::max<std::size_t>((width + columns - 1) / columns, 1);
  }
  return rows - 1;  // split() gives what follows the last line end, too
}

/// What of `rows` lines fits; the rest is counted. A pipe gets everything.
void append_bounded(std::string& out, const std::string& lines, std::size_t rows,
                    std::string_view more) {
  std::size_t at = 0;
  for (std::size_t row = 0; row < rows && at < lines.size(); ++row) {
    at = lines.find('\n', at) + 1;
  }
  out += lines.substr(0, at);
  const auto left = std::ranges::count(lines.substr(at), '\n');
  if (left > 0) out += "... and " + std::to_string(left) + " more (" + std::string(more) + ")\n";
}

}  // namespace

std::vector<std::string> problems_of(const OrderedJson& status) {
  std::vector<std::string> problems;
  for (const auto& problem : array(status, "problems")) problems.push_back(plain(problem));
  const OrderedJson& tasks = object(status, "tasks");
  for (const auto& loop : array(status, "loops")) {
    const double age = number(loop, "last_turn_s");
    if (age > kStuckSeconds) {
      problems.push_back("a worker has not come round for " + human_seconds(age));
    }
  }
  add_listener_problems(status, problems);
  add_service_problems(status, problems);
  if (number(tasks, "dead") > 0) {
    problems.push_back("tasks: " + integer_text(tasks, "dead") +
                       " are dead (netctl task list --state dead)");
  }
  return problems;
}

namespace {

std::string addresses_of(const OrderedJson& listener) {
  std::string addresses;
  for (const auto& address : array(listener, "addresses")) {
    addresses += (addresses.empty() ? "" : " ") + plain(address);
  }
  return addresses;
}

/// What one looks for first, so that on a narrow terminal the least of it is cut.
Table short_listener_table(const OrderedJson& status) {
  Table table({"LISTENER", "PROTOCOL", "STATE", ">OPEN", ">REFUSED", ">ERRORS", "ADDRESSES"});
  for (const auto& listener : array(status, "listeners")) {
    const OrderedJson& connections = object(listener, "connections");
    table.add({text(listener, "name"), text(listener, "protocol"), text(listener, "state"),
               human_count(number(connections, "active")),
               human_count(number(connections, "refused")), human_count(number(listener, "errors")),
               addresses_of(listener)});
  }
  return table;
}

}  // namespace

namespace {

Table listener_table(const OrderedJson& answer, bool with_addresses) {
  std::vector<std::string> headings = {"LISTENER", "PROTOCOL", "STATE", ">OPEN", ">ACCEPTED",
                                       ">REFUSED", ">ERRORS",  ">IN",   ">OUT"};
  if (with_addresses) headings.emplace_back("ADDRESSES");
  Table table(std::move(headings));
  for (const auto& listener : array(answer, "listeners")) {
    const OrderedJson& connections = object(listener, "connections");
    const OrderedJson& bytes = object(listener, "bytes");
    table.add({text(listener, "name"), text(listener, "protocol"), text(listener, "state"),
               human_count(number(connections, "active")),
               human_count(number(connections, "accepted")),
               human_count(number(connections, "refused")), human_count(number(listener, "errors")),
               human_bytes(number(bytes, "in")), human_bytes(number(bytes, "out")),
               addresses_of(listener)});
  }
  return table;
}

}  // namespace

std::string render_listeners(const OrderedJson& answer, const Terminal& terminal) {
  const Table whole = listener_table(answer, true);
  if (!terminal.is_terminal() || whole.width() <= terminal.columns) return whole.text(terminal);
  const std::string narrow = listener_table(answer, false).text(terminal);
  const OrderedJson& listeners = array(answer, "listeners");
  std::string out;
  std::size_t row = 0;  // 0: the heading
  for (const auto line : split(narrow, '\n')) {
    if (line.empty()) break;
    out.append(line) += '\n';
    if (row > 0) {
      for (const auto& address : array(listeners.at(row - 1), "addresses")) {
        out += "  " + plain(address) + "\n";
      }
    }
    ++row;
  }
  return out;
}

std::string render_status(const OrderedJson& status, const Terminal& terminal) {
  const auto problems = problems_of(status);
  const std::size_t rows = terminal.is_terminal() ? terminal.rows : std::string::npos / 2;
  std::string out = headline(status, terminal, problems);
  std::string list;
  for (const auto& problem : problems) list += "  " + terminal.red(problem) + "\n";
  append_bounded(out, list, rows / 3, "netctl status --json");

  const OrderedJson& config = object(status, "config");
  out += "up " + human_seconds(number(status, "uptime_s")) + ", pid " +
         integer_text(status, "pid") + ", " + integer_text(status, "workers") +
         (number(status, "workers") == 1 ? " worker, " : " workers, ") +
         human_bytes(number(object(status, "process"), "memory_bytes")) + " of memory\n";
  out += "configuration " + text(config, "path") + ", generation " +
         integer_text(config, "generation") + ", loaded " + text(config, "loaded_at") + "\n";
  const OrderedJson& tasks = object(status, "tasks");
  out += "tasks " + integer_text(tasks, "ready") + " ready, " + integer_text(tasks, "delayed") +
         " delayed, " + integer_text(tasks, "leased") + " leased, " + integer_text(tasks, "dead") +
         " dead\n";
  out += service_line(status);
  if (array(status, "listeners").empty()) return out + "no listeners\n";
  out += "\n";
  const std::size_t used = rows_of(out, terminal);
  // The heading, the line that counts the rest and the shell's prompt.
  const std::size_t left = rows > used + 3 ? rows - used - 2 : 1;
  std::string table = short_listener_table(status).text(Terminal());
  if (terminal.is_terminal()) table = cut_to(table, terminal.columns);
  const std::size_t heading = table.find('\n');
  table.replace(0, heading, terminal.bold(table.substr(0, heading)));
  append_bounded(out, table, left, "netctl listeners");
  return out;
}

}  // namespace netd::ctl
