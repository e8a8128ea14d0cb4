// The whole service: its thread, SQLite and a loop that really turns.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>

#include "daemon/base/clock.h"
#include "daemon/event/dispatcher.h"
#include "daemon/tasks/task_service.h"
#include "tests/support/log_capture.h"
#include "tests/support/temp_dir.h"

namespace netd::tasks {
namespace {

using netd::test::LogCapture;
using netd::test::TempDir;
using namespace std::chrono_literals;

/// A service on a folder, with calls that wait for their answers.
class Running {
 public:
  explicit Running(const std::string& folder, SyncMode sync = SyncMode::always)
      : dispatcher_(std::move(Dispatcher::create(clock_).value())) {
    TaskServiceSettings settings;
    settings.path = folder;
    settings.sync = sync;
    settings.sync_interval = 10ms;
    auto service = TaskService::create(*dispatcher_, settings);
    if (!service) throw std::runtime_error(service.error().what());
    service_ = std::move(*service);
  }

  TaskService& service() { return *service_; }
  Dispatcher& dispatcher() { return *dispatcher_; }

  void turn_until(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + 30s;
    while (!condition()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "no answer";
      dispatcher_->turn(true);
    }
  }

  std::string produce(const std::string& id, const std::string& data = "\"x\"") {
    std::string word;
    NewTask task;
    task.id = id;
    task.data = data;
    service_->produce(std::move(task), [&](const TaskResult<Produced>& answer) {
      word = answer ? "queued" : std::string(error_code_name(answer.error().code));
    });
    turn_until([&] { return !word.empty(); });
    return word;
  }
  std::optional<Task> take(TakeRequest request = {}) {
    bool answered = false;
    std::optional<Task> taken;
    service_->take(std::move(request), [&](TaskResult<std::optional<Task>> answer) {
      answered = true;
      if (answer) taken = std::move(*answer);
      return true;
    });
    turn_until([&] { return answered; });
    return taken;
  }
  std::string done(const std::string& id, const std::string& result = "") {
    std::string word;
    service_->done({id, {}}, result, [&](const TaskResult<void>& answer) {
      word = answer ? "ok" : std::string(error_code_name(answer.error().code));
    });
    turn_until([&] { return !word.empty(); });
    return word;
  }

