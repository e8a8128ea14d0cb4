// The task queue's service: decides what happens to a task, writes it down, and answers.
//
// Every change follows one pattern: the task is held, the change goes to the disk, and when that
// has it the task takes its new state and the answer is given; when the disk refuses, the task is
// let go as it was. Whoever comes for a held task waits for the outcome and then tries anew.
//
// Changes that nobody waits for (a lease that ran out, a task that expired) are made in memory at
// once and marked dirty: they go with the next commit, and again with each until one succeeds. With
// SyncMode::off all changes are made like that.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "daemon/base/trouble.h"
#include "daemon/event/timer.h"
#include "daemon/tasks/group_commit.h"
#include "daemon/tasks/id_filter.h"
#include "daemon/tasks/queue_set.h"
#include "daemon/tasks/task_service.h"
#include "daemon/tasks/waiting_room.h"

namespace netd::tasks {

/// Copies the texts of the record into the operation.
void own_texts(StoreOp& op);

class DurableTaskService final : public TaskService {
 public:
  /// `seed` decides about made-up ids and the jitter of retries.
  DurableTaskService(Dispatcher& dispatcher, TaskServiceSettings settings, std::uint64_t seed);
  ~DurableTaskService() override;

  /// Takes over what the store has. Before start().
  [[nodiscard]] Result<void> load(Store& store);
  /// From now on changes go to `committer`.
  void start(std::unique_ptr<Committer> committer);

  void produce(NewTask task, ProduceCallback callback) override;
  void take(TakeRequest request, TakeCallback callback) override;
  [[nodiscard]] Holder new_holder() override;
  void release(Holder holder) override;
  void done(TaskRef task, std::string result, Callback callback) override;
  void fail(TaskRef task, std::optional<milliseconds> delay, Callback callback) override;
  void give_back(TaskRef task, std::optional<milliseconds> delay, Callback callback) override;
  void touch(TaskRef task, std::optional<milliseconds> lease, Callback callback) override;
  void kick(std::string id, Callback callback) override;
  void kick_queue(std::string queue, std::size_t limit, CountCallback callback) override;
  void erase(std::string id, Callback callback) override;
  void peek(std::string id, TaskCallback callback) override;
  void peek_next(std::string queue, TaskCallback callback) override;
  void list(ListRequest request, PageCallback callback) override;
  [[nodiscard]] TaskStats stats() const override;
  [[nodiscard]] std::string trouble() const override;
  void pause(std::string queue, Callback callback) override;
  void resume(std::string queue, Callback callback) override;
  void await_result(std::string id, milliseconds wait, Holder holder,
                    ResultCallback callback) override;
  void apply(const TaskServiceSettings& settings) override;
  void set_observer(std::function<void(const TaskEvent&)> observer) override;

 private:
  /// Leases that last longer are written down, so that their attempts count whatever becomes of
  /// netd.
  static constexpr milliseconds kYoungLease{20};
  static constexpr std::size_t kLoggedName = 120;  // bytes of an id or a queue's name in the log
  struct Consumer {
    TakeRequest request;
    TakeCallback callback;
  };
  /// What a task becomes when a change of it is durable.
  struct Next {
    TaskState state = TaskState::ready;  // ready, delayed or dead
    milliseconds delay{0};
    std::uint32_t attempt = 0;
  };

  struct Dirty {
    Slot slot;
    std::uint64_t seq;
    bool fresh = false;  // the disk has no row of it
  };
  /// An attempt that the disk does not know of.
  struct YoungLease {
    Monotonic since;  // Lease::since. The attempt would not tell it from one that was given back.
    Slot slot;
    std::uint64_t seq;
  };

  // Requests.
  [[nodiscard]] std::optional<TaskError> check(const NewTask& task) const;
  [[nodiscard]] std::optional<TaskError> check_room(const NewTask& task) const;
  void produce_again(Slot slot, NewTask task, ProduceCallback callback);
  void compare(Slot slot, const NewTask& task, std::string_view data,
               const ProduceCallback& callback);
  [[nodiscard]] TaskResult<Slot> find_task(const std::string& id) const;
  [[nodiscard]] TaskResult<Slot> find_leased(const TaskRef& ref) const;
  void finish_attempt(Slot slot, const Next& next, std::string_view what, Callback callback);
  void set_pause(std::string queue, bool paused, Callback callback);
  void read_result(std::string id, ResultCallback callback);
  void keep_result(Slot slot, std::string text);
  void forget_result(Slot slot);

  // Handing out.
  void serve(QueueIndex queue);
  void hand_out(Slot slot, Consumer consumer);
  void hand_out_fetched(Slot slot, Consumer consumer, TaskResult<std::string> data);
  void hand_out_leased(Slot slot, Consumer& consumer, std::string data);
  void write_attempts(Monotonic until);
  void hand_out_for_good(Slot slot, Consumer consumer, std::string data);
  void put_back(Slot slot);
  [[nodiscard]] bool present(const Consumer& consumer) const;
  void return_task(Slot slot);
  void become(Slot slot, const Next& next);
  void bury(Slot slot);
  void free_task(Slot slot);
  [[nodiscard]] milliseconds retry_delay(std::uint32_t attempt);

