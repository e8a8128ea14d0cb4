#include "ctl/stats_rates.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "ctl/humanize.h"

namespace netd::ctl {

namespace {

/// Counts from zero where there is nothing to compare with, and never below it: a daemon that was
/// restarted in between counts anew.
double rate(double before, double now, double seconds) {
  return seconds > 0 ? std::max(now - before, 0.0) / seconds : 0.0;
}

const OrderedJson& listener_named(const OrderedJson& answer, const std::string& name) {
  static const OrderedJson none = OrderedJson::object();
  for (const auto& listener : array(answer, "listeners")) {
    if (text(listener, "name") == name) return listener;
  }
  return none;
}

}  // namespace

std::string render_rates(const OrderedJson& before, const OrderedJson& now,
                         const Terminal& terminal) {
  const double seconds = number(now, "uptime_s") - number(before, "uptime_s");
  const auto per_second = [&](const OrderedJson& old, const OrderedJson& fresh, const char* group,
                              const char* name) {
    return rate(number(object(old, group), name), number(object(fresh, group), name), seconds);
  };
  Table table({"LISTENER", ">OPEN", ">NEW/s", ">REFUSED/s", ">IN/s", ">OUT/s"});
  for (const auto& listener : array(now, "listeners")) {
    const OrderedJson& old = listener_named(before, text(listener, "name"));
    table.add({text(listener, "name"),
               human_count(number(object(listener, "connections"), "active")),
               human_count(per_second(old, listener, "connections", "accepted")),
               human_count(per_second(old, listener, "connections", "refused")),
               human_bytes(per_second(old, listener, "bytes", "in")),
               human_bytes(per_second(old, listener, "bytes", "out"))});
  }
  const OrderedJson& tasks = object(now, "tasks");
  const double cpu = per_second(before, now, "process", "cpu_s") * 100;
  std::string out = "up " + human_seconds(number(now, "uptime_s")) + ", " + human_count(cpu) +
                    " % of a CPU, " + human_bytes(number(object(now, "process"), "memory_bytes")) +
                    " of memory\n";
  out += "tasks: " + human_count(per_second(before, now, "tasks", "produced")) + " produced/s, " +
         human_count(per_second(before, now, "tasks", "taken")) + " taken/s, " +
         human_count(per_second(before, now, "tasks", "done")) + " done/s, " +
         integer_text(tasks, "ready") + " ready, " + integer_text(tasks, "leased") + " leased\n\n";
  return out + (table.empty() ? "no listeners\n" : table.text(terminal));
}

}  // namespace netd::ctl
