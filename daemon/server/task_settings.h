#pragma once

#include "daemon/config/settings.h"
#include "daemon/tasks/task_service.h"

namespace netd {

/// [tasks] of the configuration as the task service takes it: the two do not know each other.
[[nodiscard]] tasks::TaskServiceSettings task_service_settings(
    const config::TaskSettings& settings);

}  // namespace netd