  // Held tasks.
  /// Runs `again` when the task is held no longer. False when it is not held.
  bool wait_if_held(Slot slot, std::function<void()> again);
  void let_go(Slot slot);
  void call_waiting(Slot slot);
  /// Holds the task while its data is read.
  void fetch(Slot slot, std::function<void(TaskResult<std::string>)> then);
  void found_damage(Slot slot);

  // The disk.
  [[nodiscard]] Record record_of(Slot slot) const;
  [[nodiscard]] Record record_of(Slot slot, const Next& next) const;
  /// A change of a held task. `then(const StoreError* error)` runs when it is durable or refused;
  /// with SyncMode::off at once, and so needs no memory of its own.
  template <class Continuation>
  void write(StoreOp::Kind kind, Slot slot, const Record& record, Continuation then) {
    if (!write_behind_) return write_through(kind, slot, record, std::move(then));
    write_behind(kind, slot);
    then(nullptr);
  }
  void write_behind(StoreOp::Kind kind, Slot slot);
  template <class Continuation>
  void write_through(StoreOp::Kind kind, Slot slot, const Record& record, Continuation then) {
    StoreOp op{.kind = kind};
    op.record = record;
    submit(std::move(op),
           [this, kind, slot, then = std::move(then)](const StoreError* error, StoreOp&) mutable {
             if (error == nullptr && kind == StoreOp::Kind::put) set_.set_on_disk(slot, true);
             then(error);
           });
  }
  void submit(StoreOp op, Batch::Completion completion);
  void mark_dirty(Slot slot);
  [[nodiscard]] std::vector<Dirty> add_dirty(Batch& batch, bool& all);
  void flush();
  void flush_if_large();
  void on_outcome(const Outcome& outcome, bool grew);
  void tell_trouble(const StoreError& error);
  void restore_erased(const std::vector<std::uint64_t>& erased);
  void restore_dirty(const Dirty& dirty);
  void settle(const Dirty& dirty);
  void probe();
  void sweep_results(Batch& batch);
  void drop_data_if_short(Slot slot);

  // Time.
  void end_of_turn();
  [[nodiscard]] bool more_may_join();
  void schedule();
  void arm_wakeup();
  void wake_up();
  bool expire_some();
  [[nodiscard]] Monotonic now() const;
  [[nodiscard]] std::int64_t wall_ms() const;

  [[nodiscard]] Task snapshot(Slot slot, std::string data) const;
  [[nodiscard]] TaskError unavailable(const StoreError& error) const;
  void notify(std::string_view what, Slot slot) const;
  void answer_result(std::uint64_t seq, const TaskResult<std::optional<std::string>>& result);
  [[nodiscard]] std::string make_id();

  Dispatcher& dispatcher_;
  TaskServiceSettings settings_;
  const bool write_behind_;
  std::mt19937_64 random_;
  std::function<void(const TaskEvent&)> observer_;

  QueueSet set_;
  std::uint64_t last_seq_ = 0;
  WaitingRoom<Consumer> consumers_;             // by queue
  WaitingRoom<ResultCallback> result_waiters_;  // by seq
  Holder last_holder_ = 0;
  std::unordered_set<Holder> holders_;
  std::unordered_map<Slot, std::vector<std::function<void()>>> held_waiters_;
  IdFilter results_;    // the ids that may have a result on the disk
  TaskStats counters_;  // its counters only

  Batch batch_;  // what this turn brought
  std::size_t batch_bytes_ = 0;
  bool batch_grows_ = false;
  std::size_t batch_waiters_ = 0;  // that it had when the last turn ended
  std::size_t last_waiters_ = 0;   // of the batch before
  Monotonic batch_since_;
  std::vector<Dirty> dirty_;
  std::vector<std::uint64_t> erased_;    // seqs of rows without a task
  std::deque<YoungLease> young_leases_;  // the oldest first
  bool available_ = true;                // whether the disk took the last change that grows
  Trouble trouble_;
  bool probe_due_ = false;
  std::int64_t results_swept_ = 0;  // CLOCK_REALTIME, ms

  Timer turn_;                            // the end of this turn of the loop
  Timer behind_;                          // SyncMode::off: when what is dirty goes to the disk
  Timer wakeup_;                          // the next delay, lease, wait or time to live to end
  Timer probe_;                           // while the disk refuses
  Timer attempts_;                        // when the oldest of young_leases_ is to be written down
  std::unique_ptr<Committer> committer_;  // goes first: it has completions that point here
};

}  // namespace netd::tasks
