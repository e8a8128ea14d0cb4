// The service on a disk and a clock of the test's own.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "daemon/event/dispatcher.h"
#include "daemon/tasks/durable_task_service.h"
#include "tests/support/fake_clock.h"
#include "tests/support/log_capture.h"
#include "tests/unit/tasks/fake_store.h"

namespace netd::tasks::test {

/// What a consumer was told: a task's id, "empty", or an error's name.
struct Taken {
  bool answered = false;
  std::optional<Task> task;
  std::string word;
  bool accept = true;
};

class ServiceFixture : public ::testing::Test {
 protected:
  ServiceFixture() : dispatcher_(std::move(Dispatcher::create(clock_).value())) {
    settings_.gather = {};  // the clock stands still, and with it the end of a wait for others
    restart();
  }

  /// A clean stop and a new start.
  void restart() {
    service_.reset();
    start();
  }
  /// kill -9 and a new start.
  void crash() {
    const Disk as_it_was = disk_;
    service_.reset();
    disk_ = as_it_was;
    start();
  }
  void start() {
    service_ = std::make_unique<DurableTaskService>(*dispatcher_, settings_, 1);
    auto store = std::make_unique<FakeStore>(disk_);
    ASSERT_TRUE(service_->load(*store).has_value());
    auto committer = std::make_unique<ManualCommitter>(std::move(store));
    committer_ = committer.get();
    service_->start(std::move(committer));
    run();
  }

  /// The end of the turn, commits and their consequences, until nothing is left to do.
  void run() {
    dispatcher_->run_due_timers();
    for (int i = 0; i < 100 && !committer_->idle(); ++i) {
      committer_->commit();
      dispatcher_->run_due_timers();
      dispatcher_->run_due_timers();
    }
    dispatcher_->run_due_timers();
  }
  void advance(milliseconds step) {
    clock_.advance(step);
    run();
    run();
  }

  NewTask make(std::string id, std::string data = "\"x\"") {
    NewTask task;
    task.id = "\"" + std::move(id) + "\"";
    task.data = std::move(data);
    return task;
  }

  std::string produce(NewTask task) {
    const auto answer = start_produce(std::move(task));
    run();
    return *answer;
  }
  /// "queued ID", "duplicate ID" or an error's name, once it is there.
  std::shared_ptr<std::string> start_produce(NewTask task) {
    auto word = std::make_shared<std::string>();
    service_->produce(std::move(task), [word](const TaskResult<Produced>& answer) {
      *word = answer ? (answer->duplicate ? "duplicate " : "queued ") + answer->id
                     : std::string(error_code_name(answer.error().code));
    });
    return word;
  }

  std::shared_ptr<Taken> start_take(TakeRequest request) {
    auto taken = std::make_shared<Taken>();
    service_->take(std::move(request), [taken](TaskResult<std::optional<Task>> answer) {
      taken->answered = true;
      if (!answer) {
        taken->word = error_code_name(answer.error().code);
      } else if (!*answer) {
        taken->word = "empty";
      } else {
        taken->word = (*answer)->id;
        taken->task = std::move(*answer);
      }
      return taken->accept;
    });
    return taken;
  }
  std::string take(TakeRequest request = {}) {
    const auto taken = start_take(std::move(request));
    run();
    return taken->answered ? taken->word : "parked";
  }
  static TakeRequest leased(milliseconds length) {
    TakeRequest request;
    request.lease = length;
    return request;
  }
  static TakeRequest waiting(milliseconds wait) {
    TakeRequest request;
    request.wait = wait;
    return request;
  }

  template <class Call>
  std::string answer(Call call) {
    std::string word = "unanswered";
    call([&word](const TaskResult<void>& result) {
      word = result ? "ok" : std::string(error_code_name(result.error().code));
    });
    run();
    return word;
  }
  std::string done(const std::string& id, std::string result = "",
                   std::optional<std::uint32_t> attempt = {}) {
    return answer([&](auto callback) { service_->done({id, attempt}, result, callback); });
  }
  std::string fail(const std::string& id, std::optional<milliseconds> delay = {}) {
    return answer([&](auto callback) { service_->fail({id, {}}, delay, callback); });
  }
  std::string touch(const std::string& id, std::optional<milliseconds> lease = {}) {
    return answer([&](auto callback) { service_->touch({id, {}}, lease, callback); });
  }
  std::string kick(const std::string& id) {
    return answer([&](auto callback) { service_->kick(id, callback); });
  }
  std::string erase(const std::string& id) {
    return answer([&](auto callback) { service_->erase(id, callback); });
  }
  std::optional<Task> peek(const std::string& id) {
    std::optional<Task> found;
    service_->peek(id, [&](TaskResult<Task> task) {
      if (task) found = std::move(*task);
    });
    run();
    return found;
  }
  std::string result_of(const std::string& id, milliseconds wait = milliseconds(0)) {
    const auto word = start_await(id, wait);
    run();
    return *word;
  }
  std::shared_ptr<std::string> start_await(const std::string& id, milliseconds wait,
                                           Holder holder = 0) {
    auto word = std::make_shared<std::string>();
    service_->await_result(id, wait, holder,
                           [word](const TaskResult<std::optional<std::string>>& result) {
                             *word = !result   ? std::string(error_code_name(result.error().code))
                                     : *result ? **result
                                               : "not yet";
                           });
    return word;
  }

  netd::test::LogCapture log_;
  netd::test::FakeClock clock_;
  std::unique_ptr<Dispatcher> dispatcher_;
  Disk disk_;
  TaskServiceSettings settings_;
  std::unique_ptr<DurableTaskService> service_;
  ManualCommitter* committer_ = nullptr;
};

}  // namespace netd::tasks::test
