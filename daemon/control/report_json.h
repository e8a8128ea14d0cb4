// The daemon's reports as the JSON that status and its like answer.
#pragma once

#include <string>

#include "daemon/control/daemon_control.h"
#include "daemon/tasks/task.h"

namespace netd::control {

/// What `status` answers, `netctl status --json` prints and HTTP's `status` handler serves.
[[nodiscard]] std::string status_document(const StatusReport& report,
                                          const tasks::TaskStats& tasks);
[[nodiscard]] std::string listeners_document(const StatusReport& report);
[[nodiscard]] std::string stats_document(const StatusReport& report, const tasks::TaskStats& tasks);
[[nodiscard]] std::string connections_document(const ConnectionList& list);
[[nodiscard]] std::string task_stats_document(const tasks::TaskStats& tasks);

[[nodiscard]] std::string_view daemon_state_name(DaemonState state);
[[nodiscard]] std::string_view listener_state_name(ListenerState state);

}  // namespace netd::control
