#include "daemon/protocols/smtp/housekeeping.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "daemon/base/unique_fd.h"
#include "daemon/protocols/smtp/housekeeper.h"
#include "tests/support/log_capture.h"
#include "tests/support/temp_dir.h"

namespace netd::smtp {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;

class HousekeepingTest : public testing::Test {
 protected:
  std::vector<std::string> files(std::string_view folder) const {
    std::vector<std::string> found;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(dir_.path() / folder, ignored)) {
      found.push_back(entry.path().filename());
    }
    std::ranges::sort(found);
    return found;
  }
  std::size_t sweep(const SweepOptions& options, std::chrono::hours later = {}) const {
    return sweep_tmp(dir_.path(), names_, options, clock_.wall() + later, {});
  }
  WallTime after() const { return clock_.wall() + std::chrono::seconds(5); }

  test::TempDir dir_;
  SystemClock clock_;
  mutable UniqueNames names_{clock_, "mx"};
  UniqueNames others_{clock_, "mx"};
};

TEST_F(HousekeepingTest, WhatACrashLeftIsSwept) {
  dir_.write("x/bob/tmp/" + UniqueNames::in_tmp(others_.next().file), "half");
  dir_.write("x/eve/tmp/" + UniqueNames::in_tmp(others_.next().file), "half");
  dir_.write("x/bob/new/" + others_.next().file, "whole");
  EXPECT_EQ(sweep({.alone = true, .started = after()}), 2U);
  EXPECT_THAT(files("x/bob/tmp"), IsEmpty());
  EXPECT_THAT(files("x/bob/new"), testing::SizeIs(1));
}

TEST_F(HousekeepingTest, WhatIsInFlightIsNot) {
  const std::string mine = UniqueNames::in_tmp(names_.next().file);
  const std::string new_one = UniqueNames::in_tmp(others_.next().file);
  dir_.write("x/bob/tmp/" + mine, "half");
  EXPECT_EQ(sweep({.alone = true, .started = after()}, std::chrono::hours(100)), 0U);
  dir_.write("x/bob/tmp/" + new_one, "half");
  EXPECT_EQ(sweep({.alone = true, .started = clock_.wall() - std::chrono::seconds(5)}), 0U);
  EXPECT_EQ(sweep({.alone = false, .started = after()}), 0U);
  EXPECT_THAT(files("x/bob/tmp"), testing::SizeIs(2));
}

TEST_F(HousekeepingTest, FilesOfOthersGoAfterADayAndAHalf) {
  dir_.write("x/bob/tmp/1767323045.M1P1.other", "half");
  EXPECT_EQ(sweep({.alone = true, .started = after()}), 0U);
  EXPECT_EQ(sweep({.alone = true, .started = after()}, std::chrono::hours(35)), 0U);
  EXPECT_EQ(sweep({.alone = true, .started = after()}, std::chrono::hours(37)), 1U);
}

TEST_F(HousekeepingTest, LinksAreNotFollowedOutOfTmp) {
  const std::string precious = dir_.write("precious", "x");
  fs::create_directories(dir_.path() / "x/bob/tmp");
  fs::create_symlink(precious, dir_.path() / "x/bob/tmp/netd.link");
  fs::create_directory(dir_.path() / "x/bob/tmp/netd.folder");
  EXPECT_EQ(sweep({.alone = true, .started = after()}, std::chrono::hours(100)), 0U);
  EXPECT_EQ(dir_.read("precious"), "x");
}

TEST_F(HousekeepingTest, OldMailIsRemovedByAge) {
  const auto name = [](long long seconds) { return std::to_string(seconds) + ".M1P1Q1.mx,S=1"; };
  dir_.write("x/bob/new/" + name(1000), "1");
  dir_.write("x/bob/cur/" + name(2000) + ":2,S", "1");
  dir_.write("x/bob/new/" + name(3000), "1");
  dir_.write("x/bob/tmp/" + name(1000), "1");
  const Retention retention{.age = std::chrono::seconds(1500), .count = 0};
  EXPECT_EQ(apply_retention(dir_.path(), retention, WallTime(std::chrono::seconds(4000)), {}), 2U);
  EXPECT_THAT(files("x/bob/new"), ElementsAre(name(3000)));
  EXPECT_THAT(files("x/bob/cur"), IsEmpty());
  EXPECT_THAT(files("x/bob/tmp"), testing::SizeIs(1));
}

