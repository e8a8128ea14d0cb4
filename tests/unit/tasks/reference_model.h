// What the task queue promises, in the plainest form that could be right: one list of tasks that
// every operation walks through. The queue itself is held against it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "daemon/tasks/task.h"

namespace netd::tasks::test {

class ReferenceModel {
 public:
  struct ModelTask {
    std::uint64_t seq = 0;
    std::string id, data, queue;
    std::int32_t priority = 0;
    std::uint32_t attempt = 0;
    std::uint32_t max_attempts = 0;
    TaskState state = TaskState::ready;
    std::int64_t due = 0;      // end of the delay or the lease
    std::int64_t expires = 0;  // 0: never
    Holder bound_to = 0;
    std::int64_t leased_at = 0;
    bool young = false;  // leased, and the disk knows nothing of this attempt
  };
  struct Consumer {
    std::string name;
    std::string queue;
    std::optional<std::int64_t> lease;
    std::int64_t deadline = 0;
    Holder holder = 0;
    bool bind = false;
  };

  std::int64_t now = 0;     // ms
  bool disk_fails = false;  // takes no change
  bool disk_full = false;   // takes no new task
  std::int64_t result_ttl = 0;
  std::uint64_t queue_limit = 0;
  std::multiset<std::string> told;  // "NAME ANSWER": what parked consumers were told

  std::string produce(const ModelTask& wanted, std::int64_t delay, std::int64_t ttl) {
    if (const ModelTask* there = find(wanted.id)) {
      return there->data == wanted.data ? "duplicate" : "conflict";
    }
    const auto in_queue = std::ranges::count(tasks_, wanted.queue, &ModelTask::queue);
    if (static_cast<std::uint64_t>(in_queue) >= queue_limit) return "queue_full";
    if (disk_fails || disk_full) return ++last_seq_, "unavailable";
    ModelTask task = wanted;
    task.seq = ++last_seq_;
    if (delay > 0) {
      task.state = TaskState::delayed;
      task.due = now + delay;
    }
    if (ttl > 0) task.expires = now + ttl;
    tasks_.push_back(task);
    written(tasks_.back());
    serve(task.queue);
    return "queued";
  }

  /// "parked" when the consumer has to wait.
  std::string take(const Consumer& consumer, bool accept) {
    ModelTask* task = next_ready(consumer.queue);
    if (task != nullptr) return hand_out(*task, consumer, accept);
    if (consumer.deadline <= now) return "empty";
    parked_.push_back(consumer);
    return "parked";
  }

  /// `result` may be empty: none.
  std::string done(const std::string& id, std::optional<std::uint32_t> attempt,
                   const std::string& result) {
    ModelTask* task = find(id);
    if (const std::string bad = not_leased(task, attempt); !bad.empty()) return bad;
    if (disk_fails) return "unavailable";
    results_.erase(id);
    if (!result.empty()) results_[id] = {result, now + result_ttl};
    return remove(*task), "ok";
  }

  /// What is known of a task's end by now.
  std::string result(const std::string& id) {
    if (const ModelTask* task = find(id)) {
      return task->state == TaskState::dead ? "dead" : "not yet";
    }
    const auto found = results_.find(id);
    return found == results_.end() || found->second.second <= now ? "not_found"
                                                                  : found->second.first;
  }

  std::string fail(const std::string& id, std::int64_t delay) {
    ModelTask* task = find(id);
    if (const std::string bad = not_leased(task, {}); !bad.empty()) return bad;
    if (disk_fails) return "unavailable";
    if (task->max_attempts != 0 && task->attempt >= task->max_attempts) {
      become(*task, TaskState::dead);
    } else {
      become(*task, delay > 0 ? TaskState::delayed : TaskState::ready, delay);
    }
    written(*task);
    return serve(std::string(task->queue)), "ok";
  }

  std::string give_back(const std::string& id, std::int64_t delay) {
    ModelTask* task = find(id);
    if (const std::string bad = not_leased(task, {}); !bad.empty()) return bad;
    if (disk_fails) return "unavailable";
    --task->attempt;
    become(*task, delay > 0 ? TaskState::delayed : TaskState::ready, delay);
    written(*task);
    return serve(std::string(task->queue)), "ok";
  }

  std::string touch(const std::string& id, std::int64_t lease) {
    ModelTask* task = find(id);
    if (const std::string bad = not_leased(task, {}); !bad.empty()) return bad;
    task->due = now + lease;
    return "ok";
  }

