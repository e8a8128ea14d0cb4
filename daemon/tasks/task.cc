#include "daemon/tasks/task.h"

#include <array>

namespace netd::tasks {

namespace {

constexpr std::array<std::string_view, 4> kStateNames{"ready", "delayed", "leased", "dead"};
constexpr std::array<std::string_view, 9> kErrorNames{"conflict",  "unavailable", "queue_full",
                                                      "not_found", "not_leased",  "invalid_task",
                                                      "too_large", "leased",      "dead"};

}  // namespace

std::string_view bare_id(std::string_view id) {
  const bool quoted = id.size() > 2 && id.starts_with('"') && id.ends_with('"');
  return quoted && !id.contains('\\') ? id.substr(1, id.size() - 2) : id;
}

std::string_view state_name(TaskState state) {
  return kStateNames.at(static_cast<std::size_t>(state));
}

std::optional<TaskState> parse_state(std::string_view name) {
  for (std::size_t i = 0; i < kStateNames.size(); ++i) {
    if (kStateNames.at(i) == name) return static_cast<TaskState>(i);
  }
  return std::nullopt;
}

std::string_view error_code_name(TaskErrorCode code) {
  return kErrorNames.at(static_cast<std::size_t>(code));
}

}  // namespace netd::tasks
