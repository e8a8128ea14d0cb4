#include "daemon/tasks/room_reserve.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temp_dir.h"

namespace netd::tasks {
namespace {

// What it says on a full disk: TaskFullDiskTest and TaskFilledDiskTest.

TEST(RoomReserveTest, IsThereForTheNextProcessUntilItIsReleased) {
  netd::test::TempDir dir;
  const std::string path = dir / "tasks.reserve";
  {
    RoomReserve reserve(path);
    EXPECT_EQ(reserve.size(), 0U);
    EXPECT_FALSE(std::filesystem::exists(path)) << "nothing was asked for";
    EXPECT_TRUE(reserve.ensure(1));
  }
  RoomReserve reserve(path);
  EXPECT_EQ(reserve.size(), 1U << 20U);
  EXPECT_TRUE(reserve.ensure(3U << 20U));
  EXPECT_TRUE(reserve.ensure(1U << 20U));
  EXPECT_EQ(std::filesystem::file_size(path), 3U << 20U);
  reserve.release();
  EXPECT_EQ(reserve.size(), 0U);
  EXPECT_EQ(std::filesystem::file_size(path), 0U);
}

TEST(RoomReserveTest, AFileOfHolesIsNoRoom) {
  netd::test::TempDir dir;
  const std::string path = dir / "tasks.reserve";
  std::ofstream(path).close();
  std::filesystem::resize_file(path, 3U << 20U);
  RoomReserve reserve(path);
  EXPECT_EQ(reserve.size(), 0U);
  EXPECT_TRUE(reserve.ensure(2U << 20U));
  EXPECT_EQ(reserve.size(), 2U << 20U);
}

TEST(RoomReserveTest, AStrangerInItsPlaceIsLeftAloneAndIsNoFullDisk) {
  netd::test::TempDir dir;
  const std::string other = dir / "other";
  const std::string path = dir / "tasks.reserve";
  std::filesystem::create_symlink(other, path);
  RoomReserve reserve(path);
  EXPECT_TRUE(reserve.ensure(1));
  EXPECT_TRUE(reserve.ensure(1)) << "nor the second time";
  reserve.release();
  EXPECT_FALSE(std::filesystem::exists(other));
  EXPECT_EQ(reserve.size(), 0U);
}

}  // namespace
}  // namespace netd::tasks
