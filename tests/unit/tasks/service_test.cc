#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/message_ids.h"
#include "daemon/event/dispatcher.h"
#include "daemon/tasks/durable_task_service.h"
#include "tests/support/fake_clock.h"
#include "tests/support/log_capture.h"
#include "tests/unit/tasks/fake_store.h"

namespace netd::tasks {
namespace {

using netd::test::FakeClock;
using netd::test::LogCapture;
using std::chrono::milliseconds;
using test::Disk;
using test::FakeStore;
using test::ManualCommitter;
using namespace std::chrono_literals;

/// What a consumer was told: a task's id, "empty", or an error's name.
struct Taken {
  bool answered = false;
  std::optional<Task> task;
  std::string word;
  bool accept = true;
};

class TaskServiceTest : public ::testing::Test {
 protected:
  TaskServiceTest() : dispatcher_(std::move(Dispatcher::create(clock_).value())) { restart(); }

  void restart() {
    service_.reset();
    committer_ = nullptr;
    service_ = std::make_unique<DurableTaskService>(*dispatcher_, settings_, 1);
    FakeStore store(disk_);
    ASSERT_TRUE(service_->load(store).has_value());
    auto committer = std::make_unique<ManualCommitter>(disk_);
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
  std::string result_of(const std::string& id, milliseconds wait = 0ms) {
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

  LogCapture log_;
  FakeClock clock_;
  std::unique_ptr<Dispatcher> dispatcher_;
  Disk disk_;
  TaskServiceSettings settings_;
  std::unique_ptr<DurableTaskService> service_;
  ManualCommitter* committer_ = nullptr;
};

// Produce.

TEST_F(TaskServiceTest, ProducedTaskIsTakenWithItsDataAndIsGone) {
  EXPECT_EQ(produce(make("t1", R"({"a": [1,  2]})")), "queued \"t1\"");
  const auto taken = start_take({});
  run();
  ASSERT_TRUE(taken->task);
  EXPECT_EQ(taken->task->data, R"({"a": [1,  2]})");
  EXPECT_EQ(taken->task->queue, "default");
  EXPECT_EQ(taken->task->attempt, 1U);
  EXPECT_EQ(taken->task->created, clock_.wall());
  EXPECT_EQ(take(), "empty");
  EXPECT_TRUE(disk_.rows.empty());
}

TEST_F(TaskServiceTest, ProduceIsAnsweredOnlyWhenTheDiskHasTheTask) {
  const auto answer = start_produce(make("t1"));
  dispatcher_->run_due_timers();
  EXPECT_EQ(*answer, "");
  EXPECT_TRUE(disk_.rows.empty());
  committer_->commit();
  EXPECT_EQ(*answer, "queued \"t1\"");
  EXPECT_EQ(disk_.rows.size(), 1U);
}

TEST_F(TaskServiceTest, NobodyGetsATaskThatIsNotYetDurable) {
  start_produce(make("t1"));
  EXPECT_FALSE(start_take(waiting(1s))->answered);
  EXPECT_EQ(start_take({})->word, "empty");
}

TEST_F(TaskServiceTest, OneTurnIsOneCommit) {
  const int before = disk_.commits;
  for (int i = 0; i < 50; ++i) start_produce(make(std::to_string(i)));
  run();
  EXPECT_EQ(disk_.commits, before + 1);
  EXPECT_EQ(disk_.rows.size(), 50U);
}

TEST_F(TaskServiceTest, MakesUpDistinctIds) {
  NewTask task = make("");
  task.id.clear();
  const std::string first = produce(task);
  const std::string second = produce(task);
  EXPECT_THAT(first, ::testing::MatchesRegex("queued \"[0-9a-f]+\""));
  EXPECT_NE(first, second);
}

TEST_F(TaskServiceTest, SameIdAndDataIsADuplicate) {
  EXPECT_EQ(produce(make("t1")), "queued \"t1\"");
  EXPECT_EQ(produce(make("t1")), "duplicate \"t1\"");
  EXPECT_EQ(produce(make("t1", "\"y\"")), "conflict");
  EXPECT_EQ(disk_.rows.size(), 1U);
  EXPECT_EQ(take(leased(10s)), "\"t1\"");
  EXPECT_EQ(produce(make("t1")), "duplicate \"t1\"") << "a leased task lives";
  EXPECT_EQ(done("\"t1\""), "ok");
  EXPECT_EQ(produce(make("t1", "\"y\"")), "queued \"t1\"") << "the id is free again";
}

TEST_F(TaskServiceTest, DuplicateOfATaskOnItsWayWaitsForTheDisk) {
  const auto first = start_produce(make("t1"));
  const auto second = start_produce(make("t1"));
  const auto third = start_produce(make("t1", "\"y\""));
  dispatcher_->run_due_timers();
  EXPECT_EQ(*second, "");
  committer_->commit();
  EXPECT_EQ(*first, "queued \"t1\"");
  EXPECT_EQ(*second, "duplicate \"t1\"");
  EXPECT_EQ(*third, "conflict");
}

TEST_F(TaskServiceTest, NumberAndStringAreDifferentIds) {
  NewTask number = make("");
  number.id = "7";
  EXPECT_EQ(produce(number), "queued 7");
  EXPECT_EQ(produce(make("7")), "queued \"7\"");
}

TEST_F(TaskServiceTest, RefusesWhatIsOutOfRange) {
  NewTask task = make(std::string(kMaxIdLength, 'x'));
  EXPECT_EQ(produce(task), "invalid_task");
  task = make("a");
  task.queue = "";
  EXPECT_EQ(produce(task), "invalid_task");
  task.queue = "a\nb";
  EXPECT_EQ(produce(task), "invalid_task");
  task.queue = std::string(kMaxQueueNameLength + 1, 'q');
  EXPECT_EQ(produce(task), "invalid_task");
  task = make("a");
  task.delay = -1ms;
  EXPECT_EQ(produce(task), "invalid_task");
  task.delay = kMaxDuration + 1ms;
  EXPECT_EQ(produce(task), "invalid_task");
  task = make("a", std::string(settings_.max_data + 1, '1'));
  EXPECT_EQ(produce(task), "too_large");
  EXPECT_EQ(service_->stats().refused, 7U);
  EXPECT_EQ(service_->stats().tasks, 0U);
}

// Order.

TEST_F(TaskServiceTest, HigherPriorityFirstThenFirstInFirstOut) {
  for (const auto& [id, priority] : {std::pair("a", 0), {"b", 5}, {"c", 0}, {"d", 5}, {"e", -1}}) {
    NewTask task = make(id);
    task.priority = priority;
    produce(task);
  }
  for (const char* id : {"\"b\"", "\"d\"", "\"a\"", "\"c\"", "\"e\""}) EXPECT_EQ(take(), id);
}

TEST_F(TaskServiceTest, QueuesAreApart) {
  NewTask task = make("a");
  task.queue = "mail";
  produce(task);
  EXPECT_EQ(take(), "empty");
  TakeRequest request;
  request.queue = "mail";
  EXPECT_EQ(take(request), "\"a\"");
  EXPECT_TRUE(service_->stats().queues.empty()) << "a queue goes with its last task";
}

TEST_F(TaskServiceTest, DelayedTaskComesWhenItsTimeIsThere) {
  NewTask task = make("a");
  task.delay = 5s;
  produce(task);
  produce(make("b"));
  EXPECT_EQ(take(), "\"b\"");
  EXPECT_EQ(take(), "empty");
  EXPECT_EQ(peek("\"a\"")->state, TaskState::delayed);
  EXPECT_EQ(peek("\"a\"")->due_in, 5s);
  advance(4999ms);
  EXPECT_EQ(take(), "empty");
  advance(1ms);
  EXPECT_EQ(take(), "\"a\"");
}

// Waiting.

TEST_F(TaskServiceTest, ParkedConsumersAreServedInTheirOrder) {
  const auto first = start_take(waiting(10s));
  const auto second = start_take(waiting(10s));
  produce(make("a"));
  EXPECT_EQ(first->word, "\"a\"");
  EXPECT_FALSE(second->answered);
  produce(make("b"));
  EXPECT_EQ(second->word, "\"b\"");
}

TEST_F(TaskServiceTest, WaitEndsWithNothing) {
  const auto taken = start_take(waiting(1s));
  advance(999ms);
  EXPECT_FALSE(taken->answered);
  EXPECT_EQ(service_->stats().waiting, 1U);
  advance(1ms);
  EXPECT_EQ(taken->word, "empty");
  EXPECT_EQ(service_->stats().waiting, 0U);
}

TEST_F(TaskServiceTest, ADelayThatEndsWakesAConsumer) {
  NewTask task = make("a");
  task.delay = 2s;
  produce(task);
  const auto taken = start_take(waiting(10s));
  advance(2s);
  EXPECT_EQ(taken->word, "\"a\"");
}

TEST_F(TaskServiceTest, AConsumerThatIsGoneIsForgotten) {
  const Holder holder = service_->new_holder();
  TakeRequest request = waiting(10s);
  request.holder = holder;
  const auto gone = start_take(request);
  const auto stays = start_take(waiting(10s));
  service_->release(holder);
  produce(make("a"));
  EXPECT_FALSE(gone->answered);
  EXPECT_EQ(stays->word, "\"a\"");
}

TEST_F(TaskServiceTest, ATaskWhoseConsumerVanishesDuringItsRemovalComesBack) {
  produce(make("a"));
  TakeRequest request;
  request.holder = service_->new_holder();
  const auto gone = start_take(request);
  dispatcher_->run_due_timers();
  service_->release(request.holder);
  run();
  EXPECT_FALSE(gone->answered);
  EXPECT_EQ(disk_.rows.size(), 1U) << "it is back on the disk";
  const auto next = start_take({});
  run();
  ASSERT_TRUE(next->task);
  EXPECT_EQ(next->task->attempt, 1U);
  EXPECT_TRUE(disk_.rows.empty());
}

TEST_F(TaskServiceTest, ATaskThatCouldNotBeDeliveredGoesToTheNext) {
  for (const bool with_lease : {false, true}) {
    TakeRequest request = waiting(10s);
    if (with_lease) request.lease = 10s;
    const auto broken = start_take(request);
    broken->accept = false;
    const auto next = start_take(request);
    produce(make("a"));
    EXPECT_EQ(broken->word, "\"a\"");
    EXPECT_EQ(next->word, "\"a\"");
    EXPECT_EQ(next->task->attempt, 1U);
    if (with_lease) {
      EXPECT_EQ(done("\"a\""), "ok");
    }
    EXPECT_TRUE(disk_.rows.empty());
  }
}

// Leases.

TEST_F(TaskServiceTest, LeasedTaskIsDone) {
  produce(make("a"));
  EXPECT_EQ(take(leased(10s)), "\"a\"");
  EXPECT_EQ(take(), "empty");
  EXPECT_EQ(disk_.rows.size(), 1U);
  EXPECT_EQ(peek("\"a\"")->state, TaskState::leased);
  EXPECT_EQ(done("\"a\""), "ok");
  EXPECT_TRUE(disk_.rows.empty());
  EXPECT_EQ(done("\"a\""), "not_found");
}

TEST_F(TaskServiceTest, HandingOutUnderALeaseDoesNotWaitForTheDisk) {
  produce(make("a"));
  EXPECT_EQ(start_take(leased(10s))->word, "\"a\"");
}

TEST_F(TaskServiceTest, LeaseThatRunsOutGivesTheTaskBack) {
  produce(make("a"));
  produce(make("b"));
  EXPECT_EQ(take(leased(10s)), "\"a\"");
  advance(9999ms);
  EXPECT_EQ(touch("\"a\""), "ok");
  advance(9999ms);
  EXPECT_EQ(peek("\"a\"")->state, TaskState::leased);
  advance(1ms);
  EXPECT_EQ(peek("\"a\"")->state, TaskState::ready);
  EXPECT_EQ(done("\"a\""), "not_leased");
  EXPECT_EQ(touch("\"a\""), "not_leased");
  EXPECT_EQ(fail("\"a\""), "not_leased");
  const auto again = start_take(leased(10s));
  EXPECT_EQ(again->word, "\"a\"") << "at its old place";
  EXPECT_EQ(again->task->attempt, 2U);
  EXPECT_EQ(disk_.rows.begin()->second.record.attempt, 1U) << "lazily written";
}

TEST_F(TaskServiceTest, AnOlderAttemptHasNoSay) {
  produce(make("a"));
  take(leased(1s));
  advance(1s);
  take(leased(10s));
  EXPECT_EQ(done("\"a\"", "", 1), "not_leased");
  EXPECT_EQ(done("\"a\"", "", 2), "ok");
}

TEST_F(TaskServiceTest, BoundLeaseEndsWithItsHolder) {
  produce(make("a"));
  produce(make("b"));
  TakeRequest request = leased(1h);
  request.holder = service_->new_holder();
  EXPECT_EQ(take(request), "\"a\"") << "not bound";
  request.bind = true;
  EXPECT_EQ(take(request), "\"b\"");
  const auto parked = start_take(waiting(10s));
  service_->release(request.holder);
  run();
  EXPECT_EQ(parked->word, "\"b\"") << "at once";
  EXPECT_EQ(peek("\"a\"")->state, TaskState::leased);
}

TEST_F(TaskServiceTest, AfterARestartLeasedTasksAreReady) {
  produce(make("a"));
  take(leased(1h));
  restart();
  EXPECT_EQ(take(), "\"a\"");
}

TEST_F(TaskServiceTest, TwoDonesAtOnceAreOneDone) {
  produce(make("a"));
  take(leased(10s));
  std::string first, second;
  service_->done({"\"a\"", {}}, "", [&](const auto& answer) { first = answer ? "ok" : "no"; });
  service_->done({"\"a\"", {}}, "", [&](const auto& answer) {
    second = answer ? "ok" : std::string(error_code_name(answer.error().code));
  });
  run();
  EXPECT_EQ(first, "ok");
  EXPECT_EQ(second, "not_found");
}

// Failing.

TEST_F(TaskServiceTest, FailedTaskComesBackAfterAGrowingDelay) {
  produce(make("a"));
  milliseconds last{0};
  for (int attempt = 1; attempt <= 6; ++attempt) {
    EXPECT_EQ(take(leased(1h)), "\"a\"");
    EXPECT_EQ(fail("\"a\""), "ok");
    const auto task = peek("\"a\"");
    EXPECT_EQ(task->state, TaskState::delayed);
    EXPECT_GT(task->due_in, last);
    EXPECT_GE(task->due_in, settings_.retry_delay * (1 << (attempt - 1)));
    EXPECT_LE(task->due_in, settings_.retry_delay * (1 << (attempt - 1)) * 5 / 4);
    last = task->due_in;
    advance(last);
  }
}

TEST_F(TaskServiceTest, RetryDelayHasAnEnd) {
  settings_.retry_delay_max = 4s;
  restart();
  produce(make("a"));
  for (int attempt = 1; attempt <= 8; ++attempt) {
    EXPECT_EQ(take(leased(1h)), "\"a\"");
    fail("\"a\"");
    EXPECT_LE(peek("\"a\"")->due_in, 4s);
    advance(4s);
  }
}

TEST_F(TaskServiceTest, FailTakesTheDelayThatItIsGiven) {
  produce(make("a"));
  take(leased(1h));
  EXPECT_EQ(fail("\"a\"", 0ms), "ok");
  EXPECT_EQ(take(leased(1h)), "\"a\"");
  EXPECT_EQ(fail("\"a\"", 90s), "ok");
  EXPECT_EQ(peek("\"a\"")->due_in, 90s);
  restart();
  EXPECT_EQ(peek("\"a\"")->due_in, 90s) << "the delay survives";
  EXPECT_EQ(peek("\"a\"")->attempt, 2U);
}

TEST_F(TaskServiceTest, TheLastAttemptThatFailsLeavesTheTaskDead) {
  NewTask task = make("a");
  task.max_attempts = 2;
  produce(task);
  take(leased(1h));
  fail("\"a\"", 0ms);
  take(leased(1h));
  EXPECT_EQ(fail("\"a\"", 0ms), "ok");
  EXPECT_EQ(peek("\"a\"")->state, TaskState::dead);
  EXPECT_EQ(take(), "empty");
  ASSERT_EQ(log_.entries("task_dead").size(), 1U);
  EXPECT_EQ(log_.entries("task_dead")[0].field("MESSAGE_ID"), message_id::kTaskDead);
  EXPECT_EQ(log_.entries("task_dead")[0].field("NETD_TASK"), "\"a\"");
  restart();
  EXPECT_EQ(peek("\"a\"")->state, TaskState::dead);
  EXPECT_EQ(kick("\"a\""), "ok");
  EXPECT_EQ(peek("\"a\"")->attempt, 0U);
  EXPECT_EQ(take(), "\"a\"");
}

TEST_F(TaskServiceTest, LeasesThatRunOutUseAttemptsUp) {
  NewTask task = make("a");
  task.max_attempts = 1;
  produce(task);
  take(leased(1s));
  advance(1s);
  EXPECT_EQ(peek("\"a\"")->state, TaskState::dead);
  restart();
  EXPECT_EQ(peek("\"a\"")->state, TaskState::dead);
}

TEST_F(TaskServiceTest, GivenBackAttemptDoesNotCount) {
  NewTask task = make("a");
  task.max_attempts = 1;
  produce(task);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(take(leased(1s)), "\"a\"");
    EXPECT_EQ(answer([&](auto done) { service_->give_back({"\"a\"", {}}, {}, done); }), "ok");
  }
}

TEST_F(TaskServiceTest, KickQueueRevivesTheOldestDead) {
  for (int i = 0; i < 5; ++i) {
    NewTask task = make(std::to_string(i));
    task.max_attempts = 1;
    produce(task);
    take(leased(1s));
    fail(task.id);
  }
  std::size_t kicked = 0;
  service_->kick_queue("default", 3, [&](const auto& count) { kicked = count.value_or(99); });
  run();
  EXPECT_EQ(kicked, 3U);
  for (const char* id : {"\"0\"", "\"1\"", "\"2\"", "empty"}) EXPECT_EQ(take(), id);
  EXPECT_EQ(service_->stats().queues.at(0).dead, 2U);
}

TEST_F(TaskServiceTest, KickMakesADelayedTaskReadyAndLeavesALeasedOne) {
  NewTask task = make("a");
  task.delay = 1h;
  produce(task);
  EXPECT_EQ(kick("\"a\""), "ok");
  EXPECT_EQ(take(leased(1h)), "\"a\"");
  EXPECT_EQ(kick("\"a\""), "leased");
  EXPECT_EQ(kick("\"b\""), "not_found");
}

TEST_F(TaskServiceTest, EraseTakesATaskAwayInAnyState) {
  produce(make("ready"));
  EXPECT_EQ(erase("\"ready\""), "ok");
  produce(make("leased"));
  take(leased(1h));
  EXPECT_EQ(erase("\"leased\""), "ok");
  EXPECT_EQ(done("\"leased\""), "not_found");
  EXPECT_EQ(erase("\"leased\""), "not_found");
  EXPECT_TRUE(disk_.rows.empty());
}

// Time to live.

TEST_F(TaskServiceTest, TaskThatNobodyTakesExpires) {
  NewTask task = make("a");
  task.ttl = 10s;
  produce(task);
  advance(9999ms);
  EXPECT_TRUE(peek("\"a\""));
  advance(1ms);
  EXPECT_FALSE(peek("\"a\""));
  EXPECT_TRUE(disk_.rows.empty());
  EXPECT_EQ(service_->stats().expired, 1U);
}

TEST_F(TaskServiceTest, LeasedTaskExpiresOnlyWhenItComesBack) {
  NewTask task = make("a");
  task.ttl = 10s;
  produce(task);
  take(leased(1min));
  advance(30s);
  EXPECT_EQ(touch("\"a\""), "ok");
  EXPECT_EQ(fail("\"a\"", 0ms), "ok");
  EXPECT_FALSE(peek("\"a\""));
}

TEST_F(TaskServiceTest, TaskThatExpiredWhileNetdWasDownIsGone) {
  NewTask task = make("a");
  task.ttl = 10s;
  produce(task);
  service_.reset();
  clock_.advance(11s);
  restart();
  EXPECT_FALSE(peek("\"a\""));
  EXPECT_TRUE(disk_.rows.empty());
}

// Results.

TEST_F(TaskServiceTest, ResultIsKeptForItsTime) {
  settings_.result_ttl = 60s;
  restart();
  produce(make("a"));
  const auto parked = start_await("\"a\"", 10s);
  take(leased(1s));
  EXPECT_EQ(done("\"a\"", "[42]"), "ok");
  EXPECT_EQ(*parked, "[42]");
  EXPECT_EQ(result_of("\"a\""), "[42]");
  restart();
  EXPECT_EQ(result_of("\"a\""), "[42]");
  advance(60s);
  EXPECT_EQ(result_of("\"a\""), "not_found");
  produce(make("b"));
  EXPECT_TRUE(disk_.results.empty()) << "swept";
}

TEST_F(TaskServiceTest, WaitingForAResultEnds) {
  produce(make("a"));
  EXPECT_EQ(result_of("\"a\""), "not yet");
  const auto late = start_await("\"a\"", 5s);
  advance(5s);
  EXPECT_EQ(*late, "not yet");
  const auto deleted = start_await("\"a\"", 5s);
  erase("\"a\"");
  EXPECT_EQ(*deleted, "not_found");
  EXPECT_EQ(result_of("\"a\"", 5s), "not_found");

  NewTask task = make("b");
  task.max_attempts = 1;
  produce(task);
  const auto dies = start_await("\"b\"", 5s);
  take(leased(1s));
  fail("\"b\"");
  EXPECT_EQ(*dies, "dead");
  EXPECT_EQ(result_of("\"b\""), "dead");

  produce(make("c"));
  const auto without = start_await("\"c\"", 5s);
  const Holder holder = service_->new_holder();
  const auto gone = start_await("\"c\"", 5s, holder);
  service_->release(holder);
  take(leased(1s));
  done("\"c\"");
  EXPECT_EQ(*without, "null");
  EXPECT_EQ(*gone, "");
}

// Pause.

TEST_F(TaskServiceTest, PausedQueueHandsNothingOut) {
  EXPECT_EQ(answer([&](auto callback) { service_->pause("default", callback); }), "ok");
  EXPECT_EQ(produce(make("a")), "queued \"a\"");
  EXPECT_EQ(take(), "empty");
  restart();
  EXPECT_TRUE(service_->stats().queues.at(0).paused);
  const auto parked = start_take(waiting(10s));
  EXPECT_FALSE(parked->answered);
  EXPECT_EQ(answer([&](auto callback) { service_->resume("default", callback); }), "ok");
  EXPECT_EQ(parked->word, "\"a\"");
  EXPECT_TRUE(disk_.paused.empty());
}

// Limits.

TEST_F(TaskServiceTest, FullQueueRefuses) {
  settings_.queue_limits = {.tasks = 2, .bytes = 0};
  settings_.limits_by_queue["small"] = {.tasks = 0, .bytes = 10};
  restart();
  produce(make("a"));
  produce(make("b"));
  EXPECT_EQ(produce(make("c")), "queue_full");
  EXPECT_EQ(produce(make("a")), "duplicate \"a\"");
  take();
  EXPECT_EQ(produce(make("c")), "queued \"c\"");
  NewTask task = make("1", "12345678");
  task.queue = "small";
  EXPECT_EQ(produce(task), "queue_full");
  task.data = "1234567";
  EXPECT_EQ(produce(task), "queued \"1\"");
}

TEST_F(TaskServiceTest, DataIsLeftToTheDiskWhenMemoryGetsShort) {
  settings_.memory_limit = 8192;
  restart();
  const std::string data = "\"" + std::string(2000, 'x') + "\"";
  for (int i = 0; i < 8; ++i)
    EXPECT_THAT(produce(make(std::to_string(i), data)), "queued \"" + std::to_string(i) + "\"");
  EXPECT_LT(service_->stats().memory_bytes, 8192U);
  EXPECT_EQ(produce(make("7", data)), "duplicate \"7\"");
  EXPECT_EQ(produce(make("7", "1")), "conflict");
  EXPECT_EQ(peek("\"7\"")->data, data);
  for (int i = 0; i < 8; ++i) {
    const auto taken = start_take(i % 2 == 0 ? leased(1s) : TakeRequest{});
    run();
    ASSERT_TRUE(taken->task) << i;
    EXPECT_EQ(taken->task->data, data);
    EXPECT_EQ(taken->task->id, "\"" + std::to_string(i) + "\"");
  }
  restart();
  EXPECT_EQ(service_->stats().tasks, 4U);
}

TEST_F(TaskServiceTest, MemoryLimitRefuses) {
  settings_.memory_limit = 8192;
  restart();
  std::string answer;
  int queued = 0;
  while ((answer = produce(make(std::to_string(queued)))).starts_with("queued")) ++queued;
  EXPECT_EQ(answer, "queue_full");
  EXPECT_GT(queued, 20);
  EXPECT_LE(service_->stats().memory_bytes, 8192U);
  restart();
  EXPECT_EQ(service_->stats().tasks, static_cast<std::uint64_t>(queued));
}

// A disk that refuses.

TEST_F(TaskServiceTest, RefusedChangesLeaveEverythingAsItWas) {
  produce(make("leased"));
  take(leased(1h));
  produce(make("ready"));
  disk_.failing = StoreError{StoreError::Kind::full, "no room"};
  EXPECT_EQ(produce(make("new")), "unavailable");
  EXPECT_FALSE(peek("\"new\""));
  EXPECT_EQ(done("\"leased\""), "unavailable");
  EXPECT_EQ(fail("\"leased\""), "unavailable");
  EXPECT_EQ(peek("\"leased\"")->state, TaskState::leased);
  EXPECT_EQ(erase("\"ready\""), "unavailable");
  EXPECT_EQ(take(), "unavailable");
  EXPECT_EQ(peek("\"ready\"")->state, TaskState::ready);
  EXPECT_FALSE(service_->stats().available);
  EXPECT_EQ(log_.entries("store_unavailable").size(), 1U) << "told once";
  EXPECT_EQ(log_.entries("store_unavailable")[0].field("MESSAGE_ID"),
            message_id::kStoreUnavailable);

  disk_.failing.reset();
  advance(2s);
  EXPECT_TRUE(service_->stats().available) << "by itself";
  EXPECT_EQ(log_.entries("store_available").size(), 1U);
  EXPECT_EQ(done("\"leased\""), "ok");
  EXPECT_EQ(take(), "\"ready\"");
  EXPECT_EQ(produce(make("new")), "queued \"new\"");
}

TEST_F(TaskServiceTest, WhatNobodyWaitsForIsWrittenWhenTheDiskIsBack) {
  NewTask task = make("a");
  task.max_attempts = 1;
  produce(task);
  NewTask mortal = make("b");
  mortal.ttl = 1s;
  produce(mortal);
  take(leased(500ms));
  disk_.failing = StoreError{StoreError::Kind::io, "broken"};
  advance(1s);
  EXPECT_EQ(peek("\"a\"")->state, TaskState::dead);
  EXPECT_EQ(disk_.rows.size(), 2U);
  advance(5s);
  disk_.failing.reset();
  advance(2s);
  ASSERT_EQ(disk_.rows.size(), 1U);
  EXPECT_TRUE(disk_.rows.begin()->second.record.dead);
}

TEST_F(TaskServiceTest, PutBackTaskSurvivesARefusal) {
  produce(make("a"));
  const auto taken = start_take({});
  taken->accept = false;
  dispatcher_->run_due_timers();
  committer_->commit();  // removed, and refused by the consumer
  EXPECT_TRUE(disk_.rows.empty());
  disk_.failing = StoreError{StoreError::Kind::full, "no room"};
  advance(1s);
  disk_.failing.reset();
  advance(2s);
  EXPECT_EQ(disk_.rows.size(), 1U);
  EXPECT_EQ(take(), "\"a\"");
  EXPECT_TRUE(disk_.rows.empty());
}

// SyncMode::off.

TEST_F(TaskServiceTest, WithSyncOffAnswersDoNotWait) {
  settings_.sync = SyncMode::off;
  restart();
  EXPECT_EQ(*start_produce(make("a")), "queued \"a\"");
  EXPECT_EQ(start_take({})->word, "\"a\"");
  EXPECT_EQ(*start_produce(make("b")), "queued \"b\"");
  run();
  const int before = disk_.commits;
  advance(settings_.sync_interval);
  EXPECT_EQ(disk_.commits, before + 1);
  ASSERT_EQ(disk_.rows.size(), 1U) << "what came and went never reached the disk";
  EXPECT_EQ(disk_.rows.begin()->second.id, "\"b\"");
  EXPECT_EQ(take(leased(1s)), "\"b\"");
  EXPECT_EQ(done("\"b\"", "1"), "ok");
  EXPECT_EQ(result_of("\"b\""), "1");
  advance(settings_.sync_interval);
  EXPECT_TRUE(disk_.rows.empty());
}

TEST_F(TaskServiceTest, WithSyncOffAFailingDiskLosesNothing) {
  settings_.sync = SyncMode::off;
  restart();
  produce(make("a"));
  disk_.failing = StoreError{StoreError::Kind::full, "no room"};
  advance(settings_.sync_interval);
  EXPECT_EQ(produce(make("b")), "unavailable");
  advance(5s);
  disk_.failing.reset();
  advance(5s);
  EXPECT_EQ(produce(make("b")), "queued \"b\"");
  advance(5s);
  EXPECT_EQ(disk_.rows.size(), 2U);
}

// Looking.

TEST_F(TaskServiceTest, ListsInPages) {
  for (int i = 0; i < 25; ++i) {
    NewTask task = make(std::to_string(i));
    task.queue = i % 2 == 0 ? "even" : "odd";
    produce(task);
  }
  ListRequest request;
  request.limit = 10;
  std::vector<std::string> ids;
  int pages = 0;
  do {
    service_->list(request, [&](const TaskResult<TaskPage>& page) {
      for (const Task& task : page->tasks) ids.push_back(task.id);
      request.after = page->next;
    });
    ++pages;
  } while (request.after != 0);
  EXPECT_EQ(pages, 3);
  ASSERT_EQ(ids.size(), 25U);
  for (int i = 0; i < 25; ++i)
    EXPECT_EQ(ids[static_cast<std::size_t>(i)], "\"" + std::to_string(i) + "\"");
  request = {.queue = "odd", .state = TaskState::ready, .limit = 1000};
  service_->list(request, [&](const TaskResult<TaskPage>& page) {
    EXPECT_EQ(page->tasks.size(), 12U);
    EXPECT_EQ(page->next, 0U);
  });
  request.state = TaskState::dead;
  service_->list(request, [&](const auto& page) { EXPECT_TRUE(page->tasks.empty()); });
}

TEST_F(TaskServiceTest, TellsTheObserver) {
  std::vector<std::string> seen;
  service_->set_observer([&](const TaskEvent& event) {
    seen.push_back(std::string(event.what) + " " + std::string(event.id));
  });
  produce(make("a"));
  take(leased(1s));
  fail("\"a\"", 0ms);
  take(leased(1s));
  done("\"a\"");
  EXPECT_THAT(seen, ::testing::ElementsAre("produced \"a\"", "taken \"a\"", "failed \"a\"",
                                           "taken \"a\"", "done \"a\""));
}

TEST_F(TaskServiceTest, CallbacksMayCallAgain) {
  int left = 50;
  std::function<void()> next = [&] {
    if (left-- == 0) return;
    service_->produce(make(std::to_string(left)), [&](const auto&) {
      service_->take(leased(1s), [&](TaskResult<std::optional<Task>> task) {
        service_->done({(*task)->id, (*task)->attempt}, "", [&](const auto&) { next(); });
        return true;
      });
    });
  };
  next();
  for (int i = 0; i < 10; ++i) run();
  EXPECT_EQ(service_->stats().done, 50U);
  EXPECT_TRUE(disk_.rows.empty());
}

}  // namespace
}  // namespace netd::tasks
