#include "daemon/event/dispatcher.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "daemon/event/read_watch.h"
#include "daemon/event/signals.h"
#include "daemon/event/timer.h"
#include "tests/support/fake_clock.h"

namespace netd {
namespace {

using namespace std::chrono_literals;

class DispatcherTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto made = Dispatcher::create(clock_);
    ASSERT_TRUE(made);
    dispatcher_ = std::move(*made);
  }

  test::FakeClock clock_;
  std::unique_ptr<Dispatcher> dispatcher_;
};

TEST_F(DispatcherTest, RunsPostedWorkInOrder) {
  std::vector<int> seen;
  for (int i = 0; i < 5; ++i) dispatcher_->post([&seen, i] { seen.push_back(i); });
  dispatcher_->turn(true);
  EXPECT_EQ(seen, (std::vector{0, 1, 2, 3, 4}));
}

TEST_F(DispatcherTest, WorkPostedByWorkWaitsForTheNextTurn) {
  int runs = 0;
  dispatcher_->post([&] {
    ++runs;
    dispatcher_->post([&] { ++runs; });
  });
  dispatcher_->turn(true);
  EXPECT_EQ(runs, 1);
  dispatcher_->turn(true);
  EXPECT_EQ(runs, 2);
}

TEST_F(DispatcherTest, WorkPostedByATimerNeedsNoWakeup) {
  bool ran = false;
  Timer timer(*dispatcher_, [&] { dispatcher_->post([&] { ran = true; }); });
  timer.arm(Duration::zero());
  dispatcher_->turn(false);
  dispatcher_->turn(true);  // must not wait for the heartbeat
  EXPECT_TRUE(ran);
}

TEST_F(DispatcherTest, WorkPostedByAnEventRunsInItsTurn) {
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC | O_NONBLOCK), 0);
  const UniqueFd from(pipe[0]);
  const UniqueFd to(pipe[1]);
  bool ran = false;
  const auto watch =
      ReadWatch::create(*dispatcher_, from.get(), [&] { dispatcher_->post([&] { ran = true; }); });
  ASSERT_TRUE(watch);
  ASSERT_EQ(::write(to.get(), "x", 1), 1);
  dispatcher_->turn(true);
  EXPECT_TRUE(ran);
}

TEST_F(DispatcherTest, TakesWorkFromOtherThreadsAndStops) {
  constexpr int kThreads = 4;
  constexpr int kEach = 1000;
  int runs = 0;
  std::vector<std::jthread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) {
        dispatcher_->post([&] {
          if (++runs == kThreads * kEach) dispatcher_->stop();
        });
      }
    });
  }
  dispatcher_->run();
  EXPECT_EQ(runs, kThreads * kEach);
}

TEST_F(DispatcherTest, WorkPostedBeforeStopStillRuns) {
  bool ran = false;
  dispatcher_->post([&] { dispatcher_->post([&] { ran = true; }); });
  dispatcher_->stop();
  dispatcher_->run();
  EXPECT_FALSE(ran);
  dispatcher_->turn(false);
  EXPECT_TRUE(ran);
}

TEST_F(DispatcherTest, WhatIsExpectedIsHandledWhenItComes) {
  int runs = 0;
  std::jthread other([&] {
    for (int i = 0; i < 100; ++i) {
      dispatcher_->post([&] { ++runs; });
      std::this_thread::yield();
    }
    dispatcher_->post([&] { runs = -1; });
  });
  while (runs >= 0) {
    dispatcher_->expect_soon();
    dispatcher_->turn(true);
  }
}

TEST_F(DispatcherTest, ExpectationIsForgottenAfterTheTurn) {
  bool rang = false;
  Timer timer(*dispatcher_, [&] { rang = true; });
  timer.arm(Duration::zero());
  dispatcher_->expect_soon();
  dispatcher_->turn(true);
  EXPECT_TRUE(rang) << "a timer that is due is no reason to wait";
}

TEST_F(DispatcherTest, ExpectingInVainCostsLittle) {
  const auto cpu_time = [] {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  };
  constexpr int kTurns = 400;
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC | O_NONBLOCK), 0);
  const UniqueFd from(pipe[0]);
  const UniqueFd to(pipe[1]);
  int seen = 0;
  const auto watch = ReadWatch::create(*dispatcher_, from.get(), [&] {
    char byte = 0;
    seen += static_cast<int>(::read(from.get(), &byte, 1));
  });
  ASSERT_TRUE(watch);
  const auto cost = [&](bool expecting) {
    seen = 0;
    std::jthread late([&] {
      // Ten times as long as it is looked for.
      for (int i = 0; i < kTurns; ++i) {
        std::this_thread::sleep_for(10 * Dispatcher::kLookOut);
        EXPECT_EQ(::write(to.get(), "x", 1), 1);
      }
    });
    const auto before = cpu_time();
    while (seen < kTurns) {
      if (expecting) dispatcher_->expect_soon();
      dispatcher_->turn(true);
    }
    return cpu_time() - before;
  };
  // The turns themselves cost something, too; looking out each time would take kLookOut each time.
  const auto without = cost(false);
  EXPECT_LT(cost(true) - without, kTurns * Dispatcher::kLookOut / 2);
}

TEST_F(DispatcherTest, FreesDeferredObjectsAfterTheTurn) {
  struct Probe : DeferredDeletable {
    explicit Probe(bool& gone) : gone_(gone) {}
    ~Probe() override { gone_ = true; }
    bool& gone_;
  };
  bool gone = false;
  dispatcher_->post([&] {
    dispatcher_->defer(std::make_unique<Probe>(gone));
    EXPECT_FALSE(gone);
  });
  dispatcher_->turn(true);
  EXPECT_TRUE(gone);
}

