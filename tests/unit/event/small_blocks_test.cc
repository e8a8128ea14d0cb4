#include "daemon/event/small_blocks.h"

#include <event2/event.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <set>
#include <vector>

#include "daemon/base/unique_fd.h"
#include "daemon/event/event_ptr.h"

namespace netd {
namespace {

// On the heap: four mebibytes.
std::unique_ptr<SmallBlocks> make_blocks() { return std::make_unique<SmallBlocks>(); }

TEST(SmallBlocksTest, BlocksAreApartAlignedAndItsOwn) {
  const auto blocks = make_blocks();
  std::set<void*> seen;
  for (int i = 0; i < 1000; ++i) {
    void* const block = blocks->take();
    ASSERT_NE(block, nullptr);
    EXPECT_TRUE(blocks->owns(block));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % SmallBlocks::kBlockSize, 0U);
    EXPECT_TRUE(seen.insert(block).second);
    std::memset(block, 0xff, SmallBlocks::kBlockSize);
  }
}

TEST(SmallBlocksTest, NothingElseIsItsOwn) {
  const auto blocks = make_blocks();
  const auto other = std::make_unique<int>(0);
  EXPECT_FALSE(blocks->owns(nullptr));
  EXPECT_FALSE(blocks->owns(other.get()));
  EXPECT_FALSE(blocks->owns(blocks.get() + 1));
}

TEST(SmallBlocksTest, WhatIsGivenBackIsTakenAgain) {
  const auto blocks = make_blocks();
  void* const first = blocks->take();
  void* const second = blocks->take();
  blocks->give_back(first);
  blocks->give_back(second);
  EXPECT_EQ(blocks->take(), second);
  EXPECT_EQ(blocks->take(), first);
}

TEST(SmallBlocksTest, EndsSomewhere) {
  const auto blocks = make_blocks();
  for (std::size_t i = 0; i < SmallBlocks::kBlocks; ++i) ASSERT_NE(blocks->take(), nullptr);
  EXPECT_EQ(blocks->take(), nullptr);
}

TEST(SmallBlocksTest, LibeventWorksWithThem) {
  set_libevent_memory();
  set_libevent_memory();
  const EventBasePtr base(::event_base_new());
  ASSERT_NE(base, nullptr);
  int fired = 0;
  const auto count = [](evutil_socket_t, short, void* times) noexcept {
    ++*static_cast<int*>(times);
  };
  std::vector<UniqueFd> descriptors;
  std::vector<EventPtr> events;
  for (int i = 0; i < 100; ++i) {
    descriptors.emplace_back(::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
    events.emplace_back(::event_new(base.get(), descriptors.back().get(), EV_READ, count, &fired));
    ASSERT_EQ(::event_add(events.back().get(), nullptr), 0);
  }
  ::event_base_loop(base.get(), EVLOOP_NONBLOCK);
  EXPECT_EQ(fired, 100);
}

}  // namespace
}  // namespace netd
