#include "daemon/protocols/smtp/quota.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
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
  bool room(std::uint64_t size) { return book_.has_room("x/bob", size, clock_.now()); }

  test::TempDir dir_;
  test::FakeClock clock_;
  QuotaBook book_{dir_.path(), 1000};
};

TEST_F(QuotaTest, CountsWhatIsDelivered) {
  dir_.write("x/bob/new/1.a,S=500", "");
  EXPECT_TRUE(room(500));
  book_.add("x/bob", 400);
  EXPECT_TRUE(room(100));
  EXPECT_FALSE(room(101));
  EXPECT_TRUE(book_.has_room("x/eve", 1000, clock_.now()));
}

TEST_F(QuotaTest, FindsOutWhatReadersDelete) {
  const std::string mail = dir_.write("x/bob/new/1.a,S=900", "");
  EXPECT_FALSE(room(200));
  EXPECT_TRUE(book_.was_full("x/bob"));
  EXPECT_FALSE(book_.is_stale("x/bob", clock_.now()));
  std::filesystem::remove(mail);
  EXPECT_FALSE(room(200)) << "not counted at every message";
  clock_.advance(std::chrono::seconds(6));
  EXPECT_TRUE(book_.is_stale("x/bob", clock_.now()));
  book_.recount("x/bob", clock_.now());
  EXPECT_FALSE(book_.was_full("x/bob"));
  EXPECT_TRUE(room(200));
}

TEST_F(QuotaTest, FullStaysFullWhileNothingIsDeleted) {
  dir_.write("x/bob/new/1.a,S=900", "");
  EXPECT_FALSE(room(200));
  clock_.advance(std::chrono::seconds(6));
  book_.recount("x/bob", clock_.now());
  EXPECT_TRUE(book_.was_full("x/bob"));
}

TEST_F(QuotaTest, FindsOutWhatOthersDeliver) {
  EXPECT_TRUE(room(200));
  dir_.write("x/bob/new/1.a,S=900", "");
  EXPECT_TRUE(room(200));
  clock_.advance(std::chrono::minutes(2));
  EXPECT_FALSE(room(200));
}

}  // namespace
}  // namespace netd::smtp
