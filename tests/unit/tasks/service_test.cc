#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/unit/tasks/service_fixture.h"

namespace netd::tasks {
namespace {

using namespace std::chrono_literals;

class TaskServiceTest : public test::ServiceFixture {};

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

TEST_F(TaskServiceTest, AResultOfAnOlderTaskIsNotThatOfANewerOne) {
  const auto work = [this](std::string result) {
    produce(make("a"));
    take(leased(60s));
    EXPECT_EQ(done("\"a\"", std::move(result)), "ok");
  };
  work("1");
  EXPECT_EQ(result_of("\"a\""), "1");
  work("");
  EXPECT_EQ(result_of("\"a\""), "not_found");
  work("2");
  EXPECT_EQ(result_of("\"a\""), "2");
  restart();
  produce(make("a"));
  EXPECT_EQ(take(), "\"a\"") << "without a lease: done";
  EXPECT_EQ(result_of("\"a\""), "not_found");
  work("3");
  produce(make("a"));
  EXPECT_EQ(erase("\"a\""), "ok");
  EXPECT_EQ(result_of("\"a\""), "3") << "the newer one never ended";
}

TEST_F(TaskServiceTest, WhereNoResultIsNoneIsForgotten) {
  produce(make("a"));
  take(leased(60s));
  EXPECT_EQ(done("\"a\""), "ok");
  EXPECT_TRUE(disk_.results.empty()) << "a change that nobody needs";
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
