#include "daemon/control/fifo_channel.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <fstream>

#include "daemon/base/clock.h"
#include "daemon/control/vocabulary.h"
#include "tests/support/log_capture.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/control/fake_daemon.h"
#include "tests/unit/control/fake_tasks.h"

namespace netd::control {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class FifoChannelTest : public testing::Test {
 protected:
  FifoChannelTest() {
    settings_.fifo = (dir_.path() / "control.fifo").string();
    settings_.reply_fifo = (dir_.path() / "reply.fifo").string();
    settings_.group = "no-such-group";
  }
  void open() { channel_ = FifoChannel::create(*dispatcher_, settings_, services_).value(); }
  void turn() {
    for (int i = 0; i < 8; ++i) dispatcher_->turn(false);
  }
  UniqueFd writer() { return UniqueFd(::open(settings_.fifo.c_str(), O_WRONLY | O_NONBLOCK)); }
  UniqueFd reader() {
    return UniqueFd(::open(settings_.reply_fifo.c_str(), O_RDONLY | O_NONBLOCK));
  }
  static void write(const UniqueFd& fd, std::string_view text) {
    ASSERT_EQ(::write(fd.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  /// One writer that comes, writes and goes.
  void say(std::string_view text) {
    write(writer(), text);
    turn();
  }
  static std::string read(const UniqueFd& fd) {
    std::string all;
    std::array<char, 65536> buffer{};
    for (;;) {
      const ssize_t count = ::read(fd.get(), buffer.data(), buffer.size());
      if (count <= 0) return all;
      all.append(buffer.data(), static_cast<std::size_t>(count));
    }
  }

  test::LogCapture log_;
  test::TempDir dir_;
  SystemClock clock_;
  std::unique_ptr<Dispatcher> dispatcher_ = Dispatcher::create(clock_).value();
  FakeDaemon daemon_;
  FakeTasks tasks_;
  EventHub events_{*dispatcher_, tasks_};
  Services services_{daemon_, tasks_, events_};
  config::ControlSettings settings_;
  std::unique_ptr<FifoChannel> channel_;
};

TEST_F(FifoChannelTest, AnswersGoToTheReaderAndTheJournal) {
  open();
  const UniqueFd replies = reader();
  say("task add t1 hello\n");
  EXPECT_EQ(read(replies), "{\"status\":\"queued\",\"task_id\":\"t1\"}\n");
  say("task stats\nversion\n");
  EXPECT_THAT(read(replies), HasSubstr("\"queues\":["));
  const auto entries = log_.entries("fifo_command");
  ASSERT_EQ(entries.size(), 3U);
  EXPECT_EQ(entries[0].field("NETD_COMMAND"), "task add t1 hello");
  EXPECT_EQ(entries[0].field("NETD_STATUS"), "queued");
  EXPECT_THAT(entries[0].message, HasSubstr("{\"status\":\"queued\",\"task_id\":\"t1\"}"));
}

TEST_F(FifoChannelTest, WorksWithoutAReader) {
  open();
  say("task add t1 hello\n");
  EXPECT_EQ(tasks_.produced.size(), 1U);
  ASSERT_EQ(log_.entries("fifo_command").size(), 1U);
  EXPECT_EQ(log_.entries("fifo_command")[0].field("NETD_REPLIED"), "no");
  const UniqueFd replies = reader();
  EXPECT_EQ(read(replies), "");  // what nobody heard is not kept
}

TEST_F(FifoChannelTest, WritersComeAndGo) {
  open();
  const UniqueFd replies = reader();
  for (int i = 0; i < 50; ++i) {
    say("version\n");
    EXPECT_THAT(read(replies), StartsWith("{\"status\":\"ok\",\"version\"")) << i;
  }
}

TEST_F(FifoChannelTest, ReadersComeAndGo) {
  open();
  for (int i = 0; i < 5; ++i) {
    UniqueFd replies = reader();
    say("version\n");
    EXPECT_THAT(read(replies), StartsWith("{\"status\":\"ok\"")) << i;
    replies.reset();
    say("version\n");
  }
}

TEST_F(FifoChannelTest, HalfALineIsNotGluedToTheNext) {
  open();
  const UniqueFd replies = reader();
  say("task add t1 he");
  EXPECT_THAT(read(replies), HasSubstr("without its end"));
  say("version\n");
  EXPECT_THAT(read(replies), StartsWith("{\"status\":\"ok\",\"version\""));
  EXPECT_TRUE(tasks_.produced.empty());
}

TEST_F(FifoChannelTest, ALineMayComeInPieces) {
  open();
  const UniqueFd replies = reader();
  const UniqueFd out = writer();
  for (const std::string_view piece : {"ver", "sio", "n\nver", "sion\n"}) {
    write(out, piece);
    turn();
  }
  const std::string answers = read(replies);
  EXPECT_EQ(std::ranges::count(answers, '\n'), 2);
}

TEST_F(FifoChannelTest, BadLinesGetAnErrorAndHurtNoOther) {
  open();
  const UniqueFd replies = reader();
  say("\n  \nfoo\nversion\n");
  const std::string answers = read(replies);
  EXPECT_EQ(answers.find("{\"status\":\"error\",\"code\":\"invalid_request\",\"message\":"
                         "\"unknown command foo\"}\n{\"status\":\"ok\""),
            0U)
      << answers;
  EXPECT_EQ(std::ranges::count(answers, '\n'), 2);
}

TEST_F(FifoChannelTest, ALineOverTheLimitIsAnError) {
  open();
  const UniqueFd replies = reader();
  const UniqueFd out = writer();
  std::string text = "task add big " + std::string(kMaxFifoLine, 'x') + "\nversion\n";
  while (!text.empty()) {
    const ssize_t count = ::write(out.get(), text.data(), std::min<std::size_t>(text.size(), 4096));
    if (count > 0) text.erase(0, static_cast<std::size_t>(count));
    turn();
  }
  EXPECT_THAT(read(replies), StartsWith("{\"status\":\"error\",\"code\":\"too_large\""));
  EXPECT_TRUE(tasks_.produced.empty());
  write(out, "task add fits " + std::string(4000, 'x') + "\n");
  turn();
  EXPECT_EQ(tasks_.produced.size(), 1U);
}

TEST_F(FifoChannelTest, AnswersKeepTheirOrder) {
  open();
  const UniqueFd replies = reader();
  daemon_.hold_status = true;
  say("status\nversion\n");
  EXPECT_EQ(read(replies), "");
  daemon_.answer_status();
  const std::string answers = read(replies);
  EXPECT_LT(answers.find("uptime_s"), answers.find("}\n{\"status\":\"ok\",\"version\""));
}

TEST_F(FifoChannelTest, ReadsNoMoreWhileTooMuchIsInFlight) {
  open();
  daemon_.hold_status = true;
  const UniqueFd out = writer();
  std::string lines;
  for (int i = 0; i < 4000; ++i) lines += "status\n";
  write(out, lines);
  turn();
  EXPECT_LT(daemon_.held.size(), 1000U);
  for (int i = 0; i < 100 && log_.entries("fifo_command").size() < 4000; ++i) {
    daemon_.answer_status();
    turn();
  }
  EXPECT_EQ(log_.entries("fifo_command").size(), 4000U);
}

TEST_F(FifoChannelTest, AReaderThatDoesNotReadHoldsNobodyUp) {
  open();
  daemon_.report.listeners.resize(100);
  const UniqueFd replies = reader();
  for (int i = 0; i < 200; ++i) say("status\n");
  EXPECT_EQ(log_.entries("fifo_command").size(), 200U);
  EXPECT_EQ(log_.entries("fifo_command").back().field("NETD_REPLIED"), "no");
  const std::string answers = read(replies);
  EXPECT_THAT(answers, StartsWith("{\"status\":\"ok\""));
}

TEST_F(FifoChannelTest, ATaskThatNobodyWouldHearOfStays) {
  tasks_.ready.push_back(FakeTasks::make_task("1", "2"));
  open();
  say("task take\n");
  EXPECT_EQ(tasks_.ready.size(), 1U);
  EXPECT_EQ(log_.entries("fifo_command")[0].field("NETD_STATUS"), "error");
  const UniqueFd replies = reader();
  say("task take\n");
  EXPECT_TRUE(tasks_.ready.empty());
  EXPECT_THAT(read(replies), HasSubstr("\"status\":\"success\""));
}

TEST_F(FifoChannelTest, FilesInTheWayAreLeftAlone) {
  std::ofstream(settings_.fifo) << "precious";
  const auto channel = FifoChannel::create(*dispatcher_, settings_, services_);
  ASSERT_FALSE(channel);
  EXPECT_THAT(channel.error().what(), HasSubstr("not a FIFO is in the way"));
  std::ifstream file(settings_.fifo);
  std::string content;
  file >> content;
  EXPECT_EQ(content, "precious");
}

TEST_F(FifoChannelTest, AnOldFifoIsUsedAgain) {
  open();
  channel_.reset();
  open();
  struct stat status{};
  ASSERT_EQ(::stat(settings_.fifo.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0660U);
  const UniqueFd replies = reader();
  say("version\n");
  EXPECT_THAT(read(replies), StartsWith("{\"status\":\"ok\""));
}

}  // namespace
}  // namespace netd::control
