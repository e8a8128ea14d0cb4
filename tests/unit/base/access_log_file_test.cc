#include "daemon/base/access_log_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "daemon/base/text.h"
#include "daemon/base/unique_fd.h"
#include "tests/support/log_capture.h"
#include "tests/support/temp_dir.h"

namespace netd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class AccessLogFileTest : public ::testing::Test {
 protected:
  std::shared_ptr<AccessLogFile> open(const std::string& path) {
    auto file = AccessLogFile::open(path);
    if (!file) ADD_FAILURE() << file.error().what();
    return file ? *file : nullptr;
  }
  [[nodiscard]] std::string path(const std::string& name = "log") const { return dir_ / name; }
  std::vector<std::string> lost() const {
    std::vector<std::string> messages;
    for (const auto& entry : log_.entries("log_entries_lost")) messages.push_back(entry.message);
    return messages;
  }

  test::LogCapture log_;
  test::TempDir dir_;
};

TEST_F(AccessLogFileTest, AppendsLinesThatCannotBeForged) {
  dir_.write("log", "before\n");
  auto file = open(path());
  file->write("one");
  file->write("two\nthree\x1b");
  file.reset();
  EXPECT_EQ(dir_.read("log"), "before\none\ntwo\\x0athree\\x1b\n");
}

TEST_F(AccessLogFileTest, MakesTheFoldersOfItsPath) {
  open(path("a/b/log"))->write("one");
  EXPECT_EQ(dir_.read("a/b/log"), "one\n");
}

TEST_F(AccessLogFileTest, EveryLineIsThereOnceHoweverOftenItIsOpenedAnew) {
  constexpr int kThreads = 4;
  constexpr int kLines = 5'000;
  auto file = open(path());
  std::atomic<int> running{kThreads};
  std::vector<std::thread> writers;
  for (int thread = 0; thread < kThreads; ++thread) {
    writers.emplace_back([&, thread] {
      const std::string line = std::to_string(thread) + " " + std::string(50, 'x') + " ";
      for (int i = 0; i < kLines; ++i) file->write(line + std::to_string(i));
      --running;
    });
  }
  int rotated = 0;
  do {
    std::filesystem::rename(path(), path("log." + std::to_string(rotated++)));
    ASSERT_TRUE(file->reopen());
  } while (running > 0);
  for (std::thread& writer : writers) writer.join();
  file.reset();
  std::string all = dir_.read("log");
  for (int i = 0; i < rotated; ++i) all += dir_.read("log." + std::to_string(i));
  std::set<std::string> lines;
  std::size_t count = 0;
  for (const std::string_view line : split(all, '\n')) {
    if (line.empty()) continue;
    ++count;
    lines.emplace(line);
  }
  EXPECT_EQ(count, std::size_t{kThreads} * kLines);
  EXPECT_EQ(lines.size(), count);
  EXPECT_THAT(lost(), ElementsAre());
}

TEST_F(AccessLogFileTest, AFullDiskIsToldAndCosts) {
  auto file = open("/dev/full");
  file->write("one");
  file->write("two");
  file.reset();
  EXPECT_THAT(lost(),
              ElementsAre("access log /dev/full: 2 lines lost: write: No space left on device"));
}

TEST_F(AccessLogFileTest, APipeThatNobodyReads) {
  ASSERT_EQ(::mkfifo(path().c_str(), 0600), 0);
  // With no reader at all, opening it would wait for one.
  EXPECT_FALSE(AccessLogFile::open(path()));
  const UniqueFd reader(::open(path().c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  auto file = open(path());
  const std::string line(999, 'x');
  // What the pipe holds, what is on its way to it, and what may wait; the writer never does.
  for (std::size_t i = 0; i < AccessLogFile::kMaxWaiting / 800; ++i) file->write(line);
  file.reset();
  ASSERT_FALSE(lost().empty());
  EXPECT_THAT(lost()[0], HasSubstr("lines lost: nobody reads them"));
}

TEST_F(AccessLogFileTest, WhatCannotBeOpenedAnewStaysInUse) {
  ASSERT_TRUE(std::filesystem::create_directory(path("sub")));
  auto file = open(path("sub/log"));
  std::filesystem::rename(path("sub"), path("moved"));
  dir_.write("sub", "no folder");
  EXPECT_FALSE(file->reopen());
  file->write("still");
  file.reset();
  EXPECT_EQ(dir_.read("moved/log"), "still\n");
}

}  // namespace
}  // namespace netd
