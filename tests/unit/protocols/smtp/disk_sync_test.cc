#include "daemon/protocols/smtp/disk_sync.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "daemon/base/unique_fd.h"
#include "tests/support/temp_dir.h"

namespace netd::smtp {
namespace {

using testing::Each;

/// Every look at it is a second later: whatever is timed with it takes too long.
class SlowClock final : public Clock {
 public:
  [[nodiscard]] Monotonic now() const override { return now_ += std::chrono::seconds(1); }
  [[nodiscard]] WallTime wall() const override { return {}; }

 private:
  mutable Monotonic now_;
};

class DiskSyncTest : public testing::Test {
 protected:
  /// Syncs `count` new files and the folder; `bad` is the place of a descriptor that is none.
  std::vector<int> sync(DiskSync& disk, std::size_t count, std::size_t bad = SIZE_MAX) {
    std::vector<UniqueFd> files;
    std::vector<int> fds;
    for (std::size_t i = 0; i < count; ++i) {
      const std::string path = dir_ / ("file" + std::to_string(i));
      files.emplace_back(::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
      EXPECT_EQ(::write(files.back().get(), "x", 1), 1);
      fds.push_back(i == bad ? -1 : files.back().get());
    }
    files.emplace_back(::open(dir_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    fds.push_back(files.back().get());
    std::vector<int> errors(fds.size(), ENOTSUP);
    disk.sync(fds, errors);
    return errors;
  }

  test::TempDir dir_;
  SystemClock clock_;
};

TEST_F(DiskSyncTest, SyncsFewAndMany) {
  DiskSync disk(clock_);
  for (const std::size_t count : {0U, 1U, 3U, 4U, 40U}) EXPECT_THAT(sync(disk, count), Each(0));
}

TEST_F(DiskSyncTest, SaysWhichOneFailed) {
  DiskSync disk(clock_);
  for (const std::size_t count : {2U, 10U}) {
    std::vector<int> errors = sync(disk, count, 1);
    EXPECT_EQ(errors[1], EBADF);
    errors[1] = 0;
    EXPECT_THAT(errors, Each(0));
  }
}

TEST_F(DiskSyncTest, SyncsFileByFileWhereTogetherTakesTooLong) {
  const SlowClock clock;
  DiskSync disk(clock);
  for (int i = 0; i < 20; ++i) EXPECT_THAT(sync(disk, 10), Each(0));
}

TEST_F(DiskSyncTest, TakesWhatCannotBeSyncedAsItIs) {
  DiskSync disk(clock_);
  const UniqueFd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  const std::vector<int> files(8, null.get());
  std::vector<int> errors(files.size(), ENOTSUP);
  disk.sync(files, errors);
  EXPECT_THAT(errors, Each(0));
}

}  // namespace
}  // namespace netd::smtp
