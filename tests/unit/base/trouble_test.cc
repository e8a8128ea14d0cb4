#include "daemon/base/trouble.h"

#include <gtest/gtest.h>

#include <chrono>

namespace netd {
namespace {

using namespace std::chrono_literals;

constexpr Monotonic kStart{1000s};

TEST(Trouble, IsToldOnceForEachReasonAndSoIsItsEnd) {
  Trouble trouble;
  EXPECT_FALSE(trouble.ends());
  EXPECT_TRUE(trouble.begins("full", "write a: full", kStart));
  EXPECT_FALSE(trouble.begins("full", "write b: full", kStart + 1h));
  EXPECT_EQ(trouble.what(), "write b: full");
  EXPECT_TRUE(trouble.begins("broken", "write c: broken", kStart + 2h));
  EXPECT_TRUE(trouble.ends());
  EXPECT_FALSE(trouble.ends());
  EXPECT_EQ(trouble.what(), "");
  EXPECT_TRUE(trouble.begins("broken", "write d: broken", kStart + 3h));
}

TEST(Trouble, ThatComesAndGoesIsToldOnceAMinute) {
  Trouble trouble;
  int begins = 0;
  int ends = 0;
  for (int second = 0; second < 180; ++second) {
    const Monotonic now = kStart + std::chrono::seconds(second);
    if (trouble.begins(second % 2 == 0 ? "full" : "broken", "why", now)) ++begins;
    EXPECT_EQ(trouble.what(), "why") << "whoever asks is told all the same";
    if (trouble.ends()) ++ends;
  }
  EXPECT_EQ(begins, 3);
  EXPECT_EQ(ends, 3);
}

TEST(Trouble, ThatCameBackTooSoonToBeToldIsToldWhenItStays) {
  Trouble trouble;
  EXPECT_TRUE(trouble.begins("full", "why", kStart));
  EXPECT_TRUE(trouble.ends());
  EXPECT_FALSE(trouble.begins("full", "why", kStart + 1s));
  EXPECT_TRUE(trouble.begins("full", "why", kStart + 61s));
  EXPECT_TRUE(trouble.ends());
}

}  // namespace
}  // namespace netd
