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

class TaskDiskTest : public test::ServiceFixture {};

// Limits.

TEST_F(TaskDiskTest, FullQueueRefuses) {
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

TEST_F(TaskDiskTest, DataIsLeftToTheDiskWhenMemoryGetsShort) {
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

TEST_F(TaskDiskTest, TaskOfTheDiskAloneThatCouldNotBeDeliveredComesBackWhole) {
  settings_.memory_limit = 8192;
  restart();
  const std::string data = "\"" + std::string(2000, 'x') + "\"";
  for (int i = 0; i < 8; ++i) produce(make(std::to_string(i), data));
  ASSERT_GT(service_->stats().queues.front().bytes, service_->stats().memory_bytes);
  for (int i = 0; i < 8; ++i) {
    const std::string id = "\"" + std::to_string(i) + "\"";
    const auto broken = start_take({});
    broken->accept = false;
    run();
    EXPECT_EQ(broken->word, id);
    EXPECT_EQ(disk_.rows.begin()->second.data, data) << "it is back on the disk";
    const auto next = start_take({});
    run();
    ASSERT_TRUE(next->task);
    EXPECT_EQ(next->task->id, id);
    EXPECT_EQ(next->task->data, data);
  }
  EXPECT_TRUE(disk_.rows.empty());
}

TEST_F(TaskDiskTest, MemoryLimitRefuses) {
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

TEST_F(TaskDiskTest, RefusedChangesLeaveEverythingAsItWas) {
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

TEST_F(TaskDiskTest, OnAFullDiskTasksCanBeFinishedButNotAdded) {
  produce(make("leased"));
  produce(make("failing"));
  produce(make("ready"));
  produce(make("unwanted"));
  take(leased(1h));
  take(leased(1h));
  disk_.full = StoreError{StoreError::Kind::full, "no room"};
  // In one turn, and so in one commit.
  const auto refused = start_produce(make("new"));
  EXPECT_EQ(done("\"leased\"", "1"), "ok");
  EXPECT_EQ(*refused, "unavailable");
  EXPECT_EQ(result_of("\"leased\""), "1");
  EXPECT_EQ(fail("\"failing\""), "ok");
  EXPECT_EQ(erase("\"unwanted\""), "ok");
  EXPECT_EQ(take(), "\"ready\"");
  EXPECT_EQ(disk_.rows.size(), 1U) << "the one that failed";
  EXPECT_FALSE(service_->stats().available);
  EXPECT_THAT(service_->trouble(), ::testing::HasSubstr("new tasks are refused"));
  advance(2s);
  EXPECT_FALSE(service_->stats().available) << "what ends tasks says nothing of new ones";
  EXPECT_EQ(log_.entries("store_unavailable").size(), 1U);
  disk_.full.reset();
  advance(2s);
  EXPECT_TRUE(service_->stats().available);
  EXPECT_EQ(service_->trouble(), "");
  EXPECT_EQ(produce(make("new")), "queued \"new\"");
}

TEST_F(TaskDiskTest, ATaskPutBackOnAFullDiskIsWrittenLater) {
  produce(make("a"));
  produce(make("b"));
  const auto taken = start_take({});
  taken->accept = false;
  dispatcher_->run_due_timers();
  committer_->commit();  // removed, and refused by the consumer
  disk_.full = StoreError{StoreError::Kind::full, "no room"};
  EXPECT_EQ(erase("\"b\""), "ok") << "goes with the other in one commit";
  EXPECT_TRUE(disk_.rows.empty());
  disk_.full.reset();
  advance(2s);
  EXPECT_EQ(disk_.rows.size(), 1U);
  EXPECT_EQ(take(), "\"a\"");
}

TEST_F(TaskDiskTest, WhatNobodyWaitsForIsWrittenWhenTheDiskIsBack) {
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

TEST_F(TaskDiskTest, PutBackTaskSurvivesARefusal) {
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

class TaskGatheringTest : public test::ServiceFixture {
 protected:
  TaskGatheringTest() {
    settings_.gather = std::chrono::microseconds(300);
    restart();
  }
  void produce_new(int count) {
    for (int i = 0; i < count; ++i) (void)start_produce(make(std::to_string(++made_)));
  }
  void end_turn() { dispatcher_->run_due_timers(); }

  int made_ = 0;
};

TEST_F(TaskGatheringTest, WhereManyWaitedACommitWaitsForAsMany) {
  produce_new(2);
  end_turn();
  EXPECT_FALSE(committer_->idle()) << "a few wait for nobody";
  run();
  produce_new(20);
  run();
  for (int turn = 0; turn < 3; ++turn) {
    produce_new(6);
    end_turn();
    EXPECT_TRUE(committer_->idle());
    end_turn();
    EXPECT_TRUE(committer_->idle()) << "a turn that brings nothing does not end the wait";
  }
  produce_new(2);
  end_turn();
  EXPECT_FALSE(committer_->idle()) << "all are there";
  const int commits = disk_.commits;
  run();
  EXPECT_EQ(disk_.commits, commits + 1);
  EXPECT_EQ(disk_.rows.size(), static_cast<std::size_t>(made_));
}

TEST_F(TaskGatheringTest, ACommitWaitsForNobodyForLong) {
  produce_new(20);
  run();
  produce_new(9);
  end_turn();
  clock_.advance(std::chrono::microseconds(299));
  end_turn();
  EXPECT_TRUE(committer_->idle());
  clock_.advance(std::chrono::microseconds(1));
  end_turn();
  EXPECT_FALSE(committer_->idle());
  run();
  produce_new(9);
  end_turn();
  EXPECT_FALSE(committer_->idle()) << "no more than that are to be expected any longer";
  run();
}

// SyncMode::off.

TEST_F(TaskDiskTest, WithSyncOffAnswersDoNotWait) {
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

TEST_F(TaskDiskTest, LargeTasksOfOneTurnGoInSeveralCommits) {
  for (const SyncMode sync : {SyncMode::always, SyncMode::off}) {
    settings_.sync = sync;
    restart();
    const int before = disk_.commits;
    const std::string data = "\"" + std::string(1'000'000, 'x') + "\"";
    for (int i = 0; i < 9; ++i) start_produce(make(std::to_string(i), data));
    dispatcher_->run_due_timers();
    advance(settings_.sync_interval);
    EXPECT_EQ(disk_.rows.size(), 9U);
    if (sync == SyncMode::off) {
      EXPECT_EQ(disk_.commits, before + 3) << "each when the one before is made";
      for (int i = 0; i < 9; ++i) start_produce(make("x" + std::to_string(i), data));
      restart();
      EXPECT_EQ(service_->stats().tasks, 18U) << "at the end too";
    }
    while (take() != "empty") continue;
    advance(settings_.sync_interval);
  }
}

TEST_F(TaskDiskTest, WithSyncOffAFailingDiskLosesNothing) {
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

}  // namespace
}  // namespace netd::tasks