  std::string kick(const std::string& id) {
    ModelTask* task = find(id);
    if (task == nullptr) return "not_found";
    if (task->state == TaskState::ready) return "ok";
    if (task->state == TaskState::leased) return "leased";
    if (disk_fails) return "unavailable";
    if (task->state == TaskState::dead) task->attempt = 0;
    become(*task, TaskState::ready);
    written(*task);
    return serve(std::string(task->queue)), "ok";
  }

  std::string kick_queue(const std::string& queue, std::size_t limit) {
    std::vector<ModelTask*> dead;
    for (ModelTask& task : tasks_) {
      if (task.queue == queue && task.state == TaskState::dead && dead.size() < limit) {
        dead.push_back(&task);
      }
    }
    if (dead.empty()) return "0";
    if (disk_fails) return "unavailable";
    for (ModelTask* task : dead) {
      task->attempt = 0;
      become(*task, TaskState::ready);
      written(*task);
    }
    const std::string count = std::to_string(dead.size());
    return serve(queue), count;
  }

  std::string erase(const std::string& id) {
    ModelTask* task = find(id);
    if (task == nullptr) return "not_found";
    if (disk_fails) return "unavailable";
    return remove(*task), "ok";
  }

  std::string set_paused(const std::string& queue, bool paused) {
    if (disk_fails) return "unavailable";
    paused ? void(paused_.insert(queue)) : void(paused_.erase(queue));
    return serve(queue), "ok";
  }

  void release(Holder holder) {
    std::erase_if(parked_, [&](const Consumer& one) { return one.holder == holder; });
    for (const std::uint64_t seq : seqs_where([&](const ModelTask& task) {
           return task.state == TaskState::leased && task.bound_to == holder;
         })) {
      return_task(*by_seq(seq));
    }
  }

  void advance(std::int64_t step) {
    now += step;
    settle();
  }
  /// What is due by now happens. A task that comes back after its time to live is dropped even
  /// though no time has passed since.
  void settle() {
    run_due();
    for (ModelTask& task : tasks_) {
      if (task.state != TaskState::leased || !task.young || now - task.leased_at < 20) continue;
      task.young = false;
      dirty_.insert(task.seq);
    }
    if (!disk_fails) write_dirty();
  }

  /// A clean end: the disk gets what nobody waited for. crash() is what comes then.
  void stop() {
    for (ModelTask& task : tasks_) {
      if (task.state == TaskState::leased && task.young) dirty_.insert(task.seq);
    }
    write_dirty();
  }

  /// What is there after kill -9 and a new start.
  void crash() {
    parked_.clear();
    tasks_.clear();
    for (const auto& [seq, task] : disk_) {
      tasks_.push_back(task);
      ModelTask& back = tasks_.back();
      if (back.state == TaskState::delayed && back.due <= now) become(back, TaskState::ready);
    }
    dirty_.clear();
    for (ModelTask& task : tasks_) {
      if (task.max_attempts == 0 || task.attempt < task.max_attempts) continue;
      if (task.state == TaskState::dead) continue;
      become(task, TaskState::dead);  // its last lease ended with netd
      dirty_.insert(task.seq);
    }
    run_due();
  }

  /// The disk works again, and gets what nobody waited for.
  void disk_is_back() {
    disk_fails = disk_full = false;
    write_dirty();
  }

  [[nodiscard]] bool anybody_parked() const { return !parked_.empty(); }

  /// All tasks in the order of production.
  [[nodiscard]] std::vector<std::string> dump() const {
    std::vector<std::string> all;
    for (const ModelTask& task : tasks_) {
      const bool due = task.state == TaskState::delayed || task.state == TaskState::leased;
      all.push_back(task.id + " " + task.queue + " " + std::string(state_name(task.state)) + " " +
                    std::to_string(task.priority) + " " + std::to_string(task.attempt) + " " +
                    std::to_string(due ? task.due - now : 0));
    }
    return all;
  }

 private:
  ModelTask* find(const std::string& id) {
    const auto it = std::ranges::find(tasks_, id, &ModelTask::id);
    return it == tasks_.end() ? nullptr : &*it;
  }
  ModelTask* by_seq(std::uint64_t seq) {
    const auto it = std::ranges::find(tasks_, seq, &ModelTask::seq);
    return it == tasks_.end() ? nullptr : &*it;
  }
  template <class Predicate>
  std::vector<std::uint64_t> seqs_where(Predicate predicate) {
    std::vector<std::uint64_t> seqs;
    for (const ModelTask& task : tasks_) {
      if (predicate(task)) seqs.push_back(task.seq);
    }
    return seqs;
  }

