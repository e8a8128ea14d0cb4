#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/message_ids.h"
#include "tests/unit/tasks/service_fixture.h"

namespace netd::tasks {
namespace {

using namespace std::chrono_literals;

class TaskLeaseTest : public test::ServiceFixture {};

// Leases.

TEST_F(TaskLeaseTest, LeasedTaskIsDone) {
  produce(make("a"));
  EXPECT_EQ(take(leased(10s)), "\"a\"");
  EXPECT_EQ(take(), "empty");
  EXPECT_EQ(disk_.rows.size(), 1U);
  EXPECT_EQ(peek("\"a\"")->state, TaskState::leased);
  EXPECT_EQ(done("\"a\""), "ok");
  EXPECT_TRUE(disk_.rows.empty());
  EXPECT_EQ(done("\"a\""), "not_found");
}

TEST_F(TaskLeaseTest, HandingOutUnderALeaseDoesNotWaitForTheDisk) {
  produce(make("a"));
  EXPECT_EQ(start_take(leased(10s))->word, "\"a\"");
}

TEST_F(TaskLeaseTest, LeaseThatRunsOutGivesTheTaskBack) {
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

TEST_F(TaskLeaseTest, AnOlderAttemptHasNoSay) {
  produce(make("a"));
  take(leased(1s));
  advance(1s);
  take(leased(10s));
  EXPECT_EQ(done("\"a\"", "", 1), "not_leased");
  EXPECT_EQ(done("\"a\"", "", 2), "ok");
}

TEST_F(TaskLeaseTest, BoundLeaseEndsWithItsHolder) {
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

TEST_F(TaskLeaseTest, AfterARestartLeasedTasksAreReady) {
  produce(make("a"));
  take(leased(1h));
  restart();
  EXPECT_EQ(take(), "\"a\"");
}

TEST_F(TaskLeaseTest, AttemptThatTheEndOfNetdCutShortCounts) {
  NewTask task = make("a");
  task.max_attempts = 2;
  produce(task);
  take(leased(1h));
  advance(20ms);
  crash();
  auto taken = start_take(leased(1h));
  ASSERT_TRUE(taken->task);
  EXPECT_EQ(taken->task->attempt, 2U);
  advance(20ms);
  crash();
  EXPECT_EQ(peek("\"a\"")->state, TaskState::dead) << "as if its last lease had run out";
  EXPECT_EQ(log_.entries("task_dead").size(), 1U);
  crash();
  EXPECT_EQ(log_.entries("task_dead").size(), 1U) << "it was written down";
  EXPECT_EQ(kick("\"a\""), "ok");
}

TEST_F(TaskLeaseTest, ACleanStopCountsEveryAttempt) {
  produce(make("a"));
  take(leased(1h));
  restart();
  const auto taken = start_take({});
  run();
  ASSERT_TRUE(taken->task);
  EXPECT_EQ(taken->task->attempt, 2U);
}

TEST_F(TaskLeaseTest, ShortAttemptsCostTheDiskNothing) {
  produce(make("a"));
  const int before = disk_.commits;
  take(leased(1h));
  advance(19ms);
  EXPECT_EQ(disk_.commits, before);
  EXPECT_EQ(done("\"a\""), "ok");
  EXPECT_EQ(disk_.commits, before + 1);
  advance(1s);
  EXPECT_EQ(disk_.commits, before + 1);
}

TEST_F(TaskLeaseTest, ALeaseIsNotAsOldAsTheOneGivenBackBeforeIt) {
  produce(make("a"));
  take(leased(1h));
  EXPECT_EQ(answer([&](auto done) { service_->give_back({"\"a\"", {}}, {}, done); }), "ok");
  advance(10ms);
  take(leased(1h));  // the same attempt once more
  advance(19ms);
  EXPECT_EQ(disk_.rows.begin()->second.record.attempt, 0U);
  advance(1ms);
  EXPECT_EQ(disk_.rows.begin()->second.record.attempt, 1U);
}

TEST_F(TaskLeaseTest, AttemptOfATaskThatWasHeldAtItsTimeCounts) {
  produce(make("a"));
  take(leased(1h));
  disk_.failing = StoreError{StoreError::Kind::full, "no room"};
  const auto word = std::make_shared<std::string>();
  service_->done({"\"a\"", {}}, "", [word](const auto& result) {
    *word = result ? "ok" : std::string(error_code_name(result.error().code));
  });
  advance(20ms);
  EXPECT_EQ(*word, "unavailable");
  disk_.failing.reset();
  advance(2s);
  EXPECT_EQ(disk_.rows.begin()->second.record.attempt, 1U);
}

TEST_F(TaskLeaseTest, WritingTheAttemptDownDoesNotUndoItsEnd) {
  produce(make("a"));
  take(leased(1h));
  clock_.advance(20ms);
  const auto failed = std::make_shared<std::string>();
  service_->fail({"\"a\"", {}}, 1h, [failed](const auto& result) {
    *failed = result ? "ok" : std::string(error_code_name(result.error().code));
  });
  run();
  EXPECT_EQ(*failed, "ok");
  crash();
  EXPECT_EQ(peek("\"a\"")->state, TaskState::delayed);
}

TEST_F(TaskLeaseTest, TwoDonesAtOnceAreOneDone) {
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

TEST_F(TaskLeaseTest, FailedTaskComesBackAfterAGrowingDelay) {
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

TEST_F(TaskLeaseTest, RetryDelayHasAnEnd) {
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

TEST_F(TaskLeaseTest, FailTakesTheDelayThatItIsGiven) {
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

TEST_F(TaskLeaseTest, TheLastAttemptThatFailsLeavesTheTaskDead) {
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
  EXPECT_EQ(log_.entries("task_dead")[0].field("NETD_TASK"), "a");
  EXPECT_EQ(bare_id("7"), "7");
  EXPECT_EQ(bare_id("\"\""), "\"\"");
  EXPECT_EQ(bare_id("\"a\\nb\""), "\"a\\nb\"");
  restart();
  EXPECT_EQ(peek("\"a\"")->state, TaskState::dead);
  EXPECT_EQ(kick("\"a\""), "ok");
  EXPECT_EQ(peek("\"a\"")->attempt, 0U);
  EXPECT_EQ(take(), "\"a\"");
}

TEST_F(TaskLeaseTest, LeasesThatRunOutUseAttemptsUp) {
  NewTask task = make("a");
  task.max_attempts = 1;
  produce(task);
  take(leased(1s));
  advance(1s);
  EXPECT_EQ(peek("\"a\"")->state, TaskState::dead);
  restart();
  EXPECT_EQ(peek("\"a\"")->state, TaskState::dead);
}

TEST_F(TaskLeaseTest, GivenBackAttemptDoesNotCount) {
  NewTask task = make("a");
  task.max_attempts = 1;
  produce(task);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(take(leased(1s)), "\"a\"");
    EXPECT_EQ(answer([&](auto done) { service_->give_back({"\"a\"", {}}, {}, done); }), "ok");
  }
}

TEST_F(TaskLeaseTest, KickQueueRevivesTheOldestDead) {
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

TEST_F(TaskLeaseTest, KickMakesADelayedTaskReadyAndLeavesALeasedOne) {
  NewTask task = make("a");
  task.delay = 1h;
  produce(task);
  EXPECT_EQ(kick("\"a\""), "ok");
  EXPECT_EQ(take(leased(1h)), "\"a\"");
  EXPECT_EQ(kick("\"a\""), "leased");
  EXPECT_EQ(kick("\"b\""), "not_found");
}

TEST_F(TaskLeaseTest, EraseTakesATaskAwayInAnyState) {
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

TEST_F(TaskLeaseTest, TaskThatNobodyTakesExpires) {
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

TEST_F(TaskLeaseTest, LeasedTaskExpiresOnlyWhenItComesBack) {
  NewTask task = make("a");
  task.ttl = 10s;
  produce(task);
  take(leased(1min));
  advance(30s);
  EXPECT_EQ(touch("\"a\""), "ok");
  EXPECT_EQ(fail("\"a\"", 0ms), "ok");
  EXPECT_FALSE(peek("\"a\""));
}

TEST_F(TaskLeaseTest, TaskThatExpiredWhileNetdWasDownIsGone) {
  NewTask task = make("a");
  task.ttl = 10s;
  produce(task);
  service_.reset();
  clock_.advance(11s);
  restart();
  EXPECT_FALSE(peek("\"a\""));
  EXPECT_TRUE(disk_.rows.empty());
}

}  // namespace
}  // namespace netd::tasks
