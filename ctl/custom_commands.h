// Commands that are more than one request and one answer. One row each; the definitions stand in
// the file of their group.
#pragma once

#include <functional>
#include <span>
#include <string_view>

#include "ctl/context.h"

namespace CLI {  // NOLINT(readability-identifier-naming): the library calls it so
class App;
}

namespace netd::ctl {

struct CustomCommand {
  std::string_view words;
  std::string_view summary;
  std::string_view example;  ///< what stands behind "netctl "
  /// Gives the command its options, and returns what runs it afterwards.
  std::function<int(const Context&)> (*define)(CLI::App& command);
};

[[nodiscard]] std::span<const CustomCommand> custom_commands();

// ---- The groups' own.
[[nodiscard]] std::function<int(const Context&)> define_call(CLI::App& command);
[[nodiscard]] std::function<int(const Context&)> define_http(CLI::App& command);
[[nodiscard]] std::function<int(const Context&)> define_latency(CLI::App& command);
[[nodiscard]] std::function<int(const Context&)> define_throughput(CLI::App& command);
[[nodiscard]] std::function<int(const Context&)> define_scan(CLI::App& command);
[[nodiscard]] std::function<int(const Context&)> define_connect(CLI::App& command);
[[nodiscard]] std::function<int(const Context&)> define_echo(CLI::App& command);
[[nodiscard]] std::function<int(const Context&)> define_events(CLI::App& command);
[[nodiscard]] std::function<int(const Context&)> define_mail_delete(CLI::App& command);
[[nodiscard]] std::function<int(const Context&)> define_mail_list(CLI::App& command);
[[nodiscard]] std::function<int(const Context&)> define_mail_send(CLI::App& command);
[[nodiscard]] std::function<int(const Context&)> define_mail_show(CLI::App& command);
[[nodiscard]] std::function<int(const Context&)> define_mail_wait(CLI::App& command);
[[nodiscard]] std::function<int(const Context&)> define_stats(CLI::App& command);
[[nodiscard]] std::function<int(const Context&)> define_top(CLI::App& command);
[[nodiscard]] std::function<int(const Context&)> define_task_work(CLI::App& command);
[[nodiscard]] std::function<int(const Context&)> define_task_check(CLI::App& command);
[[nodiscard]] std::function<int(const Context&)> define_task_export(CLI::App& command);
[[nodiscard]] std::function<int(const Context&)> define_task_import(CLI::App& command);

}  // namespace netd::ctl
