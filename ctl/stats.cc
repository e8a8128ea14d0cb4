// `netctl stats`: once, or again and again with what changed in between.
#include <cstdio>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "ctl/custom_commands.h"
#include "ctl/durations.h"
#include "ctl/humanize.h"
#include "ctl/json_access.h"
#include "ctl/option_checks.h"
#include "ctl/printers.h"
#include "ctl/stats_rates.h"
#include "ctl/waiting.h"

namespace netd::ctl {

namespace {

struct StatsOptions {
  bool watch = false;
  std::string interval = "1s";
  int count = 0;
};

constexpr std::string_view kRequest = R"({"type":"stats"})";

int watch(const StatsOptions& options, milliseconds interval, const Context& context) {
  auto client = context.connect();
  if (!client) return complain(client.error().what(), kUnreachable, context);
  OrderedJson before;
  for (int seen = 0;; ++seen) {
    const auto answer = client->ask(kRequest, context.timeout);
    if (!answer) return complain(answer.error().what(), kUnreachable, context);
    if (outcome_of(*answer).status != "ok")
      return complain(render_error(*answer), kFailed, context);
    if (context.json) {
      print(*answer + "\n");
    } else {
      OrderedJson now = OrderedJson::parse(*answer, nullptr, false);
      // On a terminal the table stays in its place; in a pipe each comes below the one before.
      if (context.terminal.moves) print("\x1b[H\x1b[2J");
      print(render_rates(before, now, context.terminal));
      before = std::move(now);
    }
    if (std::fflush(stdout) != 0) return kFailed;
    if (options.count > 0 && seen + 1 >= options.count) return kDone;
    sleep_until(std::chrono::steady_clock::now() + interval);
  }
}

int run_stats(const StatsOptions& options, const Context& context) {
  const auto interval = parse_seconds(options.interval);
  if (!interval) return complain("--interval: " + interval.error().what(), kUsage, context);
  if (options.watch) {
    constexpr milliseconds kShortest{50};
    return watch(options, std::max(*interval, kShortest), context);
  }
  auto client = context.connect();
  if (!client) return complain(client.error().what(), kUnreachable, context);
  const auto answer = client->ask(kRequest, context.timeout);
  if (!answer) return complain(answer.error().what(), kUnreachable, context);
  const bool refused = outcome_of(*answer).status != "ok";
  if (refused && !context.json) return complain(render_error(*answer), kFailed, context);
  print(context.json ? *answer + "\n" : render("stats", *answer, context.terminal));
  return refused ? kFailed : kDone;
}

}  // namespace

std::function<int(const Context&)> define_stats(CLI::App& command) {
  const auto options = std::make_shared<StatsOptions>();  // lives as long as the callback
  command.add_flag("--watch", options->watch, "again and again, with rates");
  command.add_option("--interval", options->interval, "between two looks")
      ->type_name("TIME")
      ->capture_default_str();
  expect_whole_number(
      command.add_option("--count", options->count, "end after so many looks; default: never")
          ->type_name("N"),
      1);
  return [options](const Context& context) { return run_stats(*options, context); };
}

}  // namespace netd::ctl
