#include "ctl/top_model.h"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "ctl/humanize.h"
#include "ctl/status_view.h"
#include "ctl/table.h"
#include "daemon/base/text.h"

namespace netd::ctl {

namespace {

TopCell name_cell(const OrderedJson& from, const char* name) { return {text(from, name), 0}; }
TopCell count_cell(double value) { return {human_count(value), value}; }
TopCell bytes_cell(double value) { return {human_bytes(value), value}; }
TopCell time_cell(double value) { return {human_seconds(value), value}; }

/// What grew, a second. A daemon that was restarted counts anew.
double growth(const OrderedJson& before, const OrderedJson& now, const char* group,
              const char* name, double seconds) {
  if (seconds <= 0 || before.is_null()) return 0;
  const double difference = number(object(now, group), name) - number(object(before, group), name);
  return std::max(difference, 0.0) / seconds;
}

const OrderedJson& same_in(const OrderedJson& answer, const char* list, const OrderedJson& wanted,
                           const char* key) {
  static const OrderedJson none;
  for (const auto& one : array(answer, list)) {
    if (member(one, key) == member(wanted, key)) return one;
  }
  return none;
}

TopRow listener_row(const OrderedJson& before, const OrderedJson& listener, double seconds) {
  const OrderedJson& old = same_in(before, "listeners", listener, "name");
  const OrderedJson& connections = object(listener, "connections");
  std::string addresses;
  for (const auto& address : array(listener, "addresses")) {
    addresses += (addresses.empty() ? "" : " ") + plain(address);
  }
  return {name_cell(listener, "name"),
          name_cell(listener, "protocol"),
          name_cell(listener, "state"),
          count_cell(number(connections, "active")),
          count_cell(growth(old, listener, "connections", "accepted", seconds)),
          count_cell(number(connections, "refused")),
          bytes_cell(growth(old, listener, "bytes", "in", seconds)),
          bytes_cell(growth(old, listener, "bytes", "out", seconds)),
          {addresses, 0}};
}

TopRow connection_row(const OrderedJson& before, const OrderedJson& connection, double seconds) {
  const OrderedJson& old = same_in(before, "connections", connection, "id");
  const OrderedJson& bytes = object(connection, "bytes");
  return {{integer_text(connection, "id"), -number(connection, "id")},  // the oldest first
          name_cell(connection, "listener"),
          name_cell(connection, "client"),
          time_cell(number(connection, "age_s")),
          time_cell(number(connection, "idle_s")),
          bytes_cell(growth(old, connection, "bytes", "in", seconds)),
          bytes_cell(growth(old, connection, "bytes", "out", seconds)),
          bytes_cell(number(bytes, "in")),
          bytes_cell(number(bytes, "out"))};
}

TopRow queue_row(const OrderedJson& queue) {
  return {name_cell(queue, "name"),
          count_cell(number(queue, "ready")),
          count_cell(number(queue, "delayed")),
          count_cell(number(queue, "leased")),
          count_cell(number(queue, "dead")),
          count_cell(number(queue, "waiting")),
          bytes_cell(number(queue, "bytes")),
          {flag(queue, "paused", false) ? "paused" : "open", 0}};
}

bool fits(const TopRow& row, const std::string& lower_filter) {
  return std::ranges::any_of(row, [&](const TopCell& cell) {
    return to_ascii_lower(cell.text).find(lower_filter) != std::string::npos;
  });
}

}  // namespace

const std::vector<std::string_view>& top_headings(TopView view) {
  static const std::array<std::vector<std::string_view>, 3> headings = {{
      {"LISTENER", "PROTOCOL", "STATE", ">OPEN", ">NEW/s", ">REFUSED", ">IN/s", ">OUT/s",
       "ADDRESSES"},
      {">ID", "LISTENER", "CLIENT", ">AGE", ">IDLE", ">IN/s", ">OUT/s", ">IN", ">OUT"},
      {"QUEUE", ">READY", ">DELAYED", ">LEASED", ">DEAD", ">CONSUMERS", ">SIZE", "STATE"},
  }};
  return headings.at(static_cast<std::size_t>(view));
}

std::vector<TopRow> top_rows(TopView view, const OrderedJson& before, const OrderedJson& now,
                             double seconds) {
  std::vector<TopRow> rows;
  switch (view) {
    case TopView::listeners:
      for (const auto& one : array(now, "listeners")) {
        rows.push_back(listener_row(before, one, seconds));
      }
      break;
    case TopView::connections:
      for (const auto& one : array(now, "connections")) {
        rows.push_back(connection_row(before, one, seconds));
      }
      break;
    case TopView::queues:
      for (const auto& one : array(now, "queues")) rows.push_back(queue_row(one));
      break;
  }
  return rows;
}

void arrange(std::vector<TopRow>& rows, const TopOrder& order, TopView view) {
  const std::string filter = to_ascii_lower(order.filter);
  std::erase_if(rows, [&](const TopRow& row) { return !filter.empty() && !fits(row, filter); });
  const auto& headings = top_headings(view);
  const std::size_t column = std::min(order.column, headings.size() - 1);
  const bool numbers = headings[column].starts_with('>');
  std::ranges::stable_sort(rows, [&](const TopRow& a, const TopRow& b) {
    const TopCell& first = (order.reverse ? b : a)[column];
    const TopCell& second = (order.reverse ? a : b)[column];
    return numbers ? first.number > second.number : first.text < second.text;
  });
}

std::vector<std::string> top_lines(TopView view, const std::vector<TopRow>& rows,
                                   const TopOrder& order) {
  std::vector<std::string> headings;
  for (const auto heading : top_headings(view)) headings.emplace_back(heading);
  headings[std::min(order.column, headings.size() - 1)] += order.reverse ? "^" : "*";
  Table table(headings);
  for (const auto& row : rows) {
    std::vector<std::string> cells;
    cells.reserve(row.size());
    for (const auto& cell : row) cells.push_back(cell.text);
    table.add(std::move(cells));
  }
  const std::string whole = table.text(Terminal());
  std::vector<std::string> lines;
  for (const auto line : split(whole, '\n')) lines.emplace_back(line);
  lines.pop_back();  // what follows the last line end
  return lines;
}

std::vector<std::string> top_summary(const OrderedJson& before, const OrderedJson& now,
                                     double seconds) {
  const auto problems = problems_of(now);
  std::string first = "netd " + text(now, "version") + " is " + text(now, "state") + ": ";
  if (problems.empty()) {
    first += "all is well";
  } else {
    first +=
        std::to_string(problems.size()) + (problems.size() == 1 ? " problem: " : " problems: ");
    first += problems.front();
  }
  double open = 0;
  double fresh = 0;
  double in = 0;
  double out = 0;
  for (const auto& listener : array(now, "listeners")) {
    const OrderedJson& old = same_in(before, "listeners", listener, "name");
    open += number(object(listener, "connections"), "active");
    fresh += growth(old, listener, "connections", "accepted", seconds);
    in += growth(old, listener, "bytes", "in", seconds);
    out += growth(old, listener, "bytes", "out", seconds);
  }
  const OrderedJson& tasks = object(now, "tasks");
  return {first,
          "up " + human_seconds(number(now, "uptime_s")) + ", " + integer_text(now, "workers") +
              " workers, " + human_count(growth(before, now, "process", "cpu_s", seconds) * 100) +
              " % of a CPU, " + human_bytes(number(object(now, "process"), "memory_bytes")) +
              " of memory",
          human_count(open) + " connections, " + human_count(fresh) + " new/s, " + human_bytes(in) +
              "/s in, " + human_bytes(out) + "/s out",
          "tasks " + integer_text(tasks, "ready") + " ready, " + integer_text(tasks, "delayed") +
              " delayed, " + integer_text(tasks, "leased") + " leased, " +
              integer_text(tasks, "dead") + " dead; " +
              human_count(growth(before, now, "tasks", "produced", seconds)) + " produced/s, " +
              human_count(growth(before, now, "tasks", "done", seconds)) + " done/s"};
}

}  // namespace netd::ctl
