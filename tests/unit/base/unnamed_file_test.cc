#include "daemon/base/unnamed_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <string_view>

#include "tests/support/temp_dir.h"

namespace netd {
namespace {

class UnnamedFileTest : public testing::Test {
 protected:
  void SetUp() override {
    file_ = open_unnamed(folder_.path(), O_RDWR, 0640);
    if (!file_ && has_no_unnamed(errno)) GTEST_SKIP() << folder_.path() << " has no such files";
    ASSERT_TRUE(file_) << errno;
  }

  void write(std::string_view text) {
    ASSERT_EQ(::write(file_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

  test::TempDir folder_;
  UniqueFd file_;
};

TEST_F(UnnamedFileTest, LeavesNothingWithoutAName) {
  write("half a");
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
  file_.reset();
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(UnnamedFileTest, GetsOneNameAndAnother) {
  write("all");
  EXPECT_EQ(link_unnamed(file_.get(), folder_ / "one"), 0);
  EXPECT_EQ(link_unnamed(file_.get(), folder_ / "two"), 0);
  EXPECT_EQ(folder_.read("one"), "all");
  struct stat one{};
  struct stat two{};
  ASSERT_EQ(::stat((folder_ / "one").c_str(), &one), 0);
  ASSERT_EQ(::stat((folder_ / "two").c_str(), &two), 0);
  EXPECT_EQ(one.st_ino, two.st_ino);
  EXPECT_EQ(::fcntl(file_.get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

TEST_F(UnnamedFileTest, ReplacesNothing) {
  folder_.write("one", "was there");
  EXPECT_EQ(link_unnamed(file_.get(), folder_ / "one"), EEXIST);
  EXPECT_EQ(folder_.read("one"), "was there");
}

TEST_F(UnnamedFileTest, SaysWhatIsMissing) {
  EXPECT_EQ(link_unnamed(file_.get(), folder_ / "no/one"), ENOENT);
  EXPECT_FALSE(open_unnamed(folder_ / "no", O_WRONLY, 0600));
  EXPECT_EQ(errno, ENOENT);
  EXPECT_FALSE(has_no_unnamed(ENOENT)) << "it may be made, and then it works";
}

/// As another user than the one that may do anything, where that can be tried: linkat(2) has two
/// ways. With the user of file accesses this thread gives up the capabilities for them, too.
TEST_F(UnnamedFileTest, NeedsNoPrivilege) {
  if (::geteuid() != 0) GTEST_SKIP() << "the other tests have shown it";
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0777), 0);
  constexpr uid_t kNobody = 65534;
  ::setfsuid(kNobody);
  const UniqueFd file = open_unnamed(folder_.path(), O_WRONLY, 0600);
  const int error = file ? link_unnamed(file.get(), folder_ / "one") : errno;
  ::setfsuid(0);
  EXPECT_EQ(error, 0);
  struct stat one{};
  ASSERT_EQ(::stat((folder_ / "one").c_str(), &one), 0);
  EXPECT_EQ(one.st_uid, kNobody);
}

}  // namespace
}  // namespace netd
