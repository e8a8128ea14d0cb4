// Requests that change tasks and queues: done, fail, kick and the others.
#include <algorithm>

#include "daemon/tasks/durable_task_service.h"
#include "daemon/tasks/task_checks.h"

namespace netd::tasks {

namespace {

constexpr std::size_t kMaxKick = 100'000;

}  // namespace

// The end of an attempt.

TaskResult<Slot> DurableTaskService::find_task(const std::string& id) const {
  const Slot slot = set_.find(id);
  if (slot == kNoSlot) {
    return task_fail(TaskErrorCode::not_found, "there is no task with the id " + id);
  }
  return slot;
}

TaskResult<Slot> DurableTaskService::find_leased(const TaskRef& ref) const {
  const auto slot = find_task(ref.id);
  if (!slot) return slot;
  const Entry& task = set_.at(*slot);
  if (task.state != TaskState::leased || (ref.attempt && *ref.attempt != task.attempt)) {
    return task_fail(TaskErrorCode::not_leased, "the task " + ref.id + " is not leased" +
                                                    (ref.attempt ? " by this attempt" : ""));
  }
  return slot;
}

void DurableTaskService::done(TaskRef ref, std::string result, Callback callback) {
  const Slot there = set_.find(ref.id);
  if (there != kNoSlot && set_.at(there).held) {
    wait_if_held(there, [this, ref = std::move(ref), result = std::move(result),
                         callback = std::move(callback)] { done(ref, result, callback); });
    return;
  }
  if (result.size() > settings_.max_data) {
    return callback(task_fail(TaskErrorCode::too_large, "the result is longer than max_data"));
  }
  const auto slot = find_leased(ref);
  if (!slot) return callback(std::unexpected(slot.error()));
  set_.hold(*slot);
  if (result.empty()) {
    forget_result(*slot);
  } else {
    keep_result(*slot, result);
  }
  write(StoreOp::Kind::erase, *slot, record_of(*slot),
        [this, slot = *slot, result = std::move(result),
         callback = std::move(callback)](const StoreError* error) {
          if (error != nullptr) {
            callback(std::unexpected(unavailable(*error)));
            return let_go(slot);
          }
          ++counters_.done;
          notify("done", slot);
          const std::uint64_t seq = set_.at(slot).seq;
          free_task(slot);
          callback({});
          answer_result(seq, std::optional(result.empty() ? std::string("null") : result));
        });
  flush_if_large();
}

/// Of a held task that is done.
void DurableTaskService::keep_result(Slot slot, std::string text) {
  StoreOp keep{.kind = StoreOp::Kind::put_result};
  keep.record.id = set_.at(slot).id();
  keep.record.expires = wall_ms() + settings_.result_ttl.count();
  keep.text = std::move(text);
  if (write_behind_) own_texts(keep);
  results_.add(set_.at(slot).id());
  submit(std::move(keep), nullptr);
}

/// Of a held task that is done and has no result: that of an older task with its id is not its own.
void DurableTaskService::forget_result(Slot slot) {
  if (!results_.may_have(set_.at(slot).id())) return;
  StoreOp none{.kind = StoreOp::Kind::put_result};
  none.record.id = set_.at(slot).id();
  none.record.expires = 1;  // long ago
  if (write_behind_) own_texts(none);
  submit(std::move(none), nullptr);
}

void DurableTaskService::fail(TaskRef ref, std::optional<milliseconds> delay, Callback callback) {
  if (delay && !is_duration(*delay)) return callback(std::unexpected(bad_duration("delay")));
  const Slot there = set_.find(ref.id);
  if (there != kNoSlot && set_.at(there).held) {
    wait_if_held(there, [this, ref = std::move(ref), delay, callback = std::move(callback)] {
      fail(ref, delay, callback);
    });
    return;
  }
  const auto slot = find_leased(ref);
  if (!slot) return callback(std::unexpected(slot.error()));
  const Entry& task = set_.at(*slot);
  Next next;
  next.attempt = task.attempt;
  next.delay = delay ? *delay : retry_delay(task.attempt);
  if (task.max_attempts != 0 && task.attempt >= task.max_attempts) {
    next.state = TaskState::dead;
  } else if (next.delay > milliseconds(0)) {
    next.state = TaskState::delayed;
  }
  finish_attempt(*slot, next, "failed", std::move(callback));
}

void DurableTaskService::give_back(TaskRef ref, std::optional<milliseconds> delay,
                                   Callback callback) {
  if (delay && !is_duration(*delay)) return callback(std::unexpected(bad_duration("delay")));
  const Slot there = set_.find(ref.id);
  if (there != kNoSlot && set_.at(there).held) {
    wait_if_held(there, [this, ref = std::move(ref), delay, callback = std::move(callback)] {
      give_back(ref, delay, callback);
    });
    return;
  }
  const auto slot = find_leased(ref);
  if (!slot) return callback(std::unexpected(slot.error()));
  Next next;
  next.attempt = set_.at(*slot).attempt - 1;
  next.delay = delay.value_or(milliseconds(0));
  if (next.delay > milliseconds(0)) next.state = TaskState::delayed;
  finish_attempt(*slot, next, "returned", std::move(callback));
}

/// Of a leased task that is not held.
void DurableTaskService::finish_attempt(Slot slot, const Next& next, std::string_view what,
                                        Callback callback) {
  set_.hold(slot);
  write(StoreOp::Kind::update, slot, record_of(slot, next),
        [this, slot, next, what, callback = std::move(callback)](const StoreError* error) {
          if (error != nullptr) {
            callback(std::unexpected(unavailable(*error)));
            return let_go(slot);
          }
          ++(what == "failed" ? counters_.failed : counters_.returned);
          notify(what, slot);
          const QueueIndex queue = set_.at(slot).queue;
          become(slot, next);
          let_go(slot);
          callback({});
          serve(queue);
        });
}

void DurableTaskService::touch(TaskRef ref, std::optional<milliseconds> lease, Callback callback) {
  if (lease && (!is_duration(*lease) || *lease == milliseconds(0))) {
    return callback(std::unexpected(bad_duration("lease")));
  }
  const Slot there = set_.find(ref.id);
  if (there != kNoSlot && set_.at(there).held) {
    wait_if_held(there, [this, ref = std::move(ref), lease, callback = std::move(callback)] {
      touch(ref, lease, callback);
    });
    return;
  }
  const auto slot = find_leased(ref);
  if (!slot) return callback(std::unexpected(slot.error()));
  set_.extend_lease(*slot, now() + lease.value_or(set_.lease_of(*slot)->length));
  schedule();
  callback({});
}

// Steering.

void DurableTaskService::kick(std::string id, Callback callback) {
  const auto slot = find_task(id);
  if (!slot) return callback(std::unexpected(slot.error()));
  if (set_.at(*slot).held) {
    wait_if_held(
        *slot, [this, id = std::move(id), callback = std::move(callback)] { kick(id, callback); });
    return;
  }
  const Entry& task = set_.at(*slot);
  if (task.state == TaskState::ready) return callback({});
  if (task.state == TaskState::leased) {
    return callback(task_fail(TaskErrorCode::leased, "a consumer holds the task " + id));
  }
  Next next;
  next.attempt = task.state == TaskState::dead ? 0 : task.attempt;
  set_.hold(*slot);
  write(StoreOp::Kind::update, *slot, record_of(*slot, next),
        [this, slot = *slot, next, callback = std::move(callback)](const StoreError* error) {
          if (error != nullptr) {
            callback(std::unexpected(unavailable(*error)));
            return let_go(slot);
          }
          notify("kicked", slot);
          const QueueIndex queue = set_.at(slot).queue;
          become(slot, next);
          let_go(slot);
          callback({});
          serve(queue);
        });
}

void DurableTaskService::kick_queue(std::string queue, std::size_t limit, CountCallback callback) {
  if (!is_queue_name(queue)) return callback(std::unexpected(bad_queue_name()));
  const QueueIndex index = set_.find_queue(queue);
  std::vector<Slot> slots;
  if (index != kNoQueue) slots = set_.first_dead(index, std::min(limit, kMaxKick));
  if (slots.empty()) return callback(std::size_t{0});
  // All of them are in one commit, so the outcome of the last is that of each.
  const Next next;
  for (const Slot slot : slots) set_.hold(slot);
  const Slot last = slots.back();
  for (const Slot slot : slots) {
    if (slot == last) continue;
    if (write_behind_) {
      write_behind(StoreOp::Kind::update, slot);
    } else {
      StoreOp op{.kind = StoreOp::Kind::update};
      op.record = record_of(slot, next);
      submit(std::move(op), nullptr);
    }
  }
  write(StoreOp::Kind::update, last, record_of(last, next),
        [this, index, slots = std::move(slots), next,
         callback = std::move(callback)](const StoreError* error) {
          for (const Slot slot : slots) {
            if (error == nullptr) {
              notify("kicked", slot);
              become(slot, next);
            }
            let_go(slot);
          }
          if (error != nullptr) return callback(std::unexpected(unavailable(*error)));
          callback(slots.size());
          serve(index);
        });
}

void DurableTaskService::erase(std::string id, Callback callback) {
  const auto slot = find_task(id);
  if (!slot) return callback(std::unexpected(slot.error()));
  if (set_.at(*slot).held) {
    wait_if_held(
        *slot, [this, id = std::move(id), callback = std::move(callback)] { erase(id, callback); });
    return;
  }
  set_.hold(*slot);
  write(StoreOp::Kind::erase, *slot, record_of(*slot),
        [this, slot = *slot, callback = std::move(callback)](const StoreError* error) {
          if (error != nullptr) {
            callback(std::unexpected(unavailable(*error)));
            return let_go(slot);
          }
          ++counters_.deleted;
          notify("deleted", slot);
          const std::uint64_t seq = set_.at(slot).seq;
          free_task(slot);
          callback({});
          answer_result(seq, task_fail(TaskErrorCode::not_found, "the task was deleted"));
        });
}

void DurableTaskService::pause(std::string queue, Callback callback) {
  set_pause(std::move(queue), true, std::move(callback));
}

void DurableTaskService::resume(std::string queue, Callback callback) {
  set_pause(std::move(queue), false, std::move(callback));
}

void DurableTaskService::set_pause(std::string queue, bool paused, Callback callback) {
  if (!is_queue_name(queue)) return callback(std::unexpected(bad_queue_name()));
  if (paused && set_.find_queue(queue) == kNoQueue && set_.queue_count() >= kMaxQueues) {
    return callback(task_fail(TaskErrorCode::queue_full, "there are too many queues"));
  }
  StoreOp op{.kind = paused ? StoreOp::Kind::pause : StoreOp::Kind::resume};
  op.text = queue;
  auto then = [this, queue = std::move(queue), paused, callback = std::move(callback)](
                  const StoreError* error, StoreOp&) {
    if (error != nullptr) return callback(std::unexpected(unavailable(*error)));
    set_.set_paused(queue, paused);
    callback({});
    if (const QueueIndex index = set_.find_queue(queue); index != kNoQueue) serve(index);
  };
  submit(std::move(op), std::move(then));
}

}  // namespace netd::tasks
