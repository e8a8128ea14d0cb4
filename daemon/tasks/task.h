// What the task queue's users see: tasks, requests, answers and errors.
//
// Ids, data and results are JSON texts and are never looked into here: two ids are the same when
// their texts are, so whoever parses requests hands ids over in one canonical form ("t1" with its
// quotes, 7 without).
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/base/clock.h"

namespace netd::tasks {

using std::chrono::milliseconds;

inline constexpr std::string_view kDefaultQueue = "default";
inline constexpr std::size_t kMaxIdLength = 512;         // bytes of JSON text
inline constexpr std::size_t kMaxQueueNameLength = 128;  // bytes
/// Delays, leases, waits and times to live may not be longer: ten years.
inline constexpr milliseconds kMaxDuration = std::chrono::hours(24 * 3650);

enum class TaskState : std::uint8_t {
  ready,    // waits for a consumer
  delayed,  // becomes ready at a time
  leased,   // with a consumer, until `done`, `fail` or the end of the lease
  dead,     // failed as often as it may; stays until kicked or deleted
};
[[nodiscard]] std::string_view state_name(TaskState state);
[[nodiscard]] std::optional<TaskState> parse_state(std::string_view name);

/// An id as people write it, for `journalctl NETD_TASK=t1`: without the quotes of a string, unless
/// that has escapes, which only mean something between them. A part of `id`.
[[nodiscard]] std::string_view bare_id(std::string_view id);

/// A task as it was at one moment.
struct Task {
  std::string id;             // JSON text
  std::string data;           // JSON text, byte for byte as produced; lists leave it out
  std::size_t data_size = 0;  // its bytes
  std::string queue;
  std::int32_t priority = 0;       // the higher goes first
  std::uint32_t attempt = 0;       // how often it was handed out, this time included
  std::uint32_t max_attempts = 0;  // 0: without end
  WallTime created;
  TaskState state = TaskState::ready;
  /// Until a delayed task is ready, or until a leased one comes back; 0 otherwise.
  milliseconds due_in{0};
  std::optional<WallTime> expires;  // when a task that nobody took is dropped
};

struct NewTask {
  std::string id;    // JSON text; empty: one is made up
  std::string data;  // JSON text
  std::string queue{kDefaultQueue};
  std::int32_t priority = 0;
  milliseconds delay{0};
  std::optional<std::uint32_t> max_attempts;  // none: as configured; 0: without end
  milliseconds ttl{0};                        // 0: for ever
};

struct Produced {
  std::string id;          // JSON text
  bool duplicate = false;  // a live task of this id and data was there already
};

/// Whose consumers and leases these are: one for each connection. 0 is nobody's.
using Holder = std::uint64_t;

struct TakeRequest {
  std::string queue{kDefaultQueue};
  milliseconds wait{0};  // how long to stay parked when nothing is ready
  /// None: handing the task over removes it. Otherwise it comes back after this time.
  std::optional<milliseconds> lease;
  bool bind = false;  // the lease ends at once when `holder` is released
  Holder holder = 0;
};

/// Names a task, and where `attempt` is given only the lease that this attempt began: whoever holds
/// an older one gets not_leased.
struct TaskRef {
  std::string id;  // JSON text
  std::optional<std::uint32_t> attempt;
};

/// Stable: programs compare the names. New ones go to the end.
enum class TaskErrorCode : std::uint8_t {
  conflict,      // the id lives already with other data
  unavailable,   // the disk refuses; nothing was changed
  queue_full,    // a limit on tasks, bytes or memory is reached
  not_found,     // no such live task
  not_leased,    // the task is not leased (any more), or not by this attempt
  invalid_task,  // a member is out of its range
  too_large,     // the data is longer than max_data
  leased,        // a consumer holds the task
  dead,          // the task whose result was asked for has failed for good
};
[[nodiscard]] std::string_view error_code_name(TaskErrorCode code);

struct TaskError {
  TaskErrorCode code;
  std::string message;  // for people
};

template <class T>
using TaskResult = std::expected<T, TaskError>;

[[nodiscard]] inline std::unexpected<TaskError> task_fail(TaskErrorCode code, std::string message) {
  return std::unexpected(TaskError{code, std::move(message)});
}

struct ListRequest {
  std::optional<std::string> queue;
  std::optional<TaskState> state;
  std::uint64_t after = 0;  // TaskPage::next of the page before; 0: from the first
  std::size_t limit = 100;  // at most kMaxPage
};
inline constexpr std::size_t kMaxPage = 1000;

struct TaskPage {
  std::vector<Task> tasks;  // in the order of their production
  /// Where the next page begins; 0: this was the last. A page may hold fewer than `limit` and yet
  /// not be the last: one call looks at a bounded number of tasks.
  std::uint64_t next = 0;
};

struct QueueStats {
  std::string name;
  std::uint64_t ready = 0;
  std::uint64_t delayed = 0;
  std::uint64_t leased = 0;
  std::uint64_t dead = 0;
  std::uint64_t waiting = 0;  // parked consumers
  std::uint64_t bytes = 0;    // ids and data of its tasks
  bool paused = false;
};

struct TaskStats {
  std::vector<QueueStats> queues;  // by name
  // Since the start of netd:
  std::uint64_t produced = 0;  // new ones; duplicates are counted apart
  std::uint64_t duplicates = 0;
  std::uint64_t taken = 0;
  std::uint64_t done = 0;
  std::uint64_t failed = 0;    // `fail` answered
  std::uint64_t returned = 0;  // leases that ran out or lost their holder
  std::uint64_t died = 0;
  std::uint64_t expired = 0;  // dropped at the end of their time to live
  std::uint64_t deleted = 0;
  std::uint64_t refused = 0;  // produce answered with an error
  // Now:
  std::uint64_t tasks = 0;
  std::uint64_t waiting = 0;       // parked consumers
  std::uint64_t memory_bytes = 0;  // what counts against memory_limit
  std::uint64_t disk_bytes = 0;
  std::uint64_t commits = 0;
  bool available = true;  // whether the disk took the last change
};

}  // namespace netd::tasks
