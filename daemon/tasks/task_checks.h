// What the members of requests may be.
#pragma once

#include <string_view>

#include "daemon/tasks/task.h"

namespace netd::tasks {

/// 0 to kMaxDuration.
[[nodiscard]] bool is_duration(milliseconds value);
/// Names go into journal entries and tables: 1 to kMaxQueueNameLength bytes without control
/// characters.
[[nodiscard]] bool is_queue_name(std::string_view name);

[[nodiscard]] TaskError bad_queue_name();
[[nodiscard]] TaskError bad_duration(std::string_view member);

}  // namespace netd::tasks
