#include "daemon/protocols/http/beneath.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "daemon/base/unique_fd.h"
#include "tests/support/temp_dir.h"

namespace netd::http {
namespace {

/// The file that was opened, or why none was.
std::string outcome(int fd, int error) {
  const UniqueFd owned(fd);
  if (!owned) return ::strerrorname_np(error);
  struct stat status{};
  (void)::fstat(owned.get(), &status);
  return std::to_string(status.st_ino) + (S_ISDIR(status.st_mode) ? " folder" : "") +
         (S_ISLNK(status.st_mode) ? " link" : "") +
         ((::fcntl(owned.get(), F_GETFD) & FD_CLOEXEC) == 0 ? " inherited" : "");
}

class BeneathTest : public ::testing::Test {
 protected:
  void open_root() {
    root_.reset(::open((dir_ / "root").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    ASSERT_TRUE(root_);
  }
  std::string at_once(const std::string& path, int flags = O_RDONLY) {
    errno = 0;
    const int fd = open_beneath(root_.get(), path, flags);
    return outcome(fd, errno);
  }
  std::string by_parts(const std::string& path, int flags = O_RDONLY) {
    errno = 0;
    const int fd = open_beneath_by_parts(root_.get(), path, flags);
    return outcome(fd, errno);
  }

  test::TempDir dir_;
  UniqueFd root_;
};

TEST_F(BeneathTest, FollowsLinksThatStayAndNoOthers) {
  dir_.write("root/folder/file", "x");
  dir_.write("secret", "x");
  std::filesystem::create_symlink("folder/../folder", dir_ / "root/inside");
  std::filesystem::create_symlink("../../secret", dir_ / "root/folder/out");
  std::filesystem::create_symlink("/", dir_ / "root/top");
  std::filesystem::create_symlink("loop", dir_ / "root/loop");
  open_root();
  const std::string file = by_parts("folder/file");
  EXPECT_EQ(file.find_first_not_of("0123456789"), std::string::npos) << file;
  EXPECT_EQ(by_parts("inside/file"), file);
  EXPECT_EQ(by_parts("./inside//../folder/file"), file);
  EXPECT_EQ(by_parts("folder/file", O_PATH), file);
  EXPECT_TRUE(by_parts("inside", O_PATH).ends_with(" folder"));
  EXPECT_TRUE(by_parts(".").ends_with(" folder"));
  for (const char* const path : {"..", "../secret", "folder/out", "folder/../../secret", "top",
                                 "top/etc/passwd", "/etc/passwd"}) {
    EXPECT_EQ(by_parts(path), "EXDEV") << path;
    EXPECT_EQ(by_parts(path, O_PATH), "EXDEV") << path;
  }
  EXPECT_EQ(by_parts("loop"), "ELOOP");
  EXPECT_EQ(by_parts("loop/x"), "ELOOP");
  EXPECT_EQ(by_parts("folder/file/x"), "ENOTDIR");
  EXPECT_EQ(by_parts("folder/file/"), "ENOTDIR");
  EXPECT_EQ(by_parts("nothing"), "ENOENT");
  EXPECT_EQ(by_parts(std::string(5000, 'x')), "ENAMETOOLONG");
}

/// Trees and paths at random: what the kernel finds, and refuses, is the measure.
TEST_F(BeneathTest, FindsWhatTheKernelFinds) {
  std::minstd_rand random(1);
  const auto any = [&](const std::vector<std::string>& from) {
    return from[random() % from.size()];
  };
  const std::vector<std::string> folders = {"", "a/", "b/", "a/b/", "a/b/a/"};
  const std::vector<std::string> parts = {"a", "b",  "c",  "x",  "..", ".",
                                          "",  "l1", "l2", "l3", "l4"};
  const auto path = [&](unsigned long most) {
    std::string made = any(parts);
    for (auto i = random() % most; i > 0; --i) made += "/" + any(parts);
    return made;
  };
  std::filesystem::create_directories(dir_ / "root/a/b/a");
  std::filesystem::create_directories(dir_ / "root/b");
  dir_.write("root/x", "x");
  dir_.write("root/a/b/x", "x");
  dir_.write("x", "x");
  open_root();
  int found = 0;
  for (int tree = 0; tree < 40; ++tree) {
    for (const std::string& folder : folders) {
      for (const std::string link : {"l1", "l2", "l3", "l4"}) {
        std::filesystem::remove(dir_ / ("root/" + folder + link));
        std::string target = path(4);
        if (target.empty()) target = ".";
        std::filesystem::create_symlink(target, dir_ / ("root/" + folder + link));
      }
    }
    for (int i = 0; i < 100; ++i) {
      std::string wanted = path(6);
      if (wanted.empty()) wanted = ".";
      const int flags = i % 2 == 0 ? O_RDONLY : O_PATH;
      const std::string expected = at_once(wanted, flags);
      found += expected.starts_with('E') ? 0 : 1;
      ASSERT_EQ(by_parts(wanted, flags), expected) << wanted << " of tree " << tree;
    }
  }
  EXPECT_GT(found, 200);
}

}  // namespace
}  // namespace netd::http
