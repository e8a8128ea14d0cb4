#include "daemon/tasks/queue_set.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <memory>
#include <random>
#include <string>

namespace netd::tasks {
namespace {

struct Texts {
  std::string id;
  std::string data;
};

Slot add(QueueSet& set, std::uint64_t seq, const Texts& texts, std::int32_t priority = 0) {
  Record record;
  record.seq = seq;
  record.id = texts.id;
  record.queue = "q";
  record.data = texts.data;
  record.priority = priority;
  const Slot slot = set.add(record, TaskState::ready, {}, true);
  set.set_on_disk(slot, true);
  set.let_go(slot);
  return slot;
}

TEST(QueueSetTest, AHeldTaskIsInNoQueue) {
  QueueSet set;
  const Slot slot = add(set, 1, {"1", "x"});
  const QueueIndex queue = set.find_queue("q");
  EXPECT_EQ(set.next_ready(queue), slot);
  set.hold(slot);
  EXPECT_EQ(set.next_ready(queue), kNoSlot);
  EXPECT_EQ(set.find("1"), slot);
  set.let_go(slot);
  EXPECT_EQ(set.next_ready(queue), slot);
}

TEST(QueueSetTest, ManyTasksComeAndGo) {
  QueueSet set;
  std::mt19937 random(7);
  std::uint64_t seq = 0;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 20'000; ++i) {
      ++seq;
      add(set, seq, {std::to_string(seq), "data"}, static_cast<std::int32_t>(random() % 5));
    }
    EXPECT_EQ(set.size(), 20'000U);
    const QueueIndex queue = set.find_queue("q");
    std::int32_t priority = 4;
    std::uint64_t last = 0;
    for (int i = 0; i < 20'000; ++i) {
      const Slot slot = set.next_ready(queue);
      ASSERT_NE(slot, kNoSlot);
      const Entry& task = set.at(slot);
      ASSERT_LE(task.priority, priority);
      if (task.priority < priority) last = 0;
      ASSERT_GT(task.seq, last);
      priority = task.priority;
      last = task.seq;
      set.hold(slot);
      set.remove(slot);
    }
    EXPECT_EQ(set.size(), 0U);
    EXPECT_EQ(set.memory(), 0U);
    EXPECT_EQ(set.find_queue("q"), kNoQueue);
  }
}

/// In bytes.
std::size_t resident() {
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> pages;
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

TEST(QueueSetTest, TheMemoryOfAFloodIsGivenBack) {
#if !defined(__GLIBC__) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "another allocator";
#endif
  constexpr std::uint64_t kTasks = 400'000;
  QueueSet set;
  const std::size_t before = resident();
  for (std::uint64_t seq = 1; seq <= kTasks; ++seq) {
    add(set, seq, {std::to_string(seq), std::string(100, 'x')});
  }
  const std::size_t most = resident();
  ASSERT_GT(most, before + kTasks * 100);
  // What lies at the end of the heap keeps malloc from giving anything back by itself.
  const auto block = std::make_unique<std::array<char, 200>>();
  const auto remove = [&set](std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t seq = first; seq <= last; ++seq) {
      const Slot slot = set.find(std::to_string(seq));
      set.hold(slot);
      set.remove(slot);
    }
  };
  remove(1, kTasks * 7 / 8);
  EXPECT_LT(resident(), before + (most - before) * 3 / 4) << "some are left";
  remove(kTasks * 7 / 8 + 1, kTasks);
  EXPECT_LT(resident(), before + (most - before) / 4);
}

TEST(QueueSetTest, AWaitingTaskIsSmall) { EXPECT_LE(sizeof(Entry), 88U); }

TEST(QueueSetTest, ListLooksAtABoundedNumber) {
  QueueSet set;
  for (std::uint64_t seq = 1; seq <= 25'000; ++seq) add(set, seq, {std::to_string(seq), "x"});
  ListRequest request;
  request.state = TaskState::dead;
  int calls = 0;
  do {
    std::uint64_t next = 0;
    set.list(request, [](Slot) { FAIL(); }, next);
    request.after = next;
    ++calls;
  } while (request.after != 0);
  EXPECT_EQ(calls, 3);
}

}  // namespace
}  // namespace netd::tasks
