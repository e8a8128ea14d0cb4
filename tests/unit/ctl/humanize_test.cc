#include "ctl/humanize.h"

#include <gtest/gtest.h>

namespace netd::ctl {
namespace {

TEST(Humanize, Bytes) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(999), "999 B");
  EXPECT_EQ(human_bytes(1000), "1.0 KiB");
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
  EXPECT_EQ(human_bytes(10240), "10 KiB");
  EXPECT_EQ(human_bytes(5.0 * (1 << 20)), "5.0 MiB");
  EXPECT_EQ(human_bytes(3e15), "2.7 PiB");
}

TEST(Humanize, Counts) {
  EXPECT_EQ(human_count(0), "0");
  EXPECT_EQ(human_count(9999), "9999");
  EXPECT_EQ(human_count(12'345), "12.3k");
  EXPECT_EQ(human_count(150'000), "150k");
  EXPECT_EQ(human_count(4'500'000), "4.5M");
}

TEST(Humanize, Seconds) {
  EXPECT_EQ(human_seconds(0), "0 s");
  EXPECT_EQ(human_seconds(0.25), "250 ms");
  EXPECT_EQ(human_seconds(1.5), "1.5 s");
  EXPECT_EQ(human_seconds(42), "42 s");
  EXPECT_EQ(human_seconds(185), "3 min 5 s");
  EXPECT_EQ(human_seconds(7200), "2 h");
  EXPECT_EQ(human_seconds(7800), "2 h 10 min");
  EXPECT_EQ(human_seconds(442'800), "5 d 3 h");
}

}  // namespace
}  // namespace netd::ctl
