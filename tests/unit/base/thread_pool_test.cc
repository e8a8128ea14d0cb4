#include "daemon/base/thread_pool.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <vector>

namespace netd {
namespace {

/// Holds a pool's thread until it is opened.
class Gate {
 public:
  void open() { promise_.set_value(); }
  [[nodiscard]] ThreadPool::Job pass() {
    return [this] { future_.wait(); };
  }

 private:
  std::promise<void> promise_;
  std::shared_future<void> future_ = promise_.get_future().share();
};

TEST(ThreadPool, RunsJobsInOrderOnOneThread) {
  std::vector<int> order;
  {
    ThreadPool pool("test", 1, 100);
    for (int i = 0; i < 100; ++i) {
      // The bound counts waiting jobs, and 100 of them fit even if none has started.
      ASSERT_TRUE(pool.submit([&order, i] { order.push_back(i); }));
    }
  }
  ASSERT_EQ(order.size(), 100U);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST(ThreadPool, StartsNoThreadBeforeItIsNeeded) {
  ThreadPool pool("test", 4, 10);
  EXPECT_EQ(pool.threads(), 0U);
  std::promise<void> done;
  ASSERT_TRUE(pool.submit([&] { done.set_value(); }));
  done.get_future().wait();
  EXPECT_EQ(pool.threads(), 1U);
}

TEST(ThreadPool, UsesAsManyThreadsAsAllowedWhenJobsBlock) {
  Gate gate;
  std::atomic<int> running{0};
  std::promise<void> all_running;
  {
    ThreadPool pool("test", 3, 10);
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(pool.submit([&, pass = gate.pass()]() mutable {
        if (++running == 3) all_running.set_value();
        pass();
      }));
    }
    all_running.get_future().wait();
    EXPECT_EQ(pool.threads(), 3U);
    gate.open();
  }
}

TEST(ThreadPool, RefusesWhenTooManyWait) {
  Gate gate;
  ThreadPool pool("test", 1, 2);
  std::promise<void> started;
  ASSERT_TRUE(pool.submit([&, pass = gate.pass()]() mutable {
    started.set_value();
    pass();
  }));
  started.get_future().wait();
  auto owned = std::make_shared<int>(1);
  EXPECT_TRUE(pool.submit([] {}));
  EXPECT_TRUE(pool.submit([] {}));
  EXPECT_EQ(pool.waiting(), 2U);
  EXPECT_FALSE(pool.submit([owned] {}));
  EXPECT_EQ(owned.use_count(), 1) << "the refused job is destroyed";
  gate.open();
}

TEST(ThreadPool, RunsWhatWaitsBeforeItEnds) {
  std::atomic<int> ran{0};
  Gate gate;
  {
    ThreadPool pool("test", 2, 100);
    ASSERT_TRUE(pool.submit(gate.pass()));
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(pool.submit([&] { ++ran; }));
    gate.open();
  }
  EXPECT_EQ(ran, 50);
}

TEST(ThreadPool, JobsMaySubmitJobs) {
  std::promise<void> done;
  ThreadPool pool("test", 1, 10);
  ASSERT_TRUE(pool.submit([&] { EXPECT_TRUE(pool.submit([&] { done.set_value(); })); }));
  done.get_future().wait();
}

TEST(ThreadPool, ThreadsTakeNoSignalsAndBearTheName) {
  std::promise<std::string> name;
  std::promise<bool> blocked;
  ThreadPool pool("a-name-that-is-far-too-long", 1, 10);
  ASSERT_TRUE(pool.submit([&] {
    sigset_t mask;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    blocked.set_value(::sigismember(&mask, SIGTERM) == 1 && ::sigismember(&mask, SIGHUP) == 1);
  }));
  EXPECT_TRUE(blocked.get_future().get());
  ASSERT_TRUE(pool.submit([&] {
    char text[32] = {};
    ::pthread_getname_np(::pthread_self(), text, sizeof text);
    name.set_value(text);
  }));
  EXPECT_EQ(name.get_future().get(), "a-name-that-is-");
}

}  // namespace
}  // namespace netd
