#include "daemon/protocols/capture/folder.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/log_capture.h"
#include "tests/support/temp_dir.h"

namespace netd::capture {
namespace {

std::vector<std::string> names_in(const test::TempDir& dir) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(dir.path())) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class FolderTest : public ::testing::TestWithParam<Folder::DraftKind> {
 protected:
  void SetUp() override {
    auto opened = Folder::open("test", dir_.path());
    ASSERT_TRUE(opened) << opened.error().what();
    folder_ = *opened;
    folder_->set_draft_kind(GetParam());
  }
  Draft written(const std::string& name, std::string_view text) {
    auto draft = folder_->begin(name);
    EXPECT_TRUE(draft) << draft.error().what();
    EXPECT_EQ(::write(draft->fd.get(), text.data(), text.size()),
              static_cast<ssize_t>(text.size()));
    return std::move(*draft);
  }

  test::TempDir dir_;
  std::shared_ptr<Folder> folder_;
};

INSTANTIATE_TEST_SUITE_P(Drafts, FolderTest,
                         ::testing::Values(Folder::DraftKind::unnamed, Folder::DraftKind::named),
                         [](const auto& kind) {
                           return kind.param == Folder::DraftKind::named ? "named" : "unnamed";
                         });

TEST_P(FolderTest, ADraftHasNoOrdinaryNameBeforeItIsKept) {
  Draft draft = written("a", "text");
  for (const std::string& name : names_in(dir_)) EXPECT_EQ(name, ".a.partial");
  const auto kept = folder_->keep(std::move(draft), "a");
  ASSERT_TRUE(kept) << kept.error().what();
  EXPECT_EQ(*kept, "a");
  EXPECT_EQ(names_in(dir_), std::vector<std::string>{"a"});
  EXPECT_EQ(dir_.read("a"), "text");
  struct stat status{};
  ASSERT_EQ(::stat((dir_ / "a").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0137U, 0U) << "not for others";
}

TEST_P(FolderTest, NothingIsReplaced) {
  dir_.write("a", "precious");
  EXPECT_EQ(folder_->keep(written("a", "second"), "a"), "a-2");
  EXPECT_EQ(folder_->keep(written("a", "third"), "a"), "a-3");
  EXPECT_EQ(dir_.read("a"), "precious");
  EXPECT_EQ(dir_.read("a-2"), "second");
  EXPECT_EQ(dir_.read("a-3"), "third");
}

TEST_P(FolderTest, ADiscardedDraftLeavesNothing) {
  folder_->discard(written("a", "text"));
  EXPECT_TRUE(names_in(dir_).empty());
}

TEST_P(FolderTest, FollowsItsPathWhenTheFolderIsReplaced) {
  const test::TempDir elsewhere;
  std::filesystem::rename(dir_.path(), elsewhere.path());
  EXPECT_EQ(folder_->keep(written("a", "text"), "a"), "a");
  EXPECT_EQ(names_in(dir_), std::vector<std::string>{"a"}) << "made again, where it is expected";
  EXPECT_TRUE(names_in(elsewhere).empty());
}

TEST_P(FolderTest, AFolderThatGoesWhileAFileIsWrittenIsAnError) {
  Draft draft = written("a", "text");
  std::filesystem::remove_all(dir_.path());
  EXPECT_FALSE(folder_->keep(std::move(draft), "a"));
}

TEST_P(FolderTest, WhatIsNoFolderAnyMoreIsAnError) {
  std::filesystem::remove_all(dir_.path());
  std::ofstream(dir_.path()) << "a file";
  const auto draft = folder_->begin("a");
  ASSERT_FALSE(draft);
  EXPECT_EQ(draft.error().what(), "create a file in " + dir_.path().string() + ": Not a directory");
}

TEST(Folder, RemovesWhatACrashLeftAndNothingElse) {
  const test::TempDir dir;
  dir.write(".old.partial", "x");
  dir.write(".profile", "x");
  dir.write("done.partial", "x");
  const std::string busy = dir.write(".busy.partial", "x");
  const UniqueFd writer(::open(busy.c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_EQ(::flock(writer.get(), LOCK_EX), 0);
  ASSERT_TRUE(Folder::open("test", dir.path()));
  EXPECT_EQ(names_in(dir), (std::vector<std::string>{".busy.partial", ".profile", "done.partial"}));
}

TEST(Folder, MakesTheLastPartOfItsPath) {
  const test::TempDir dir;
  EXPECT_TRUE(Folder::open("test", dir / "new"));
  EXPECT_TRUE(std::filesystem::is_directory(dir / "new"));
  const auto deep = Folder::open("test", dir / "a/b/c");
  ASSERT_FALSE(deep);
  EXPECT_EQ(deep.error().what(), "captures in " + (dir / "a/b/c") + ": No such file or directory");
  dir.write("file", "x");
  EXPECT_FALSE(Folder::open("test", dir / "file"));
}

TEST(Folder, TellsOfTroubleOnceAndOfItsEnd) {
  const test::TempDir dir;
  const test::LogCapture log;
  const auto folder = Folder::open("drop", dir.path()).value();
  EXPECT_EQ(folder->trouble(), "");
  folder->report_success();
  EXPECT_TRUE(log.entries().empty());
  folder->report_failure(system_error("write in /x", ENOSPC));
  folder->report_failure(system_error("write in /x", ENOSPC));
  EXPECT_EQ(folder->trouble(), "write in /x: No space left on device");
  ASSERT_EQ(log.entries("capture_failed").size(), 1U);
  EXPECT_EQ(log.entries()[0].level, LogLevel::error);
  EXPECT_EQ(log.entries()[0].field("NETD_LISTENER"), "drop");
  folder->report_success();
  folder->report_success();
  EXPECT_EQ(folder->trouble(), "");
  EXPECT_EQ(log.entries("capture_recovered").size(), 1U);
}

TEST(Folder, TellsOfTroubleThatNamesAnotherFileEachTimeOnce) {
  const test::TempDir dir;
  const test::LogCapture log;
  const auto folder = Folder::open("drop", dir.path()).value();
  for (const char* const doing : {"write /x/a", "write /x/b", "write /x/c"}) {
    folder->report_failure(system_error(doing, ENOSPC));
  }
  EXPECT_EQ(folder->trouble(), "write /x/c: No space left on device");
  EXPECT_EQ(log.entries("capture_failed").size(), 1U);
}

TEST(FileName, SortsByTimeAndHoldsNothingStrange) {
  const WallTime time{std::chrono::seconds(1'795'361'718)};
  EXPECT_EQ(file_name(time, "127.0.0.1", 17), "20261122T153518Z-127.0.0.1-17");
  EXPECT_EQ(file_name(time, "2001:db8::1", 1), "20261122T153518Z-2001:db8::1-1");
  EXPECT_EQ(file_name(time, "unix:uid=0,pid=12", 1), "20261122T153518Z-unix:uid_0_pid_12-1");
  EXPECT_EQ(file_name(time, "../x y", 1), "20261122T153518Z-.._x_y-1");
}

}  // namespace
}  // namespace netd::capture
