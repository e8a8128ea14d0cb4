// What goes to the disk and comes from it, and what happens when it refuses.
#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/base/message_ids.h"
#include "daemon/base/text.h"
#include "daemon/event/dispatcher.h"
#include "daemon/tasks/durable_task_service.h"

namespace netd::tasks {

namespace {

constexpr milliseconds kProbeInterval{1000};
constexpr std::int64_t kSweepInterval = 60'000;  // ms
constexpr std::size_t kKeptOps = 256;

}  // namespace

void own_texts(StoreOp& op) {
  Record& record = op.record;
  const std::size_t size = record.id.size() + record.queue.size() + record.data.size();
  op.owned = std::make_unique_for_overwrite<char[]>(size);
  char* to = op.owned.get();
  for (std::string_view* text : {&record.id, &record.queue, &record.data}) {
    if (!text->empty()) std::memcpy(to, text->data(), text->size());
    *text = {to, text->size()};
    to += text->size();
  }
}

void DurableTaskService::fetch(Slot slot, std::function<void(TaskResult<std::string>)> then) {
  set_.hold(slot);
  StoreOp op{.kind = StoreOp::Kind::read};
  op.record.seq = set_.at(slot).seq;
  submit(std::move(op),
         [this, slot, then = std::move(then)](const StoreError* error, StoreOp& read) {
           if (error != nullptr) return then(std::unexpected(unavailable(*error)));
           if (read.found) return then(std::move(read.text));
           found_damage(slot);
           then(task_fail(TaskErrorCode::unavailable,
                          "the stored data of the task is damaged; it is dead now"));
         });
}

/// The row of a held task is not what was written. It stays, for whoever repairs things.
void DurableTaskService::found_damage(Slot slot) {
  const Entry& task = set_.at(slot);
  LogEntry(LogLevel::error, "store_damaged")
      .message_id(message_id::kStoreDamaged)
      .task(bare_id(task.id()))
      .queue(set_.queue_name(task.queue))
      .send("tasks store " + settings_.path + ": the data of task " +
            printable(task.id(), kLoggedName) + " is damaged");
  become(slot, {.state = TaskState::dead, .attempt = task.attempt});
}

Record DurableTaskService::record_of(Slot slot) const {
  const Entry& task = set_.at(slot);
  Record record;
  record.seq = task.seq;
  record.id = task.id();
  record.queue = set_.queue_name(task.queue);
  record.data = task.data();
  record.priority = task.priority;
  record.attempt = task.attempt;
  record.max_attempts = task.max_attempts;
  record.dead = task.state == TaskState::dead;
  record.created = task.created;
  record.expires = task.expires;
  if (task.state == TaskState::delayed) {
    const auto left = std::chrono::duration_cast<milliseconds>(task.deadline - now());
    record.ready_at = std::max<std::int64_t>(wall_ms() + left.count(), 1);
  }
  return record;
}

Record DurableTaskService::record_of(Slot slot, const Next& next) const {
  Record record = record_of(slot);
  record.attempt = next.attempt;
  record.dead = next.state == TaskState::dead;
  record.ready_at = next.state == TaskState::delayed ? wall_ms() + next.delay.count() : 0;
  return record;
}

void DurableTaskService::write_behind(StoreOp::Kind kind, Slot slot) {
  if (kind != StoreOp::Kind::erase) return mark_dirty(slot);
  if (set_.at(slot).on_disk) erased_.push_back(set_.at(slot).seq);
  schedule();
}

void DurableTaskService::submit(StoreOp op, Batch::Completion completion) {
  batch_grows_ = batch_grows_ || grows(op.kind);
  batch_bytes_ += Batch::bytes_of(op);
  batch_.add(std::move(op), std::move(completion));
  schedule();
}

/// The row is brought up to date with the next commit; nobody waits for it.
void DurableTaskService::mark_dirty(Slot slot) {
  if (set_.at(slot).dirty) return;
  set_.set_dirty(slot, true);
  dirty_.push_back({slot, set_.at(slot).seq});
  schedule();
}

/// Adds what is dirty, ahead of the changes that somebody waits for: those are newer. Returns it.
/// `all` becomes false where a batch does not hold it all.
std::vector<DurableTaskService::Dirty> DurableTaskService::add_dirty(Batch& batch, bool& all) {
  for (const std::uint64_t seq : erased_) {
    StoreOp op{.kind = StoreOp::Kind::erase};
    op.record.seq = seq;
    batch.ops.push_back(std::move(op));
  }
  std::vector<Dirty> added;
  std::vector<Dirty> left;
  std::size_t bytes = 0;
  for (Dirty& one : std::exchange(dirty_, {})) {
    if (!set_.lives(one.slot, one.seq)) continue;
    all = all && bytes < Batch::kMaxBytes;
    if (set_.at(one.slot).held || bytes >= Batch::kMaxBytes) {
      // A change of one that is held is on its way, and what it is now would be written over that.
      left.push_back(one);
      continue;
    }
    one.fresh = !set_.at(one.slot).on_disk;
    StoreOp op{.kind = one.fresh ? StoreOp::Kind::put : StoreOp::Kind::update};
    op.record = record_of(one.slot);
    // The task may change or go while the thread writes it.
    if (one.fresh) {
      own_texts(op);
      bytes += Batch::bytes_of(op);
    } else {
      op.record.id = op.record.queue = op.record.data = {};
    }
    batch.ops.push_back(std::move(op));
    set_.set_dirty(one.slot, false);
    set_.set_on_disk(one.slot, true);
    added.push_back(one);
  }
  dirty_ = std::move(left);  // let_go() or the outcome sees to the next flush
  return added;
}

/// Results that nobody fetched in time go, a bounded number at a time.
void DurableTaskService::sweep_results(Batch& batch) {
  const std::int64_t wall = wall_ms();
  if (!available_ || wall < results_swept_ + kSweepInterval) return;
  results_swept_ = wall;
  StoreOp sweep{.kind = StoreOp::Kind::erase_results};
  sweep.record.expires = wall;
  batch.add(std::move(sweep), [this](const StoreError* error, StoreOp& op) {
    if (error != nullptr || !op.found) return;
    results_swept_ = 0;
    schedule();
  });
}

void DurableTaskService::probe() {
  probe_due_ = true;
  flush();
}

void DurableTaskService::flush_if_large() {
  if (batch_bytes_ >= Batch::kMaxBytes) flush();
}

void DurableTaskService::flush() {
  Batch batch;
  bool all = true;
  std::vector<Dirty> dirty = add_dirty(batch, all);
  sweep_results(batch);
  if (std::exchange(probe_due_, false)) batch.add({.kind = StoreOp::Kind::probe}, nullptr);
  const std::size_t ahead = batch.ops.size();
  if (ahead == 0 && batch_.ops.empty()) return;
  const bool grew = batch_grows_ || std::ranges::any_of(batch.ops, grows, &StoreOp::kind);
  batch.append(std::exchange(batch_, {}));
  batch.on_outcome = [this, grew, all, dirty = std::move(dirty),
                      erased = std::exchange(erased_, {})](const Outcome& outcome) {
    if (outcome.others) restore_erased(erased);
    for (const Dirty& one : dirty) {
      outcome.of(one.fresh) == nullptr ? settle(one) : restore_dirty(one);
    }
    on_outcome(outcome, grew);
    if (available_ && !all) flush();
  };
  if (!batch.waiters.empty()) dispatcher_.expect_soon();
  // The next will be about as large.
  batch_.ops.reserve(std::min(batch.ops.size(), kKeptOps));
  batch_.waiters.reserve(std::min(batch.waiters.size(), kKeptOps));
  batch_bytes_ = 0;
  batch_grows_ = false;
  behind_.cancel();
  committer_->submit(std::move(batch));
}

void DurableTaskService::on_outcome(const Outcome& outcome, bool grew) {
  if (outcome.growing || outcome.others) {
    probe_.arm(kProbeInterval);
    available_ = false;
    return tell_trouble(outcome.growing ? *outcome.growing : *outcome.others);
  }
  if (!grew || available_) return;
  available_ = true;
  probe_.cancel();
  if (trouble_.ends()) {
    LogEntry(LogLevel::info, "store_available")
        .send("tasks store " + settings_.path + ": the disk takes tasks again");
  }
  // Consumers that were refused left their tasks to those who are still parked.
  for (const QueueStats& queue : set_.queue_stats()) {
    if (const QueueIndex index = set_.find_queue(queue.name); index != kNoQueue) serve(index);
  }
}

void DurableTaskService::tell_trouble(const StoreError& error) {
  const bool damaged = error.kind == StoreError::Kind::damaged;
  const std::string what =
      error.what + (error.kind == StoreError::Kind::full
                        ? "; new tasks are refused until there is room"
                        : "; tasks are refused until the disk takes them again");
  if (!trouble_.begins(damaged ? "damaged" : "refused", what, now())) return;
  LogEntry(LogLevel::error, damaged ? "store_damaged" : "store_unavailable")
      .message_id(damaged ? message_id::kStoreDamaged : message_id::kStoreUnavailable)
      .send("tasks store " + settings_.path + ": " + what);
}

void DurableTaskService::restore_erased(const std::vector<std::uint64_t>& erased) {
  for (const std::uint64_t seq : erased) {
    // What was put back meanwhile must not be erased behind its back.
    if (set_.find_seq(seq) == kNoSlot) erased_.push_back(seq);
  }
}

void DurableTaskService::restore_dirty(const Dirty& dirty) {
  if (!set_.lives(dirty.slot, dirty.seq)) return;  // its erasure is on its way
  if (dirty.fresh) set_.set_on_disk(dirty.slot, false);
  mark_dirty(dirty.slot);
}

void DurableTaskService::settle(const Dirty& dirty) {
  if (set_.lives(dirty.slot, dirty.seq) && !set_.at(dirty.slot).dirty) {
    drop_data_if_short(dirty.slot);
  }
}

/// Leaves the data to the disk when memory gets short. The index has the last quarter for itself.
void DurableTaskService::drop_data_if_short(Slot slot) {
  if (!set_.at(slot).on_disk || set_.memory() <= settings_.memory_limit / 4 * 3) return;
  set_.drop_data(slot);
}

TaskError DurableTaskService::unavailable(const StoreError& error) const {
  return {TaskErrorCode::unavailable, "the task store refuses: " + error.what};
}

}  // namespace netd::tasks
