#pragma once

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "daemon/tasks/task_service.h"

namespace netd::control {

/// A queue without rules: notes what it is asked, and gives what the test has put there.
class FakeTasks final : public tasks::TaskService {
 public:
  std::vector<tasks::NewTask> produced;
  std::deque<tasks::Task> ready;
  /// What produce and the changes of one task answer; none: success.
  std::optional<tasks::TaskError> error;
  /// While set, produce and done answer only in commit(), as when the disk takes its time.
  bool hold = false;
  tasks::TakeRequest taken;
  tasks::TaskRef touched;
  std::string last_call;
  std::string last_result;
  std::optional<tasks::milliseconds> last_delay;
  tasks::ListRequest listed;
  std::vector<tasks::Holder> released;
  tasks::TaskPage page;
  std::function<void(const tasks::TaskEvent&)> observer;

  struct Parked {
    tasks::Holder holder;
    TakeCallback callback;
  };
  std::deque<Parked> parked;

  static tasks::Task make_task(std::string id, std::string data) {
    tasks::Task task;
    task.id = std::move(id);
    task.data = std::move(data);
    task.queue = "default";
    task.attempt = 1;
    task.created = WallTime(std::chrono::milliseconds(1'767'323'045'250));
    return task;
  }

  void commit() {
    for (auto& answer : std::exchange(held_, {})) answer();
  }
  /// Gives a task to the first parked consumer; what it did not take goes back.
  void arrive(tasks::Task task) {
    if (parked.empty()) {
      ready.push_back(std::move(task));
      return;
    }
    const auto consumer = std::move(parked.front());
    parked.pop_front();
    if (!consumer.callback(tasks::Task(task))) ready.push_back(std::move(task));
  }
  void end_wait() {
    for (const auto& consumer : std::exchange(parked, {})) consumer.callback(std::nullopt);
  }

  void produce(tasks::NewTask task, ProduceCallback callback) override {
    const std::string id = task.id.empty() ? "\"made-up\"" : task.id;
    produced.push_back(std::move(task));
    const auto answer = [this, id, callback = std::move(callback)] {
      if (error) {
        callback(std::unexpected(*error));
      } else {
        callback(tasks::Produced{id, false});
      }
    };
    if (hold) {
      held_.push_back(answer);
    } else {
      answer();
    }
  }
  void take(tasks::TakeRequest request, TakeCallback callback) override {
    taken = request;
    if (ready.empty()) {
      parked.push_back({request.holder, std::move(callback)});
    } else {
      const tasks::Task task = ready.front();
      if (callback(tasks::Task(task))) ready.pop_front();
    }
  }
  tasks::Holder new_holder() override { return ++last_holder_; }
  void release(tasks::Holder holder) override {
    released.push_back(holder);
    std::erase_if(parked, [&](const Parked& one) { return one.holder == holder; });
  }
  void done(tasks::TaskRef task, std::string result, Callback callback) override {
    last_result = std::move(result);
    const auto answer = [this, task, callback] { change("done", task, std::nullopt, callback); };
    hold ? held_.push_back(answer) : answer();
  }
  void fail(tasks::TaskRef task, std::optional<tasks::milliseconds> delay,
            Callback callback) override {
    change("fail", std::move(task), delay, callback);
  }
  void give_back(tasks::TaskRef task, std::optional<tasks::milliseconds> delay,
                 Callback callback) override {
    change("give_back", std::move(task), delay, callback);
  }
  void touch(tasks::TaskRef task, std::optional<tasks::milliseconds> lease,
             Callback callback) override {
    change("touch", std::move(task), lease, callback);
  }
  void kick(std::string id, Callback callback) override {
    change("kick", {std::move(id), std::nullopt}, std::nullopt, callback);
  }
  void kick_queue(std::string queue, std::size_t, CountCallback callback) override {
    last_call = "kick_queue " + queue;
    callback(std::size_t{3});
  }
  void erase(std::string id, Callback callback) override {
    change("erase", {std::move(id), std::nullopt}, std::nullopt, callback);
  }
  void peek(std::string id, TaskCallback callback) override {
    last_call = "peek " + id;
    callback(make_task(id, "{\"a\":1.0}"));
  }
  void peek_next(std::string queue, TaskCallback callback) override {
    last_call = "peek_next " + queue;
    callback(tasks::task_fail(tasks::TaskErrorCode::not_found, "nothing is ready"));
  }
  void list(tasks::ListRequest request, PageCallback callback) override {
    listed = std::move(request);
    callback(page);
  }
  [[nodiscard]] tasks::TaskStats stats() const override {
    tasks::TaskStats stats;
    stats.queues.push_back({"default", 1, 2, 3, 4, 5, 6, true});
    stats.produced = 9;
    stats.tasks = 10;
    return stats;
  }
  [[nodiscard]] std::string trouble() const override { return {}; }
  void pause(std::string queue, Callback callback) override {
    last_call = "pause " + queue;
    callback({});
  }
  void resume(std::string queue, Callback callback) override {
    last_call = "resume " + queue;
    callback({});
  }
  void await_result(std::string id, tasks::milliseconds, tasks::Holder,
                    ResultCallback callback) override {
    last_call = "await_result " + id;
    callback(std::optional<std::string>("{\"ok\":true}"));
  }
  void apply(const tasks::TaskServiceSettings&) override {}
  void set_observer(std::function<void(const tasks::TaskEvent&)> function) override {
    observer = std::move(function);
  }

 private:
  void change(std::string_view what, tasks::TaskRef task, std::optional<tasks::milliseconds> time,
              const Callback& callback) {
    last_call = std::string(what) + " " + task.id;
    touched = std::move(task);
    last_delay = time;
    if (error) {
      callback(std::unexpected(*error));
    } else {
      callback({});
    }
  }

  std::vector<std::function<void()>> held_;
  tasks::Holder last_holder_ = 0;
};

}  // namespace netd::control
