#include "daemon/base/line_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <string>
#include <thread>

#include "daemon/base/unique_fd.h"

namespace netd {
namespace {

class LineWriterTest : public ::testing::Test {
 protected:
  LineWriterTest() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
    reader_.reset(ends[0]);
    pipe_.reset(ends[1]);
  }
  /// Lines until one is dropped: the pipe is full then.
  void fill(LineWriter& writer) {
    int left = 100'000;
    while (writer.write("xxxxxxxxxxxxxxxx") && --left > 0) {
    }
    ASSERT_GT(left, 0);
  }
  /// All that is in the pipe now.
  std::string read_all() {
    std::string text;
    std::array<char, 65536> buffer{};
    ::fcntl(reader_.get(), F_SETFL, O_NONBLOCK);
    for (;;) {
      const ssize_t count = ::read(reader_.get(), buffer.data(), buffer.size());
      if (count <= 0) return text;
      text.append(buffer.data(), static_cast<std::size_t>(count));
    }
  }

  UniqueFd reader_;
  UniqueFd pipe_;
};

TEST_F(LineWriterTest, WritesLines) {
  LineWriter writer(pipe_.get());
  EXPECT_TRUE(writer.write("one"));
  EXPECT_TRUE(writer.write(""));
  EXPECT_TRUE(writer.write("two"));
  EXPECT_EQ(read_all(), "one\n\ntwo\n");
}

TEST_F(LineWriterTest, DropsWhatNobodyReadsAndGoesOnWhenSomebodyDoes) {
  LineWriter writer(pipe_.get());
  fill(writer);
  for (int i = 0; i < 10'000; ++i) EXPECT_FALSE(writer.write("dropped at once"));
  EXPECT_FALSE(read_all().empty());
  EXPECT_TRUE(writer.write("again"));
  const std::string after = read_all();
  EXPECT_TRUE(after == "again\n" || after == "\nagain\n") << "starts a line of its own: " << after;
}

TEST_F(LineWriterTest, ALineLongerThanThePipeComesWholeToAReader) {
  LineWriter writer(pipe_.get());
  const std::string line(300'000, 'x');
  std::string text;
  std::thread reading([&] {
    std::array<char, 1000> buffer{};
    while (text.size() <= line.size()) {
      const ssize_t count = ::read(reader_.get(), buffer.data(), buffer.size());
      if (count <= 0) return;
      text.append(buffer.data(), static_cast<std::size_t>(count));
    }
  });
  EXPECT_TRUE(writer.write(line));
  reading.join();
  EXPECT_TRUE(text == line + "\n");
}

TEST_F(LineWriterTest, InAHurryAllLinesTogetherWaitOnce) {
  LineWriter writer(pipe_.get());
  fill(writer);
  writer.hurry();
  // A reader that takes a little now and then would otherwise be waited for each time.
  const auto before = std::chrono::steady_clock::now();
  for (int i = 0; i < 5; ++i) {
    std::array<char, 8192> some{};
    ASSERT_GT(::read(reader_.get(), some.data(), some.size()), 0);
    fill(writer);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - before, 4 * LineWriter::kPatience);
}

TEST_F(LineWriterTest, WithoutAReaderNothingIsLeftToDo) {
  auto* const before = std::signal(SIGPIPE, SIG_IGN);
  reader_.reset();
  LineWriter writer(pipe_.get());
  EXPECT_TRUE(writer.write("to nobody"));
  (void)std::signal(SIGPIPE, before);
}

}  // namespace
}  // namespace netd
