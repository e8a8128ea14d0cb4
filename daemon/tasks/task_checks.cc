#include "daemon/tasks/task_checks.h"

#include <algorithm>
#include <chrono>
#include <string>

namespace netd::tasks {

bool is_duration(milliseconds value) { return value >= milliseconds(0) && value <= kMaxDuration; }

bool is_queue_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxQueueNameLength &&
         std::ranges::all_of(name, [](char c) {
           const auto byte = static_cast<unsigned char>(c);
           return byte >= 0x20 && byte != 0x7f;
         });
}

TaskError bad_queue_name() {
  return {TaskErrorCode::invalid_task, "a queue's name has 1 to " +
                                           std::to_string(kMaxQueueNameLength) +
                                           " bytes and no control characters"};
}

TaskError bad_duration(std::string_view member) {
  return {
      TaskErrorCode::invalid_task,
      std::string(member) + " is out of range: 0 to " +
          std::to_string(std::chrono::duration_cast<std::chrono::seconds>(kMaxDuration).count()) +
          " s"};
}

}  // namespace netd::tasks