TEST_F(DispatcherTest, RunsTimersInTheOrderOfTheirDeadlines) {
  std::vector<int> fired;
  std::vector<std::unique_ptr<Timer>> timers;
  std::vector<int> order(200);
  for (int i = 0; i < 200; ++i) order[static_cast<std::size_t>(i)] = i;
  std::ranges::shuffle(order, std::mt19937(7));  // NOLINT(bugprone-random-generator-seed)
  for (const int i : order) {
    timers.push_back(std::make_unique<Timer>(*dispatcher_, [&fired, i] { fired.push_back(i); }));
    timers.back()->arm(std::chrono::milliseconds(i + 1));
  }
  // A third of them is cancelled in between.
  std::vector<int> expected;
  for (std::size_t at = 0; at < order.size(); ++at) {
    if (at % 3 == 0) timers[at]->cancel();
  }
  for (int i = 0; i < 200; ++i) {
    const auto at = static_cast<std::size_t>(std::ranges::find(order, i) - order.begin());
    if (at % 3 != 0) expected.push_back(i);
  }
  for (int i = 0; i < 201; ++i) {
    clock_.advance(1ms);
    dispatcher_->run_due_timers();
  }
  EXPECT_EQ(fired, expected);
}

TEST_F(DispatcherTest, ATimerArmedForLaterFiresAtTheLaterTimeOnly) {
  int fired = 0;
  Timer timer(*dispatcher_, [&] { ++fired; });
  timer.arm(10ms);
  clock_.advance(5ms);
  dispatcher_->run_due_timers();
  timer.arm(10ms);  // due at 15 ms now
  clock_.advance(6ms);
  dispatcher_->run_due_timers();
  EXPECT_EQ(fired, 0);
  clock_.advance(4ms);
  dispatcher_->run_due_timers();
  EXPECT_EQ(fired, 1);
  EXPECT_FALSE(timer.armed());
}

TEST_F(DispatcherTest, ATimerArmedForEarlierFiresAtTheEarlierTime) {
  int fired = 0;
  Timer timer(*dispatcher_, [&] { ++fired; });
  timer.arm(1h);
  timer.arm(10ms);
  clock_.advance(10ms);
  dispatcher_->run_due_timers();
  EXPECT_EQ(fired, 1);
}

TEST_F(DispatcherTest, ATimerMayArmItselfAndDestroyItself) {
  int fired = 0;
  std::unique_ptr<Timer> timer;
  timer = std::make_unique<Timer>(*dispatcher_, [&] {
    if (++fired < 3) {
      timer->arm(Duration::zero());
    } else {
      timer.reset();
    }
  });
  timer->arm(Duration::zero());
  for (int i = 0; i < 5; ++i) dispatcher_->run_due_timers();
  EXPECT_EQ(fired, 3);
  EXPECT_EQ(timer, nullptr);
}

/// The loop's own clock is coarser than ours and may end its wait before our time has come: here
/// the clock stands still, and so every wake-up is early.
TEST_F(DispatcherTest, AWakeUpBeforeItsTimeIsNotTheLast) {
  int runs = 0;
  Timer timer(*dispatcher_, [&] { ++runs; });
  timer.arm(5ms);
  dispatcher_->turn(true);
  dispatcher_->turn(true);  // would sleep for ever if nothing were armed any more
  EXPECT_EQ(runs, 0);
  clock_.advance(5ms);
  dispatcher_->turn(true);
  EXPECT_EQ(runs, 1);
}

TEST_F(DispatcherTest, ADelayBeyondTheClockIsForEver) {
  int fired = 0;
  Timer timer(*dispatcher_, [&] { ++fired; });
  timer.arm(Duration::max());
  clock_.advance(std::chrono::hours(24 * 365));
  dispatcher_->run_due_timers();
  EXPECT_EQ(fired, 0);
}

TEST(DispatcherWithRealTime, WakesForATimerAndShowsThatItTurns) {
  const SystemClock clock;
  auto dispatcher = Dispatcher::create(clock);
  ASSERT_TRUE(dispatcher);
  const Monotonic before = (*dispatcher)->last_turn();
  Timer timer(**dispatcher, [&] { (*dispatcher)->stop(); });
  timer.arm(20ms);
  const Monotonic start = clock.now();
  (*dispatcher)->run();
  EXPECT_GE(clock.now() - start, 20ms);
  EXPECT_GT((*dispatcher)->last_turn(), before);
}

TEST(DispatcherWithRealTime, DeliversSignals) {
  const SystemClock clock;
  auto dispatcher = Dispatcher::create(clock);
  ASSERT_TRUE(dispatcher);
  std::vector<int> seen;
  auto signals = Signals::create(**dispatcher, {SIGUSR2}, [&](int number) {
    seen.push_back(number);
    (*dispatcher)->stop();
  });
  ASSERT_TRUE(signals);
  ::kill(::getpid(), SIGUSR2);
  (*dispatcher)->run();
  EXPECT_EQ(seen, std::vector{SIGUSR2});
}

TEST(DispatcherWithRealTime, AReadWatchPausesAndResumes) {
  const SystemClock clock;
  auto dispatcher = Dispatcher::create(clock);
  ASSERT_TRUE(dispatcher);
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const UniqueFd reader(ends[0]);
  const UniqueFd writer(ends[1]);
  int calls = 0;
  auto watch = ReadWatch::create(**dispatcher, reader.get(), [&] { ++calls; });
  ASSERT_TRUE(watch);
  ASSERT_EQ(::write(writer.get(), "x", 1), 1);
  (*dispatcher)->turn(false);
  EXPECT_EQ(calls, 1);
  (*watch)->pause();
  (*dispatcher)->turn(false);
  EXPECT_EQ(calls, 1);
  (*watch)->resume();
  (*dispatcher)->turn(false);
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace netd
