// How tasks reach consumers, and the end of their time.
#include <sched.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <iterator>
#include <system_error>

#include "daemon/base/log.h"
#include "daemon/base/message_ids.h"
#include "daemon/base/text.h"
#include "daemon/event/dispatcher.h"
#include "daemon/tasks/durable_task_service.h"
#include "daemon/tasks/journal_store.h"

namespace netd::tasks {

namespace {

/// SyncMode::off: so many changes go to the disk before sync_interval is over.
constexpr std::size_t kMaxBehind = 100'000;
/// What one wake-up handles before the loop gets its turn.
constexpr int kMaxDue = 1000;
/// Where fewer waited for a commit, the next waits for nobody.
constexpr std::size_t kManyWaiters = 8;
/// Of the clients that have got an answer, one in so many may be slow to speak again.
constexpr std::size_t kStragglers = 32;
/// The wall clock may jump: what waits for a time of it is looked at this often.
constexpr milliseconds kWallCheck{60'000};

}  // namespace

Result<std::unique_ptr<TaskService>> TaskService::create(Dispatcher& dispatcher,
                                                         TaskServiceSettings settings) {
  const bool durable = settings.sync == SyncMode::always;
  auto store = JournalStore::open(
      {.database = {.folder = settings.path,
                    .durability = durable ? SqliteStore::Durability::power_loss
                                          : SqliteStore::Durability::process,
                    .result_limit = static_cast<std::int64_t>(settings.result_limit)}});
  if (!store) return std::unexpected(store.error());
  const Duration interval =
      settings.sync == SyncMode::batch ? Duration(settings.sync_interval) : Duration::zero();
  std::random_device entropy;
  const std::uint64_t seed = (std::uint64_t{entropy()} << 32) | entropy();
  auto service = std::make_unique<DurableTaskService>(dispatcher, std::move(settings), seed);
  if (auto loaded = service->load(**store); !loaded) return std::unexpected(loaded.error());
  try {
    service->start(std::make_unique<StorageThread>(dispatcher, std::move(*store), interval));
  } catch (const std::system_error& failed) {
    return fail_system("start the thread of the task store", failed.code().value());
  }
  return std::unique_ptr<TaskService>(std::move(service));
}

// Handing out.

/// Gives ready tasks to parked consumers, the one who waited longest first.
void DurableTaskService::serve(QueueIndex queue) {
  while (consumers_.has(queue)) {
    const Slot slot = set_.next_ready(queue);
    if (slot == kNoSlot) break;
    auto guest = consumers_.take_first(queue);
    set_.remove_waiting(queue);
    hand_out(slot, std::move(guest->payload));
  }
  schedule();
}

void DurableTaskService::hand_out(Slot slot, Consumer consumer) {
  if (!set_.at(slot).data_in_memory) {
    fetch(slot, [this, slot, consumer = std::move(consumer)](TaskResult<std::string> data) mutable {
      set_.let_go(slot);
      hand_out_fetched(slot, std::move(consumer), std::move(data));
      // Those who came for the task in between had to stand behind this consumer.
      if (!set_.at(slot).held) call_waiting(slot);
    });
    return;
  }
  std::string data(set_.at(slot).data());
  consumer.request.lease ? hand_out_leased(slot, consumer, std::move(data))
                         : hand_out_for_good(slot, std::move(consumer), std::move(data));
}

void DurableTaskService::hand_out_fetched(Slot slot, Consumer consumer,
                                          TaskResult<std::string> data) {
  if (!data) {
    if (present(consumer)) consumer.callback(std::unexpected(data.error()));
  } else if (!present(consumer)) {
    serve(set_.at(slot).queue);
  } else if (consumer.request.lease) {
    hand_out_leased(slot, consumer, std::move(*data));
  } else {
    hand_out_for_good(slot, std::move(consumer), std::move(*data));
  }
}

/// Whether there is still somebody to hand a task to.
bool DurableTaskService::present(const Consumer& consumer) const {
  return consumer.request.holder == 0 || holders_.contains(consumer.request.holder);
}

void DurableTaskService::hand_out_leased(Slot slot, Consumer& consumer, std::string data) {
  const TakeRequest& request = consumer.request;
  const std::uint64_t seq = set_.at(slot).seq;
  const std::uint32_t attempt = set_.at(slot).attempt + 1;
  set_.set_attempt(slot, attempt);
  const Monotonic since = now();
  set_.make_leased(slot, since + *request.lease,
                   {since, *request.lease, request.holder, request.bind});
  young_leases_.push_back({since, slot, seq});
  if (!attempts_.armed()) attempts_.arm(kYoungLease);
  ++counters_.taken;
  notify("taken", slot);
  schedule();
  if (consumer.callback(snapshot(slot, std::move(data)))) return;
  // The callback may have called for anything: is it still this lease?
  if (!set_.lives(slot, seq) || set_.at(slot).held || set_.at(slot).attempt != attempt ||
      set_.at(slot).state != TaskState::leased) {
    return;
  }
  set_.set_attempt(slot, attempt - 1);
  set_.make_ready(slot);
  --counters_.taken;
  serve(set_.at(slot).queue);
}

/// Writes down the attempts of the leases given until then. Those that end before their time has
/// come, which is most where tasks are short, cost the disk nothing.
void DurableTaskService::write_attempts(Monotonic until) {
  while (!young_leases_.empty() && young_leases_.front().since <= until) {
    const YoungLease lease = young_leases_.front();
    young_leases_.pop_front();
    if (!set_.lives(lease.slot, lease.seq)) continue;
    const Lease* current = set_.lease_of(lease.slot);
    if (current != nullptr && current->since == lease.since) mark_dirty(lease.slot);
  }
  if (!young_leases_.empty()) attempts_.arm_at(young_leases_.front().since + kYoungLease);
}

/// The row goes first, and the answer follows when it is gone: what was answered never comes again.
void DurableTaskService::hand_out_for_good(Slot slot, Consumer consumer, std::string data) {
  set_.hold(slot);
  forget_result(slot);
  write(StoreOp::Kind::erase, slot, record_of(slot),
        [this, slot, consumer = std::move(consumer),
         data = std::move(data)](const StoreError* error) mutable {
          if (error != nullptr) {
            let_go(slot);
            if (present(consumer)) consumer.callback(std::unexpected(unavailable(*error)));
            return;
          }
          set_.set_on_disk(slot, false);
          // From here on memory may be the only place that has it.
          set_.keep_data(slot, data);
          if (!present(consumer)) return put_back(slot);
          set_.set_attempt(slot, set_.at(slot).attempt + 1);
          if (!consumer.callback(snapshot(slot, std::move(data)))) {
            set_.set_attempt(slot, set_.at(slot).attempt - 1);
            return put_back(slot);
          }
          ++counters_.taken;
          notify("taken", slot);
          const std::uint64_t seq = set_.at(slot).seq;
          free_task(slot);
          answer_result(seq, std::optional<std::string>("null"));
        });
}

/// Nobody was there to take a task that has left the disk already.
void DurableTaskService::put_back(Slot slot) {
  mark_dirty(slot);
  const QueueIndex queue = set_.at(slot).queue;
  let_go(slot);
  serve(queue);
}

/// A lease is over without a word from the consumer.
void DurableTaskService::return_task(Slot slot) {
  ++counters_.returned;
  notify("returned", slot);
  const QueueIndex queue = set_.at(slot).queue;
  Next next;
  next.attempt = set_.at(slot).attempt;
  const std::uint32_t max_attempts = set_.at(slot).max_attempts;
  if (max_attempts != 0 && next.attempt >= max_attempts) next.state = TaskState::dead;
  become(slot, next);
  mark_dirty(slot);
  serve(queue);
}

void DurableTaskService::become(Slot slot, const Next& next) {
  set_.set_attempt(slot, next.attempt);
  switch (next.state) {
    case TaskState::delayed:
      set_.make_delayed(slot, now() + next.delay);
      break;
    case TaskState::dead:
      set_.make_dead(slot);
      bury(slot);
      break;
    case TaskState::ready:
    case TaskState::leased:
      set_.make_ready(slot);
      break;
  }
}

/// Tells everybody that a task is dead.
void DurableTaskService::bury(Slot slot) {
  ++counters_.died;
  notify("dead", slot);
  const Entry& task = set_.at(slot);
  LogEntry(LogLevel::warning, "task_dead")
      .message_id(message_id::kTaskDead)
      .task(bare_id(task.id()))
      .queue(set_.queue_name(task.queue))
      .send("task " + printable(task.id(), kLoggedName) + " of the queue \"" +
            printable(set_.queue_name(task.queue), kLoggedName) + "\" is dead after " +
            std::to_string(task.attempt) + (task.attempt == 1 ? " attempt" : " attempts"));
  answer_result(task.seq, task_fail(TaskErrorCode::dead, "the task has failed for good"));
}

/// Of a held task. Those who waited for it find it gone.
void DurableTaskService::free_task(Slot slot) {
  set_.remove(slot);
  call_waiting(slot);
}

/// Doubles with each attempt up to retry_delay_max. The jitter, up to a quarter, keeps what failed
/// together from coming back together, and is too small to make a delay shorter than the one
/// before.
milliseconds DurableTaskService::retry_delay(std::uint32_t attempt) {
  milliseconds delay = settings_.retry_delay;
  for (std::uint32_t i = 1; i < attempt && delay < settings_.retry_delay_max; ++i) delay *= 2;
  if (delay > milliseconds(0)) {
    delay += milliseconds(
        static_cast<std::int64_t>(random_() % (static_cast<std::uint64_t>(delay.count()) / 4 + 1)));
  }
  return std::min({delay, settings_.retry_delay_max, kMaxDuration});
}

// Held tasks.

bool DurableTaskService::wait_if_held(Slot slot, std::function<void()> again) {
  if (!set_.at(slot).held) return false;
  held_waiters_[slot].push_back(std::move(again));
  return true;
}

void DurableTaskService::let_go(Slot slot) {
  set_.let_go(slot);
  call_waiting(slot);
  schedule();
}

void DurableTaskService::call_waiting(Slot slot) {
  const auto found = held_waiters_.find(slot);
  if (found == held_waiters_.end()) return;
  const auto waiting = std::move(found->second);
  held_waiters_.erase(found);
  for (const auto& again : waiting) again();
}

// Time.

Monotonic DurableTaskService::now() const { return dispatcher_.clock().now(); }

std::int64_t DurableTaskService::wall_ms() const {
  return std::chrono::duration_cast<milliseconds>(dispatcher_.clock().wall().time_since_epoch())
      .count();
}

/// All that one turn of the loop brings goes to the disk together; where many wait, what some turns
/// bring.
void DurableTaskService::schedule() {
  if (!turn_.armed()) turn_.arm(Duration::zero());
}

void DurableTaskService::end_of_turn() {
  arm_wakeup();
  if (write_behind_) {
    const std::size_t behind = dirty_.size() + erased_.size() + batch_.ops.size();
    if (behind > 0 && !behind_.armed()) behind_.arm(settings_.sync_interval);
    if (batch_.waiters.empty() && behind < kMaxBehind) return;
  } else if (more_may_join()) {
    return schedule();
  }
  // While the disk refuses, what nobody waits for is left to the probe.
  if (!available_ && batch_.ops.empty()) return;
  flush();
}

/// Whether the batch should wait for another turn of the loop. A commit takes as much of the
/// processor as the requests of some clients: where many waited for the last one, the next waits
/// for as many, because who has got an answer is about to speak again.
bool DurableTaskService::more_may_join() {
  const std::size_t before = std::exchange(batch_waiters_, batch_.waiters.size());
  if (batch_waiters_ == 0) return false;
  if (before == 0) batch_since_ = now();
  const std::size_t expected = last_waiters_ - last_waiters_ / kStragglers;
  if (last_waiters_ >= kManyWaiters && batch_waiters_ < expected &&
      now() < batch_since_ + settings_.gather) {
    // Clients on this processor cannot speak before it is left to them.
    if (batch_waiters_ == before) ::sched_yield();
    return true;
  }
  last_waiters_ = std::exchange(batch_waiters_, 0);
  return false;
}

void DurableTaskService::arm_wakeup() {
  Monotonic next = Monotonic::max();
  for (const auto& one :
       {set_.next_deadline(), consumers_.next_deadline(), result_waiters_.next_deadline()}) {
    if (one) next = std::min(next, *one);
  }
  if (const auto expiry = set_.next_expiry()) {
    const milliseconds left(std::max<std::int64_t>(*expiry - wall_ms(), 0));
    next = std::min(next, now() + std::min(left, kWallCheck));
  }
  if (next == Monotonic::max()) {
    wakeup_.cancel();
  } else {
    wakeup_.arm_at(next);
  }
}

void DurableTaskService::wake_up() {
  const Monotonic time = now();
  int left = kMaxDue;
  while (left-- > 0) {
    if (const Slot slot = set_.next_due(time); slot != kNoSlot) {
      if (set_.at(slot).state == TaskState::leased) {
        return_task(slot);
      } else {
        const QueueIndex queue = set_.at(slot).queue;
        set_.make_ready(slot);
        serve(queue);
      }
    } else if (!expire_some()) {
      break;
    }
  }
  // What is ready now goes to those whose wait ends now.
  while (left-- > 0) {
    if (auto consumer = consumers_.take_due(time)) {
      set_.remove_waiting(static_cast<QueueIndex>(consumer->key));
      consumer->payload.callback(std::nullopt);
    } else if (auto waiter = result_waiters_.take_due(time)) {
      waiter->payload(std::nullopt);
    } else {
      break;
    }
  }
  schedule();
}

/// Drops one task whose time to live is over, if there is one.
bool DurableTaskService::expire_some() {
  const Slot slot = set_.next_expired(wall_ms());
  if (slot == kNoSlot) return false;
  ++counters_.expired;
  notify("expired", slot);
  const std::uint64_t seq = set_.at(slot).seq;
  if (set_.at(slot).on_disk) erased_.push_back(seq);
  set_.hold(slot);
  free_task(slot);
  answer_result(seq, task_fail(TaskErrorCode::not_found, "the task has expired"));
  return true;
}

Task DurableTaskService::snapshot(Slot slot, std::string data) const {
  const Entry& entry = set_.at(slot);
  Task task;
  task.id = entry.id();
  task.data = std::move(data);
  task.data_size = entry.data_size;
  task.queue = set_.queue_name(entry.queue);
  task.priority = entry.priority;
  task.attempt = entry.attempt;
  task.max_attempts = entry.max_attempts;
  task.created = WallTime(milliseconds(entry.created));
  task.state = entry.state;
  if (entry.state == TaskState::delayed || entry.state == TaskState::leased) {
    task.due_in =
        std::max(std::chrono::ceil<milliseconds>(entry.deadline - now()), milliseconds(0));
  }
  if (entry.expires != 0) task.expires = WallTime(milliseconds(entry.expires));
  return task;
}

void DurableTaskService::notify(std::string_view what, Slot slot) const {
  if (!observer_) return;
  const Entry& task = set_.at(slot);
  observer_({what, task.id(), set_.queue_name(task.queue), task.attempt});
}

}  // namespace netd::tasks
