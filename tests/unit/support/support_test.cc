// The helpers of the tests are code too.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <string>

#include "daemon/base/log.h"
#include "daemon/base/text.h"
#include "tests/support/fake_clock.h"
#include "tests/support/log_capture.h"
#include "tests/support/temp_dir.h"

namespace netd::test {
namespace {

using namespace std::chrono_literals;

TEST(FakeClock, MovesOnlyByHand) {
  FakeClock clock;
  const Monotonic before = clock.now();
  EXPECT_EQ(clock.now(), before);
  clock.advance(1500ms);
  EXPECT_EQ(clock.now() - before, 1500ms);
  EXPECT_EQ(format_rfc3339(clock.wall()), "2026-01-02T03:04:06.500Z");
}

TEST(FakeClock, JumpOfTheCalendarLeavesTheMonotonicClock) {
  FakeClock clock;
  const Monotonic before = clock.now();
  clock.set_wall(WallTime(0s));
  EXPECT_EQ(format_rfc3339(clock.wall()), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(clock.now(), before);
}

TEST(TempDir, VanishesWithWhatIsInIt) {
  std::filesystem::path path;
  {
    const TempDir folder;
    path = folder.path();
    EXPECT_EQ(folder.write("a/b", "text"), (path / "a/b").string());
    EXPECT_EQ(folder.read("a/b"), "text");
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(LogCapture, KeepsEntriesWithTheirFields) {
  LogCapture log;
  LogEntry(LogLevel::info, "first").listener("web").bytes(1, 2).send("one");
  LogEntry(LogLevel::warning, "second").send("two");
  ASSERT_EQ(log.entries().size(), 2U);
  const auto first = log.entries("first");
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(first[0].message, "one");
  EXPECT_EQ(first[0].level, LogLevel::info);
  EXPECT_EQ(first[0].field("NETD_LISTENER"), "web");
  EXPECT_EQ(first[0].field("NETD_BYTES_OUT"), "2");
  EXPECT_EQ(first[0].field("NETD_TASK"), "");
}

}  // namespace
}  // namespace netd::test
