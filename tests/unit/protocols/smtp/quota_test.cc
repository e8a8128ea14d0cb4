#include "daemon/protocols/smtp/quota.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>

#include "tests/support/fake_clock.h"
#include "tests/support/temp_dir.h"

namespace netd::smtp {
namespace {

TEST(Quota, MeasuresWhatNamesAndFilesSay) {
  const test::TempDir dir;
  dir.write("x/bob/new/1.a,S=1000", "short");
  dir.write("x/bob/cur/2.a,S=200:2,S", "short");
  dir.write("x/bob/cur/3.a:2,", "12345");
  dir.write("x/bob/tmp/4.a,S=5000", "not there yet");
  EXPECT_EQ(QuotaBook::measure(dir / "x/bob"), 1205U);
  EXPECT_EQ(QuotaBook::measure(dir / "x/nobody"), 0U);
}

class QuotaTest : public testing::Test {
 protected:
  /// Stores a message of that size in bob's mailbox, if it fits.
  bool store(std::uint64_t size) {
    const bool fits = reserve(size);
    if (fits) book_.settle("x/bob", size, true);
    return fits;
  }
  bool reserve(std::uint64_t size) { return book_.reserve("x/bob", size, clock_.now()); }
  /// Whether the book says so without looking.
  bool is_full(std::uint64_t size = 0) { return book_.was_full("x/bob", size, clock_.now()); }

  test::TempDir dir_;
  test::FakeClock clock_;
  QuotaBook book_{dir_.path(), 1000};
};

TEST_F(QuotaTest, CountsWhatIsDelivered) {
  dir_.write("x/bob/new/1.a,S=500", "");
  EXPECT_TRUE(store(400));
  EXPECT_FALSE(store(101));
  EXPECT_TRUE(store(100));
  EXPECT_FALSE(store(1));
  EXPECT_TRUE(book_.reserve("x/eve", 1000, clock_.now()));
}

TEST_F(QuotaTest, WhatIsOnItsWayHasItsRoom) {
  EXPECT_TRUE(reserve(600));
  EXPECT_FALSE(reserve(600)) << "both at once are more than the mailbox holds";
  EXPECT_TRUE(reserve(400));
  book_.settle("x/bob", 600, false);
  EXPECT_TRUE(reserve(600)) << "the first was not delivered";
  book_.settle("x/bob", 600, true);
  book_.settle("x/bob", 400, true);
  EXPECT_FALSE(reserve(1));
}

TEST_F(QuotaTest, WhatIsOnItsWayOutlivesACount) {
  EXPECT_TRUE(reserve(600));
  clock_.advance(std::chrono::minutes(2));
  EXPECT_FALSE(reserve(600));
  book_.settle("x/bob", 600, false);
  EXPECT_TRUE(reserve(600));
}

TEST_F(QuotaTest, SizesBeyondAllNumbersDoNotFit) {
  EXPECT_TRUE(store(1));
  EXPECT_FALSE(reserve(std::numeric_limits<std::uint64_t>::max()));
}

TEST_F(QuotaTest, OneThatDoesNotFitDoesNotLockOutTheSmall) {
  EXPECT_FALSE(is_full(5000)) << "nothing is known yet";
  EXPECT_TRUE(store(500));
  EXPECT_TRUE(is_full(600));
  EXPECT_FALSE(is_full(500));
  EXPECT_FALSE(is_full());
  EXPECT_FALSE(store(600));
  EXPECT_TRUE(is_full()) << "like the last one";
  EXPECT_FALSE(is_full(500));
  EXPECT_TRUE(store(500));
  EXPECT_TRUE(is_full(1));
}

TEST_F(QuotaTest, AnOldCountRefusesNothingByItself) {
  EXPECT_TRUE(store(900));
  EXPECT_TRUE(is_full(200));
  clock_.advance(std::chrono::minutes(2));
  EXPECT_FALSE(is_full(200)) << "its owner may have made room";
}

TEST_F(QuotaTest, FindsOutWhatReadersDelete) {
  const std::string mail = dir_.write("x/bob/new/1.a,S=900", "");
  EXPECT_FALSE(reserve(200));
  EXPECT_TRUE(is_full());
  EXPECT_FALSE(book_.is_stale("x/bob", clock_.now()));
  std::filesystem::remove(mail);
  EXPECT_FALSE(reserve(200)) << "not counted at every message";
  clock_.advance(std::chrono::seconds(6));
  EXPECT_TRUE(book_.is_stale("x/bob", clock_.now()));
  book_.recount("x/bob", clock_.now());
  EXPECT_FALSE(is_full());
  EXPECT_TRUE(reserve(200));
}

TEST_F(QuotaTest, FullStaysFullWhileNothingIsDeleted) {
  dir_.write("x/bob/new/1.a,S=900", "");
  EXPECT_FALSE(reserve(200));
  clock_.advance(std::chrono::seconds(6));
  book_.recount("x/bob", clock_.now());
  EXPECT_TRUE(is_full());
}

TEST_F(QuotaTest, FindsOutWhatOthersDeliver) {
  EXPECT_TRUE(store(0));
  dir_.write("x/bob/new/1.a,S=900", "");
  EXPECT_TRUE(store(200));
  clock_.advance(std::chrono::minutes(2));
  EXPECT_FALSE(store(200));
}

}  // namespace
}  // namespace netd::smtp
