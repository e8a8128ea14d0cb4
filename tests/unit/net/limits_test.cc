#include "daemon/net/limits.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace netd {
namespace {

TEST(SharedLimit, GivesNoMoreThanTheMaximumAtOnce) {
  SharedLimit limit(2);
  EXPECT_TRUE(limit.take());
  EXPECT_TRUE(limit.take());
  EXPECT_FALSE(limit.take());
  EXPECT_EQ(limit.taken(), 2U);
  limit.give_back();
  EXPECT_TRUE(limit.take());
  limit.set_maximum(3);
  EXPECT_TRUE(limit.take());
}

TEST(SharedLimit, HoldsBetweenThreads) {
  SharedLimit limit(100);
  std::atomic<int> taken{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 1000; ++i) taken += limit.take() ? 1 : 0;
      });
    }
  }
  EXPECT_LE(taken, 100);
  EXPECT_EQ(limit.taken(), static_cast<std::uint64_t>(taken));
}

TEST(PerClientLimit, CountsEachAddressForItself) {
  PerClientLimit limit(1);
  const IpBytes one = *IpBytes::parse("127.0.0.1");
  const IpBytes two = *IpBytes::parse("::1");
  EXPECT_TRUE(limit.take(one));
  EXPECT_FALSE(limit.take(one));
  EXPECT_TRUE(limit.take(two));
  limit.give_back(one);
  EXPECT_TRUE(limit.take(one));
  limit.set_maximum(0);
  limit.give_back(two);
  EXPECT_FALSE(limit.take(two));
}

}  // namespace
}  // namespace netd
