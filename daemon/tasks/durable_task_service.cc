// Its start, and the requests that add, take and look. What changes a task:
// durable_task_changes.cc. How tasks reach consumers: durable_task_delivery.cc; and the disk:
// durable_task_disk.cc.
#include "daemon/tasks/durable_task_service.h"

#include <algorithm>
#include <cassert>

#include "daemon/base/log.h"
#include "daemon/event/dispatcher.h"
#include "daemon/tasks/task_checks.h"

namespace netd::tasks {

namespace {

constexpr std::size_t kMaxWaiting = 100'000;

}  // namespace

DurableTaskService::DurableTaskService(Dispatcher& dispatcher, TaskServiceSettings settings,
                                       std::uint64_t seed)
    : dispatcher_(dispatcher),
      settings_(std::move(settings)),
      write_behind_(settings_.sync == SyncMode::off),
      random_(seed),
      turn_(dispatcher, [this] { end_of_turn(); }),
      behind_(dispatcher, [this] { flush(); }),
      wakeup_(dispatcher, [this] { wake_up(); }),
      probe_(dispatcher, [this] { probe(); }),
      attempts_(dispatcher, [this] { write_attempts(now() - kYoungLease); }) {}

DurableTaskService::~DurableTaskService() {
  if (!committer_) return;
  write_attempts(Monotonic::max());
  // One batch does not hold everything.
  for (std::size_t before = dirty_.size() + 1; before > dirty_.size();) {
    before = dirty_.size();
    flush();
  }
}

Result<void> DurableTaskService::load(Store& store) {
  const std::int64_t wall = wall_ms();
  const Monotonic start = now();
  Store::Visitor visitor;
  visitor.paused_queue = [this](std::string_view name) { set_.set_paused(name, true); };
  visitor.result = [this](std::string_view id) { results_.add(id); };
  visitor.task = [&](const Record& record) -> Result<void> {
    if (record.seq <= last_seq_ || set_.find(record.id) != kNoSlot || record.id.empty() ||
        record.id.size() > kMaxIdLength) {
      return netd::fail("damaged: task number " + std::to_string(record.seq) +
                        " has the id of another or none");
    }
    last_seq_ = record.seq;
    const bool keep = set_.memory() + QueueSet::cost(record.id.size() + record.data.size()) <=
                      settings_.memory_limit / 4 * 3;
    TaskState state = record.dead ? TaskState::dead : TaskState::ready;
    Monotonic deadline;
    if (!record.dead && record.ready_at > wall) {
      state = TaskState::delayed;
      deadline = start + std::min(milliseconds(record.ready_at - wall), kMaxDuration);
    }
    const Slot slot = set_.add(record, state, deadline, keep);
    set_.set_on_disk(slot, true);
    set_.let_go(slot);
    // Its last attempt was under way when netd ended, and with that its lease.
    if (!record.dead && record.max_attempts != 0 && record.attempt >= record.max_attempts) {
      become(slot, {.state = TaskState::dead, .attempt = record.attempt});
      mark_dirty(slot);
    }
    return {};
  };
  return store.load(visitor);
}

void DurableTaskService::start(std::unique_ptr<Committer> committer) {
  committer_ = std::move(committer);
  schedule();
}

// Produce.

std::optional<TaskError> DurableTaskService::check(const NewTask& task) const {
  if (task.id.size() > kMaxIdLength) {
    return TaskError{TaskErrorCode::invalid_task,
                     "the id is longer than " + std::to_string(kMaxIdLength) + " bytes"};
  }
  if (!is_queue_name(task.queue)) return bad_queue_name();
  if (task.data.empty()) return TaskError{TaskErrorCode::invalid_task, "there is no data"};
  if (!is_duration(task.delay)) return bad_duration("delay");
  if (!is_duration(task.ttl)) return bad_duration("ttl");
  if (task.data.size() > settings_.max_data) {
    return TaskError{TaskErrorCode::too_large, "the data has " + std::to_string(task.data.size()) +
                                                   " bytes, max_data is " +
                                                   std::to_string(settings_.max_data)};
  }
  return std::nullopt;
}

std::optional<TaskError> DurableTaskService::check_room(const NewTask& task) const {
  const auto full = [](std::string what) {
    return TaskError{TaskErrorCode::queue_full, std::move(what)};
  };
  // The data may be on the disk alone; what it takes on its way there is little and short.
  if (set_.memory() + QueueSet::cost(task.id.size()) > settings_.memory_limit) {
    return full("the tasks have reached memory_limit");
  }
  const QueueIndex queue = set_.find_queue(task.queue);
  if (queue == kNoQueue && set_.queue_count() >= kMaxQueues) {
    return full("there are " + std::to_string(kMaxQueues) + " queues already");
  }
  const auto named = settings_.limits_by_queue.find(task.queue);
  const QueueLimits& limits =
      named == settings_.limits_by_queue.end() ? settings_.queue_limits : named->second;
  const std::uint64_t tasks = queue == kNoQueue ? 0 : set_.tasks_of(queue);
  const std::uint64_t bytes = queue == kNoQueue ? 0 : set_.bytes_of(queue);
  if (limits.tasks != 0 && tasks >= limits.tasks) {
    return full("the queue \"" + task.queue + "\" has its " + std::to_string(limits.tasks) +
                " tasks");
  }
  if (limits.bytes != 0 && bytes + task.id.size() + task.data.size() > limits.bytes) {
    return full("the queue \"" + task.queue + "\" has its " + std::to_string(limits.bytes) +
                " bytes");
  }
  if (write_behind_ && !available_) {
    return TaskError{TaskErrorCode::unavailable, "the disk takes no tasks at the moment"};
  }
  return std::nullopt;
}

void DurableTaskService::produce(NewTask task, ProduceCallback callback) {
  auto refusal = check(task);
  if (!refusal && task.id.empty()) task.id = make_id();
  if (!refusal) {
    if (const Slot there = set_.find(task.id); there != kNoSlot) {
      return produce_again(there, std::move(task), std::move(callback));
    }
    refusal = check_room(task);
  }
  if (refusal) {
    ++counters_.refused;
    return callback(std::unexpected(std::move(*refusal)));
  }
  Record record;
  record.seq = ++last_seq_;
  record.id = task.id;
  record.queue = task.queue;
  record.data = task.data;
  record.priority = task.priority;
  record.max_attempts = task.max_attempts.value_or(settings_.max_attempts);
  record.created = wall_ms();
  if (task.delay > milliseconds(0)) record.ready_at = record.created + task.delay.count();
  if (task.ttl > milliseconds(0)) record.expires = record.created + task.ttl.count();
  const bool delayed = task.delay > milliseconds(0);
  const Slot slot = set_.add(record, delayed ? TaskState::delayed : TaskState::ready,
                             delayed ? now() + task.delay : Monotonic(), true);
  write(StoreOp::Kind::put, slot, record_of(slot),
        [this, slot, callback = std::move(callback)](const StoreError* error) {
          if (error != nullptr) {
            ++counters_.refused;
            free_task(slot);
            return callback(std::unexpected(unavailable(*error)));
          }
          ++counters_.produced;
          const QueueIndex queue = set_.at(slot).queue;
          std::string id(set_.at(slot).id());
          notify("produced", slot);
          drop_data_if_short(slot);
          let_go(slot);
          callback(Produced{std::move(id), false});
          serve(queue);
        });
  flush_if_large();
}

/// The id is there already.
void DurableTaskService::produce_again(Slot slot, NewTask task, ProduceCallback callback) {
  if (set_.at(slot).held) {
    wait_if_held(slot, [this, task = std::move(task), callback = std::move(callback)] {
      produce(task, callback);
    });
    return;
  }
  if (set_.at(slot).data_in_memory) return compare(slot, task, set_.at(slot).data(), callback);
  fetch(slot, [this, slot, task = std::move(task),
               callback = std::move(callback)](const TaskResult<std::string>& data) {
    if (!data) {
      ++counters_.refused;
      let_go(slot);
      return callback(std::unexpected(data.error()));
    }
    compare(slot, task, *data, callback);
    let_go(slot);
  });
}

void DurableTaskService::compare(Slot slot, const NewTask& task, std::string_view data,
                                 const ProduceCallback& callback) {
  if (data != task.data) {
    ++counters_.refused;
    return callback(task_fail(TaskErrorCode::conflict,
                              "a task with the id " + task.id + " is there with other data"));
  }
  ++counters_.duplicates;
  callback(Produced{std::string(set_.at(slot).id()), true});
}

std::string DurableTaskService::make_id() {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string id;
  do {
    std::uint64_t bits = random_();
    id.assign(1, '"');
    for (int i = 0; i < 16; ++i, bits >>= 4) id.push_back(kDigits[bits & 15]);
    id.push_back('"');
  } while (set_.find(id) != kNoSlot);
  return id;
}

// Take.

void DurableTaskService::take(TakeRequest request, TakeCallback callback) {
  std::optional<TaskError> refusal;
  if (!is_queue_name(request.queue)) {
    refusal = bad_queue_name();
  } else if (!is_duration(request.wait)) {
    refusal = bad_duration("wait");
  } else if (request.lease && (!is_duration(*request.lease) || *request.lease == milliseconds(0))) {
    refusal = bad_duration("lease");
  } else if (request.bind && request.holder == 0) {
    refusal = TaskError{TaskErrorCode::invalid_task, "bind needs a connection"};
  }
  if (refusal) {
    callback(std::unexpected(std::move(*refusal)));
    return;
  }
  if (request.holder != 0 && !holders_.contains(request.holder)) return;
  const QueueIndex queue = set_.find_queue(request.queue);
  const Slot slot = queue == kNoQueue ? kNoSlot : set_.next_ready(queue);
  if (slot != kNoSlot) return hand_out(slot, {std::move(request), std::move(callback)});
  if (request.wait == milliseconds(0)) {
    callback(std::nullopt);
    return;
  }
  if (consumers_.size() >= kMaxWaiting || (queue == kNoQueue && set_.queue_count() >= kMaxQueues)) {
    callback(task_fail(TaskErrorCode::unavailable, "too many consumers wait"));
    return;
  }
  const QueueIndex waits_for = set_.add_waiting(request.queue);
  const Holder holder = request.holder;
  const Monotonic deadline = now() + request.wait;
  consumers_.add({waits_for, holder, deadline, {std::move(request), std::move(callback)}});
  schedule();
}

Holder DurableTaskService::new_holder() {
  holders_.insert(++last_holder_);
  return last_holder_;
}

void DurableTaskService::release(Holder holder) {
  holders_.erase(holder);
  while (auto guest = consumers_.take_held_by(holder)) {
    set_.remove_waiting(static_cast<QueueIndex>(guest->key));
  }
  while (result_waiters_.take_held_by(holder)) continue;
  for (const Slot slot : set_.bound_to(holder)) {
    if (set_.at(slot).held) {
      // Should its `done` fail, the lease is over as soon as it is let go.
      set_.extend_lease(slot, now());
    } else {
      return_task(slot);
    }
  }
  schedule();
}

// Looking.

void DurableTaskService::peek(std::string id, TaskCallback callback) {
  const auto slot = find_task(id);
  if (!slot) return callback(std::unexpected(slot.error()));
  if (set_.at(*slot).held) {
    wait_if_held(
        *slot, [this, id = std::move(id), callback = std::move(callback)] { peek(id, callback); });
    return;
  }
  if (set_.at(*slot).data_in_memory) {
    return callback(snapshot(*slot, std::string(set_.at(*slot).data())));
  }
  fetch(*slot,
        [this, slot = *slot, callback = std::move(callback)](const TaskResult<std::string>& data) {
          TaskResult<Task> answer =
              data ? TaskResult<Task>(snapshot(slot, *data)) : std::unexpected(data.error());
          let_go(slot);
          callback(std::move(answer));
        });
}

void DurableTaskService::peek_next(std::string queue, TaskCallback callback) {
  const QueueIndex index = set_.find_queue(queue);
  const Slot slot = index == kNoQueue ? kNoSlot : set_.first_ready(index);
  if (slot == kNoSlot) {
    return callback(task_fail(TaskErrorCode::not_found, "no task is ready in \"" + queue + "\""));
  }
  peek(std::string(set_.at(slot).id()), std::move(callback));
}

void DurableTaskService::list(ListRequest request, PageCallback callback) {
  if (request.queue && !is_queue_name(*request.queue)) {
    return callback(std::unexpected(bad_queue_name()));
  }
  TaskPage page;
  set_.list(
      request, [this, &page](Slot slot) { page.tasks.push_back(snapshot(slot, {})); }, page.next);
  callback(std::move(page));
}

TaskStats DurableTaskService::stats() const {
  TaskStats stats = counters_;
  stats.queues = set_.queue_stats();
  stats.tasks = set_.size();
  stats.waiting = consumers_.size();
  stats.memory_bytes = set_.memory();
  stats.disk_bytes = committer_->disk_bytes();
  stats.commits = committer_->commits();
  stats.available = available_;
  return stats;
}

std::string DurableTaskService::trouble() const {
  return available_ ? committer_->trouble() : trouble_.what();
}

// Results.

void DurableTaskService::await_result(std::string id, milliseconds wait, Holder holder,
                                      ResultCallback callback) {
  if (!is_duration(wait)) return callback(std::unexpected(bad_duration("wait")));
  const Slot slot = set_.find(id);
  if (slot == kNoSlot) return read_result(std::move(id), std::move(callback));
  if (set_.at(slot).held && !set_.at(slot).on_disk) {
    wait_if_held(slot, [this, id = std::move(id), wait, holder, callback = std::move(callback)] {
      await_result(id, wait, holder, callback);
    });
    return;
  }
  if (set_.at(slot).state == TaskState::dead) {
    return callback(task_fail(TaskErrorCode::dead, "the task " + id + " is dead"));
  }
  if (wait == milliseconds(0)) return callback(std::nullopt);
  if (result_waiters_.size() >= kMaxWaiting) {
    return callback(task_fail(TaskErrorCode::unavailable, "too many wait for results"));
  }
  result_waiters_.add({set_.at(slot).seq, holder, now() + wait, std::move(callback)});
  schedule();
}

void DurableTaskService::read_result(std::string id, ResultCallback callback) {
  StoreOp op{.kind = StoreOp::Kind::read_result};
  op.record.expires = wall_ms();
  op.record.id = id;
  own_texts(op);
  submit(std::move(op), [this, id = std::move(id), callback = std::move(callback)](
                            const StoreError* error, StoreOp& read) {
    if (error != nullptr) return callback(std::unexpected(unavailable(*error)));
    if (!read.found) {
      return callback(task_fail(TaskErrorCode::not_found,
                                "there is neither a task nor a result with the id " + id));
    }
    callback(std::optional(std::move(read.text)));
  });
}

void DurableTaskService::answer_result(std::uint64_t seq,
                                       const TaskResult<std::optional<std::string>>& result) {
  while (auto guest = result_waiters_.take_first(seq)) guest->payload(result);
}

void DurableTaskService::apply(const TaskServiceSettings& settings) {
  TaskServiceSettings next = settings;
  next.path = settings_.path;
  next.sync = settings_.sync;
  settings_ = std::move(next);
}

void DurableTaskService::set_observer(std::function<void(const TaskEvent&)> observer) {
  observer_ = std::move(observer);
}

}  // namespace netd::tasks