TEST_F(HousekeepingTest, OldMailIsRemovedByCount) {
  for (int i = 0; i < 5; ++i) {
    dir_.write("x/bob/" + std::string(i % 2 == 0 ? "new/" : "cur/") + std::to_string(1000 + i),
               "1");
    dir_.write("x/eve/new/" + std::to_string(1000 + i), "1");
  }
  const Retention retention{.age = {}, .count = 2};
  EXPECT_EQ(apply_retention(dir_.path(), retention, WallTime(std::chrono::seconds(1)), {}), 6U);
  EXPECT_THAT(files("x/bob/new"), ElementsAre("1004"));
  EXPECT_THAT(files("x/bob/cur"), ElementsAre("1003"));
  EXPECT_THAT(files("x/eve/new"), ElementsAre("1003", "1004"));
}

TEST_F(HousekeepingTest, OfOneSecondTheLastOnesStay) {
  for (const char* part : {"M99P1Q1", "M1000P1Q2", "M999999P1Q9", "M999999P1Q10"}) {
    dir_.write("x/bob/new/1000." + std::string(part) + ".mx,S=1", "1");
  }
  const auto left = [&](std::uint64_t count) {
    const Retention retention{.age = {}, .count = count};
    (void)apply_retention(dir_.path(), retention, WallTime(std::chrono::seconds(1)), {});
    return files("x/bob/new");
  };
  EXPECT_THAT(left(3), testing::Not(testing::Contains("1000.M99P1Q1.mx,S=1")));
  EXPECT_THAT(left(2), testing::Not(testing::Contains("1000.M1000P1Q2.mx,S=1")));
  EXPECT_THAT(left(1), ElementsAre("1000.M999999P1Q10.mx,S=1"));
}

TEST_F(HousekeepingTest, NamesWithoutATimeHaveTheirFiles) {
  dir_.write("x/bob/new/strange", "1");
  const Retention retention{.age = std::chrono::hours(1), .count = 0};
  EXPECT_EQ(apply_retention(dir_.path(), retention, clock_.wall(), {}), 0U);
  EXPECT_EQ(apply_retention(dir_.path(), retention, clock_.wall() + std::chrono::hours(2), {}), 1U);
}

TEST_F(HousekeepingTest, StopsWhenAsked) {
  std::stop_source stop;
  stop.request_stop();
  dir_.write("x/bob/new/1000", "1");
  dir_.write("x/bob/tmp/" + UniqueNames::in_tmp(others_.next().file), "half");
  const Retention retention{.age = {}, .count = 1};
  EXPECT_EQ(apply_retention(dir_.path(), retention, clock_.wall(), stop.get_token()), 0U);
  EXPECT_EQ(sweep_tmp(dir_.path(), names_, {.alone = true, .started = after()}, clock_.wall(),
                      stop.get_token()),
            0U);
}

TEST_F(HousekeepingTest, TheHousekeeperKnowsWhetherItIsAlone) {
  const test::LogCapture log;
  const auto swept = [&](std::size_t count) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (files("x/bob/tmp").size() != count) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  };
  const std::string left = UniqueNames::in_tmp(others_.next().file);
  dir_.write("x/bob/tmp/" + left, "half");
  fs::last_write_time(dir_.path() / "x/bob/tmp" / left,
                      fs::file_time_type::clock::now() - std::chrono::minutes(1));
  const Housekeeper first(dir_.path(), "mail", {}, names_, clock_);
  EXPECT_TRUE(swept(0));
  dir_.write("x/bob/tmp/" + UniqueNames::in_tmp(names_.next().file), "in flight there");
  {
    const Housekeeper second(dir_.path(), "mail2", {}, others_, clock_);
  }
  EXPECT_TRUE(swept(1));
}

TEST_F(HousekeepingTest, TheHousekeeperTellsOthersOfItselfHoweverItStarted) {
  const UniqueFd other(::open(dir_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(::flock(other.get(), LOCK_EX | LOCK_NB), 0);  // one that starts at the same moment
  const Housekeeper late(dir_.path(), "mail", {}, names_, clock_);
  ASSERT_EQ(::flock(other.get(), LOCK_UN), 0);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (::flock(other.get(), LOCK_EX | LOCK_NB) == 0) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "a third would not know of it";
    ASSERT_EQ(::flock(other.get(), LOCK_UN), 0);
    std::this_thread::yield();
  }
  EXPECT_EQ(errno, EWOULDBLOCK);
}

}  // namespace
}  // namespace netd::smtp
