// `netctl task work`: its options.
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "ctl/custom_commands.h"
#include "ctl/durations.h"
#include "ctl/option_checks.h"
#include "ctl/worker.h"

namespace netd::ctl {

namespace {

struct Texts {
  WorkOptions options;
  std::string queue;
  std::string lease = "60s";
  std::string timeout = "0";
};

int work(const Texts& texts, const Context& context) {
  WorkOptions options = texts.options;
  if (!texts.queue.empty()) options.queue = texts.queue;
  const auto lease = parse_seconds(texts.lease);
  if (!lease || *lease < milliseconds(1000)) {
    return complain("--lease: expected a time of at least 1s", kUsage, context);
  }
  const auto timeout = parse_seconds(texts.timeout);
  if (!timeout) return complain("--timeout: " + timeout.error().what(), kUsage, context);
  options.lease = *lease;
  options.job_timeout = *timeout;
  return Worker(std::move(options), context).run();
}

}  // namespace

std::function<int(const Context&)> define_task_work(CLI::App& command) {
  const auto texts = std::make_shared<Texts>();  // lives as long as the callback
  constexpr std::size_t kMaxJobs = 1000;
  command.add_option("COMMAND", texts->options.command, "what to run for each task, after --")
      ->required()
      ->type_name("TEXT");
  expect_whole_number(command.add_option("-j,--jobs", texts->options.jobs, "so many at a time")
                          ->type_name("N")
                          ->capture_default_str(),
                      1, kMaxJobs);
  command.add_option("--queue", texts->queue, "the queue; default: default")->type_name("TEXT");
  command.add_option("--timeout", texts->timeout, "a command that takes longer is killed; 0: none")
      ->type_name("TIME");
  command.add_option("--lease", texts->lease, "a task comes back this long after netctl has died")
      ->type_name("TIME")
      ->capture_default_str();
  expect_whole_number(
      command.add_option("--count", texts->options.count, "end after so many tasks")
          ->type_name("N"),
      1);
  command.add_flag("--drain", texts->options.drain, "end when no task is ready");
  return [texts](const Context& context) { return work(*texts, context); };
}

}  // namespace netd::ctl
