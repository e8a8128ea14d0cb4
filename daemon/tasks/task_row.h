// One row of the store's table of tasks, and how it is known to be whole.
#pragma once

#include <cstdint>
#include <string_view>

#include "daemon/tasks/record.h"
#include "daemon/tasks/sqlite.h"

namespace netd::tasks {

/// Of what does not change while a task lives; kept in its row.
[[nodiscard]] std::int64_t checksum(std::string_view id, std::string_view queue,
                                    std::string_view data, std::int64_t created);

/// Conditions and an order follow.
inline constexpr std::string_view kSelectTasks =
    "SELECT seq, sum, id, queue, priority, attempt, max_attempts, dead, created, ready_at, "
    "expires, "
    "data FROM task";

/// Bytes: one page.
inline constexpr std::int64_t kSmallestDatabase = 4096;
/// PRAGMA user_version from here on: a journal lies in front of the database.
inline constexpr int kFormatWithJournal = 2;
/// Up to where the journal is in the store: its generation, and the last frame's number.
inline constexpr std::string_view kSelectJournal =
    "SELECT generation, applied FROM journal WHERE id=1";

struct TaskRow {
  Record record;       // its texts live until the statement's next step
  bool whole = false;  // the checksum is right
};
[[nodiscard]] TaskRow read_task_row(Statement& row);

}  // namespace netd::tasks
