// What netd does with its task store when it is not to serve: --check-tasks and --export-tasks.
#pragma once

#include <string>

namespace netd {

/// Says on standard output what is wrong with the store. Returns the exit status: 0 when nothing
/// is.
[[nodiscard]] int check_task_store(const std::string& folder);

/// Writes every task that can be read to standard output, one JSON object a line, and what is wrong
/// to standard error. Returns the exit status: 0 when all tasks were whole.
[[nodiscard]] int export_task_store(const std::string& folder);

}  // namespace netd
