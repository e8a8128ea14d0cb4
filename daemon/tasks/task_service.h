// The durable task queue of one host.
//
// Belongs to the thread of its dispatcher. Callbacks run in that thread, and may run before the
// call that took them returns: whatever needs no disk is answered at once. They may call the
// service again, and may not destroy it.
//
// With SyncMode::always an answer is given only when what it says survives the loss of power. All
// that arrived while the last commit ran goes into the next one, and all answers of one commit are
// given together.
//
// Delivery. Under a lease a task is delivered at least once: leases are kept in memory, and end
// with netd, as if they had run out: the task is ready again after the start, or dead where that
// was its last attempt. The attempt counts once the lease has lasted 20 ms; a crash may forget
// younger ones. Without a lease a task is delivered at most once across a crash: it is removed from
// the disk first and then handed over. When the consumer turns out to be gone it is put back to its
// place.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/base/clock.h"
#include "daemon/base/error.h"
#include "daemon/tasks/task.h"

namespace netd {
class Dispatcher;
}

namespace netd::tasks {

enum class SyncMode : std::uint8_t {
  always,  // acknowledged = survives the loss of power
  batch,   // survives the end of netd; a loss of power may take the last sync_interval
  off,     // written behind the answers; a crash may take the last sync_interval
};

struct QueueLimits {
  std::uint64_t tasks = 0;  // 0: no limit of its own
  std::uint64_t bytes = 0;  // ids and data; 0: no limit of its own
};

struct TaskServiceSettings {
  std::string path;  // folder of the store; made when missing
  SyncMode sync = SyncMode::always;
  milliseconds sync_interval{1000};
  std::uint64_t memory_limit = 512ULL << 20;
  std::size_t max_data = 1ULL << 20;
  std::uint32_t max_attempts = 20;  // where the producer says nothing; 0: without end
  milliseconds retry_delay{1000};   // after the first `fail`; doubles with each, with jitter
  milliseconds retry_delay_max{3'600'000};
  milliseconds result_ttl{86'400'000};  // how long the result of a `done` is kept
  /// What all results may take, in bytes; the oldest make room. Stays as it was after a reload.
  std::uint64_t result_limit = 64ULL << 20;
  QueueLimits queue_limits;  // of every queue not named below
  std::map<std::string, QueueLimits, std::less<>> limits_by_queue;
  /// So long a commit may wait for changes to share it with; see
  /// DurableTaskService::more_may_join().
  std::chrono::microseconds gather{300};
};

/// What happened to a task, for `subscribe`. The views live as long as the call.
struct TaskEvent {
  std::string_view what;  // produced taken done failed returned dead expired deleted kicked
  std::string_view id;    // JSON text
  std::string_view queue;
  std::uint32_t attempt = 0;
};

class TaskService {
 public:
  using ProduceCallback = std::function<void(TaskResult<Produced>)>;
  /// Nothing when the wait is over. Returns whether the task could be handed to whoever asked: with
  /// false it is put back as if it had not been taken.
  using TakeCallback = std::function<bool(TaskResult<std::optional<Task>>)>;
  using Callback = std::function<void(TaskResult<void>)>;
  using CountCallback = std::function<void(TaskResult<std::size_t>)>;
  using TaskCallback = std::function<void(TaskResult<Task>)>;
  using PageCallback = std::function<void(TaskResult<TaskPage>)>;
  /// The result's JSON text ("null" where `done` carried none); nothing when the wait is over.
  using ResultCallback = std::function<void(TaskResult<std::optional<std::string>>)>;

  /// Opens or makes the store and reads it. Blocks meanwhile. Fails when another process has it
  /// open, and when it is damaged: it is then left as it is.
  [[nodiscard]] static Result<std::unique_ptr<TaskService>> create(Dispatcher& dispatcher,
                                                                   TaskServiceSettings settings);
  /// Writes what waits for the disk. Callbacks that are still open are not called any more.
  virtual ~TaskService() = default;
  TaskService(const TaskService&) = delete;
  TaskService& operator=(const TaskService&) = delete;

  virtual void produce(NewTask task, ProduceCallback callback) = 0;

  virtual void take(TakeRequest request, TakeCallback callback) = 0;
  /// A number for one connection, never used before.
  [[nodiscard]] virtual Holder new_holder() = 0;
  /// The connection is gone: its parked consumers are forgotten (their callbacks are not called)
  /// and its bound leases end.
  virtual void release(Holder holder) = 0;

  /// The task is finished and goes; `result` (JSON text, may be empty) is kept for result_ttl.
  virtual void done(TaskRef task, std::string result, Callback callback) = 0;
  /// The task comes back after `delay`, or where none is given after one that grows with each
  /// attempt; after the last attempt it is dead.
  virtual void fail(TaskRef task, std::optional<milliseconds> delay, Callback callback) = 0;
  /// The task goes back as if it had not been taken: the attempt does not count.
  virtual void give_back(TaskRef task, std::optional<milliseconds> delay, Callback callback) = 0;
  /// The lease now ends `lease` from now; none: as long as it was first given.
  virtual void touch(TaskRef task, std::optional<milliseconds> lease, Callback callback) = 0;

  /// A dead or delayed task becomes ready; a dead one counts its attempts anew.
  virtual void kick(std::string id, Callback callback) = 0;
  /// Up to `limit` dead tasks of the queue become ready, the oldest first. Answers how many.
  virtual void kick_queue(std::string queue, std::size_t limit, CountCallback callback) = 0;
  /// In whatever state it is.
  virtual void erase(std::string id, Callback callback) = 0;

  virtual void peek(std::string id, TaskCallback callback) = 0;
  /// What the next consumer of the queue would get; not_found when nothing is ready.
  virtual void peek_next(std::string queue, TaskCallback callback) = 0;
  virtual void list(ListRequest request, PageCallback callback) = 0;
  [[nodiscard]] virtual TaskStats stats() const = 0;
  /// For people: what is wrong with the store; empty when all is well.
  [[nodiscard]] virtual std::string trouble() const = 0;

  /// A paused queue takes tasks in and hands none out. Survives a restart.
  virtual void pause(std::string queue, Callback callback) = 0;
  virtual void resume(std::string queue, Callback callback) = 0;

  /// Answers when the task is done, at once when it was done within result_ttl. not_found when
  /// there is neither such a task nor such a result, or the task is deleted or expires meanwhile;
  /// dead when it is or becomes dead. release(holder) forgets the request.
  virtual void await_result(std::string id, milliseconds wait, Holder holder,
                            ResultCallback callback) = 0;

  /// New limits and defaults after a reload; `path` and `sync` stay as they were.
  virtual void apply(const TaskServiceSettings& settings) = 0;
  /// For `subscribe`; an empty function ends it.
  virtual void set_observer(std::function<void(const TaskEvent&)> observer) = 0;

 protected:
  TaskService() = default;
};

}  // namespace netd::tasks