 private:
  SystemClock clock_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::unique_ptr<TaskService> service_;
};

class StorageThreadTest : public ::testing::TestWithParam<SyncMode> {
 protected:
  TempDir dir_;
  LogCapture log_;
};

TEST_P(StorageThreadTest, TasksOutliveTheService) {
  {
    Running netd(dir_ / "tasks", GetParam());
    for (int i = 0; i < 20; ++i) EXPECT_EQ(netd.produce(std::to_string(i)), "queued");
    TakeRequest leased;
    leased.lease = 1h;
    for (int i = 0; i < 5; ++i) {
      const auto task = netd.take(leased);
      ASSERT_TRUE(task);
      EXPECT_EQ(netd.done(task->id), "ok");
    }
    EXPECT_TRUE(netd.take());
  }
  Running netd(dir_ / "tasks", GetParam());
  for (int i = 6; i < 20; ++i) {
    const auto task = netd.take();
    ASSERT_TRUE(task);
    EXPECT_EQ(task->id, std::to_string(i));
  }
  EXPECT_FALSE(netd.take());
}

TEST_P(StorageThreadTest, ParkedConsumerIsWoken) {
  Running netd(dir_ / "tasks", GetParam());
  std::string got;
  TakeRequest request;
  request.wait = 20s;
  netd.service().take(request, [&](TaskResult<std::optional<Task>> task) {
    got = (*task)->id;
    return true;
  });
  EXPECT_EQ(netd.produce("1"), "queued");
  netd.turn_until([&] { return !got.empty(); });
  EXPECT_EQ(got, "1");
  request.wait = 5ms;
  EXPECT_FALSE(netd.take(request));
}

TEST_P(StorageThreadTest, ManyAtOnceShareTheirCommits) {
  Running netd(dir_ / "tasks", GetParam());
  const std::uint64_t before = netd.service().stats().commits;
  int queued = 0;
  for (int i = 0; i < 1000; ++i) {
    NewTask task;
    task.id = std::to_string(i);
    task.data = "1";
    netd.service().produce(std::move(task), [&](const auto& answer) { queued += answer ? 1 : 0; });
  }
  netd.turn_until([&] { return queued == 1000; });
  EXPECT_LE(netd.service().stats().commits, before + 3);
}

TEST_P(StorageThreadTest, LargeOnesDoNot) {
  Running netd(dir_ / "tasks", GetParam());
  const std::uint64_t before = netd.service().stats().commits;
  int queued = 0;
  for (int i = 0; i < 20; ++i) {
    NewTask task;
    task.id = std::to_string(i);
    task.data = "\"" + std::string(1'000'000, 'x') + "\"";
    netd.service().produce(std::move(task), [&](const auto& answer) { queued += answer ? 1 : 0; });
  }
  netd.turn_until([&] { return queued == 20 && netd.service().stats().commits >= before + 5; });
}

TEST_P(StorageThreadTest, EndsWithCallbacksOpen) {
  {
    Running netd(dir_ / "tasks", GetParam());
    NewTask task;
    task.id = "1";
    task.data = "1";
    netd.service().produce(std::move(task),
                           [&](const auto&) { EXPECT_EQ(GetParam(), SyncMode::off); });
  }
  Running netd(dir_ / "tasks", GetParam());
  EXPECT_TRUE(netd.take()) << "what was asked for was written";
}

INSTANTIATE_TEST_SUITE_P(Sync, StorageThreadTest,
                         ::testing::Values(SyncMode::always, SyncMode::batch, SyncMode::off),
                         [](const auto& suite) {
                           return std::string(suite.param == SyncMode::always  ? "always"
                                              : suite.param == SyncMode::batch ? "batch"
                                                                               : "off");
                         });

// kill -9.

/// Produces, takes and finishes tasks for ever; tells through `out` what was acknowledged: "+ID"
/// produced, "-ID" done; "~ID" says that `done` was asked for. What is written to a pipe outlives
/// the writer.
[[noreturn]] void work(const std::string& folder, int out, int round) {
  Running netd(folder);
  const auto say = [out](char what, const std::string& id) {
    const std::string line = what + id + "\n";
    if (::write(out, line.data(), line.size()) < 0) ::_exit(1);
  };
  int next = 0;
  TakeRequest leased;
  leased.lease = 1h;
  leased.wait = 1h;
  std::function<void()> produce = [&] {
    NewTask task;
    task.id = std::to_string(round) + std::string(static_cast<std::size_t>(next % 3), '0') +
              std::to_string(1'000'000 + next);
    ++next;
    task.data = "\"" + std::string(static_cast<std::size_t>(next % 300), 'x') + "\"";
    netd.service().produce(std::move(task), [&](const TaskResult<Produced>& answer) {
      if (answer) say('+', answer->id);
      produce();
    });
  };
  std::function<void()> consume = [&] {
    netd.service().take(leased, [&](TaskResult<std::optional<Task>> task) {
      const std::string id = (*task)->id;
      say('~', id);
      netd.service().done({id, {}}, "", [&, id](const TaskResult<void>& answer) {
        if (answer) say('-', id);
        consume();
      });
      return true;
    });
  };
  for (int i = 0; i < 8; ++i) produce();
  for (int i = 0; i < 6; ++i) consume();
  netd.dispatcher().run();
  ::_exit(0);
}

TEST(TaskCrashTest, NothingAcknowledgedIsLostByKill) {
  const char* rounds_text = std::getenv("NETD_CRASH_ROUNDS");
  const int rounds = rounds_text == nullptr ? 15 : std::atoi(rounds_text);
  TempDir dir;
  std::mt19937 random(std::random_device{}());
  std::set<std::string> alive;
  std::set<std::string> finished;
  std::size_t acknowledged = 0;
  for (int round = 1; round <= rounds; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(ends[0]);
      work(dir / "tasks", ends[1], round);
    }
    ::close(ends[1]);
    std::string said;
    char buffer[4096];
    // The first word says that it runs; then it has a random while.
    ssize_t got = ::read(ends[0], buffer, sizeof buffer);
    ASSERT_GT(got, 0);
    said.append(buffer, static_cast<std::size_t>(got));
    std::thread killer([&, after = std::chrono::microseconds(random() % 40'000)] {
      std::this_thread::sleep_for(after);
      ::kill(child, SIGKILL);
    });
    while ((got = ::read(ends[0], buffer, sizeof buffer)) > 0) {
      said.append(buffer, static_cast<std::size_t>(got));
    }
    killer.join();
    ::close(ends[0]);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);

    std::set<std::string> asked;
    for (std::size_t at = 0; at < said.size();) {
      const std::size_t end = said.find('\n', at);
      ASSERT_NE(end, std::string::npos);
      const std::string id = said.substr(at + 1, end - at - 1);
      if (said[at] == '+') acknowledged += alive.insert(id).second ? 1 : 0;
      if (said[at] == '~') asked.insert(id);
      if (said[at] == '-') finished.insert(id);
      at = end + 1;
    }

    Running netd(dir / "tasks");
    std::set<std::string> there;
    ListRequest request;
    request.limit = kMaxPage;
    do {
      netd.service().list(request, [&](const TaskResult<TaskPage>& page) {
        for (const Task& task : page->tasks) there.insert(task.id);
        request.after = page->next;
      });
    } while (request.after != 0);
    for (const std::string& id : alive) {
      EXPECT_TRUE(there.contains(id) || asked.contains(id)) << "lost: " << id;
    }
    for (const std::string& id : there) EXPECT_FALSE(finished.contains(id)) << "came back: " << id;
    // What was on its way may have happened or not: from now on it is as it is.
    alive = there;
  }
  EXPECT_GT(finished.size(), 0U);
  RecordProperty("rounds", rounds);
  RecordProperty("acknowledged", static_cast<int>(acknowledged));
  RecordProperty("finished", static_cast<int>(finished.size()));
}

// A full disk.

/// A file system of its own, with the options of mount(8). It goes with the test, however that
/// ends; that nothing is open on it any more is part of every test.
class SmallDisk {
 public:
  explicit SmallDisk(const char* options) : folder_(dir_ / "small") {
    std::filesystem::create_directory(folder_);
    mounted_ = ::mount("none", folder_.c_str(), "tmpfs", 0, options) == 0;
  }
  ~SmallDisk() {
    if (mounted_) {
      EXPECT_EQ(::umount(folder_.c_str()), 0);
    }
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  [[nodiscard]] bool mounted() const { return mounted_; }
  [[nodiscard]] const std::string& folder() const { return folder_; }

 private:
  TempDir dir_;
  std::string folder_;
  bool mounted_ = false;
};

/// How large the disk is: without room for a journal, and with it.
class TaskFullDiskTest : public ::testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(Disks, TaskFullDiskTest, ::testing::Values("size=1m", "size=48m"),
                         [](const auto& suite) { return std::string(suite.param).substr(5); });

TEST_P(TaskFullDiskTest, RefusesAndRecovers) {
  const SmallDisk disk(GetParam());
  if (!disk.mounted()) GTEST_SKIP() << "only root may mount a small file system";
  const std::string folder = disk.folder();
  {
    LogCapture log;
    const std::string filler = folder + "/filler";
    Running netd(folder + "/tasks");
    EXPECT_EQ(netd.produce("0"), "queued");
    {
      std::ofstream fill(filler, std::ios::binary);
      const std::string block(4096, 'x');
      while (fill.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) continue;
    }
    const std::string data = "\"" + std::string(50'000, 'x') + "\"";
    // The journal takes what it has room for.
    int taken = 0;
    while (taken < 1000 && netd.produce("j" + std::to_string(taken), data) == "queued") ++taken;
    EXPECT_LT(taken, 1000);
    EXPECT_EQ(taken > 0, std::string(GetParam()) != "size=1m");
    EXPECT_EQ(netd.produce("1", data), "unavailable");
    EXPECT_EQ(netd.produce("2", data), "unavailable");
    EXPECT_EQ(netd.service().stats().tasks, static_cast<std::uint64_t>(taken) + 1);
    EXPECT_EQ(log.entries("store_unavailable").size(), 1U);
    EXPECT_FALSE(netd.service().stats().available);
    EXPECT_NE(netd.service().trouble(), "");
    TakeRequest leased;
    leased.lease = 1h;
    for (int i = 0; i < taken / 2; ++i) {
      const auto task = netd.take(leased);
      ASSERT_TRUE(task);
      EXPECT_EQ(netd.done(task->id), "ok") << "consumers can go on";
    }
    std::filesystem::remove(filler);
    // A small change may have had room before.
    netd.turn_until([&] { return netd.produce("1", data) == "queued"; });
    EXPECT_TRUE(netd.service().stats().available);
    EXPECT_EQ(netd.service().stats().tasks, static_cast<std::uint64_t>(taken - taken / 2) + 2);
    for (int i = -1; i < taken - taken / 2; ++i) EXPECT_TRUE(netd.take());
  }
  {
    LogCapture log;
    Running netd(folder + "/tasks");
    EXPECT_EQ(netd.take()->id, "1");
    EXPECT_FALSE(netd.take());
  }
}

/// Nobody gives it room but those who finish their tasks: where the disk has none for a journal,
/// none for SQLite's log, and room for both.
class TaskFilledDiskTest : public ::testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(Disks, TaskFilledDiskTest,
                         ::testing::Values("size=2m", "size=6m", "size=26m", "size=48m"),
                         [](const auto& suite) { return std::string(suite.param).substr(5); });

TEST_P(TaskFilledDiskTest, WhatItTookCanBeFinishedAndItTakesMore) {
  const SmallDisk disk(GetParam());
  if (!disk.mounted()) GTEST_SKIP() << "only root may mount a small file system";
  const std::string folder = disk.folder();
  {
    LogCapture log;
    const std::string data = "\"" + std::string(2050, 'x') + "\"";
    const auto fill = [&data](Running& netd, const std::string& name) {
      int taken = 0;
      for (int refused = 0; taken < 30'000 && refused < 200;) {
        netd.produce(name + std::to_string(taken), data) == "queued" ? ++taken : ++refused;
      }
      return taken;
    };
    auto netd = std::make_unique<Running>(folder + "/tasks");
    int taken = fill(*netd, "a");
    EXPECT_GT(taken, 50);
    EXPECT_LT(taken, 30'000);
    netd.reset();
    netd = std::make_unique<Running>(folder + "/tasks");
    taken += fill(*netd, "b");
    TakeRequest leased;
    leased.lease = 1h;
    for (int i = 0; i < taken; ++i) {
      const auto task = netd->take(leased);
      ASSERT_TRUE(task);
      // A result that the disk has no room for is forgotten.
      ASSERT_EQ(netd->done(task->id, data), "ok") << "task " << i << " of " << taken;
    }
    EXPECT_EQ(netd->service().stats().tasks, 0U);
    netd->turn_until([&] { return netd->produce("again", data) == "queued"; });
    EXPECT_TRUE(netd->take());
  }
}

}  // namespace
}  // namespace netd::tasks