  ModelTask* next_ready(const std::string& queue) {
    if (paused_.contains(queue)) return nullptr;
    ModelTask* best = nullptr;
    for (ModelTask& task : tasks_) {
      if (task.queue != queue || task.state != TaskState::ready) continue;
      if (best == nullptr || task.priority > best->priority) best = &task;
    }
    return best;
  }

  std::string hand_out(ModelTask& task, const Consumer& consumer, bool accept) {
    const std::string id = task.id;
    if (!consumer.lease) {
      if (disk_fails) return "unavailable";
      results_.erase(id);
      if (!accept) return written(task), id;
      return remove(task), id;
    }
    if (!accept) return id;
    ++task.attempt;
    task.state = TaskState::leased;
    task.due = now + *consumer.lease;
    task.bound_to = consumer.bind ? consumer.holder : 0;
    task.leased_at = now;
    task.young = true;
    return id;
  }

  void serve(const std::string& queue) {
    for (;;) {
      const auto first = std::ranges::find(parked_, queue, &Consumer::queue);
      ModelTask* task = next_ready(queue);
      if (first == parked_.end() || task == nullptr) return;
      const Consumer consumer = *first;
      parked_.erase(first);
      told.insert(consumer.name + " " + hand_out(*task, consumer, true));
    }
  }

  static std::string not_leased(const ModelTask* task, std::optional<std::uint32_t> attempt) {
    if (task == nullptr) return "not_found";
    if (task->state != TaskState::leased || (attempt && *attempt != task->attempt)) {
      return "not_leased";
    }
    return "";
  }

  void become(ModelTask& task, TaskState state, std::int64_t delay = 0) {
    task.state = state;
    task.due = state == TaskState::delayed ? now + delay : 0;
    task.bound_to = 0;
  }

  /// A change that is on the disk when it is answered.
  void written(const ModelTask& task) {
    if (disk_fails) {
      dirty_.insert(task.seq);
      return;
    }
    ModelTask row = task;
    if (row.state == TaskState::leased) become(row, TaskState::ready);
    disk_.insert_or_assign(task.seq, row);
  }

  void remove(ModelTask& task) {
    const std::uint64_t seq = task.seq;
    std::erase_if(tasks_, [seq](const ModelTask& one) { return one.seq == seq; });
    if (disk_fails) {
      dirty_.insert(seq);
    } else {
      disk_.erase(seq);
    }
  }

  void return_task(ModelTask& task) {
    const bool last = task.max_attempts != 0 && task.attempt >= task.max_attempts;
    become(task, last ? TaskState::dead : TaskState::ready);
    dirty_.insert(task.seq);  // nobody waits for it
    serve(std::string(task.queue));
  }

  void write_dirty() {
    for (const std::uint64_t seq : std::set<std::uint64_t>(std::move(dirty_))) {
      if (ModelTask* task = by_seq(seq)) {
        written(*task);
      } else {
        disk_.erase(seq);
      }
    }
    dirty_.clear();
  }

  void run_due() {
    for (;;) {
      ModelTask* due = nullptr;
      for (ModelTask& task : tasks_) {
        if (task.state != TaskState::delayed && task.state != TaskState::leased) continue;
        if (task.due > now || (due != nullptr && due->due <= task.due)) continue;
        due = &task;
      }
      if (due == nullptr) break;
      if (due->state == TaskState::leased) {
        return_task(*due);
      } else {
        become(*due, TaskState::ready);
        serve(std::string(due->queue));
      }
    }
    for (const std::uint64_t seq : seqs_where([&](const ModelTask& task) {
           return task.expires != 0 && task.expires <= now &&
                  (task.state == TaskState::ready || task.state == TaskState::delayed);
         })) {
      remove(*by_seq(seq));
    }
    for (auto it = parked_.begin(); it != parked_.end();) {
      if (it->deadline > now) {
        ++it;
        continue;
      }
      told.insert(it->name + " empty");
      it = parked_.erase(it);
    }
  }

  std::vector<ModelTask> tasks_;  // by seq
  std::vector<Consumer> parked_;  // in the order of their coming
  std::set<std::string> paused_;
  std::map<std::uint64_t, ModelTask> disk_;
  std::set<std::uint64_t> dirty_;
  std::map<std::string, std::pair<std::string, std::int64_t>> results_;  // until when
  std::uint64_t last_seq_ = 0;
};

}  // namespace netd::tasks::test
