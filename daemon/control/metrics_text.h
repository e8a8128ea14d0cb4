// The daemon's reports for Prometheus.
#pragma once

#include <string>

#include "daemon/control/daemon_control.h"
#include "daemon/tasks/task.h"

namespace netd::control {

/// Prometheus text exposition format (version 0.0.4): what HTTP's `metrics` handler serves.
[[nodiscard]] std::string metrics_text(const StatusReport& report, const tasks::TaskStats& tasks);

}  // namespace netd::control
