#include "daemon/protocols/capture/capture.h"

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>

#include "tests/support/log_capture.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/protocols/protocol_fixture.h"

namespace netd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CaptureTest : public test::ProtocolFixture {
 protected:
  void start(const std::string& lines = {}) {
    configure(kCaptureProtocol, "directory = " + dir_.path().string() + "\n" + lines);
    open();
  }
  /// Name and content of every file, when there are as many as that.
  std::map<std::string, std::string> files() {
    std::map<std::string, std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(dir_.path())) {
      const std::string name = entry.path().filename();
      found[name] = dir_.read(name);
    }
    return found;
  }
  bool wait_for_end() {
    return turn_until([this] {
      collect();
      return ended_;
    });
  }
  bool wait_for_close() {
    return turn_until([this] { return closed(); });
  }
  /// The name that the connection's file gets.
  std::string name() const {
    return "20260102T030405Z-unix:uid_7_pid_8-" + std::to_string(connection_->id());
  }
  /// Ends the protocol, with all that its threads still do.
  void finish() {
    if (connection_) connection_->abort();
    turn();
    stream_.reset();
    shared_.reset();
  }

  test::LogCapture log_;
  test::TempDir dir_;
};

TEST_F(CaptureTest, AFileForAConnection) {
  start();
  const std::string expected = name();
  send("one ");
  turn();
  EXPECT_THAT(files(), IsEmpty()) << "no name before it is complete";
  send(std::string("two\0", 4));
  send_end();
  ASSERT_TRUE(wait_for_end());
  EXPECT_EQ(files(), (std::map<std::string, std::string>{{expected, std::string("one two\0", 8)}}));
}

TEST_F(CaptureTest, TheCloseMeansThatTheFileIsThere) {
  start();
  send("x");
  send_end();
  // Whenever the end has arrived, the file is there: looked at without another turn of the loop.
  ASSERT_TRUE(wait_for_end());
  EXPECT_EQ(files().size(), 1U);
}

TEST_F(CaptureTest, ALargeFileArrivesWhole) {
  start();
  const std::string expected_name = name();
  std::string text;
  for (int i = 0; text.size() < 8'000'000; ++i) text += std::to_string(i) + "\n";
  send_all(text);
  send_end();
  ASSERT_TRUE(wait_for_end());
  EXPECT_TRUE(files()[expected_name] == text);
}

TEST_F(CaptureTest, NothingSentLeavesNothing) {
  start();
  send_end();
  ASSERT_TRUE(wait_for_end());
  finish();
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(CaptureTest, ABrokenConnectionIsKeptUnderANameThatSaysSo) {
  start();
  const std::string expected = name() + ".incomplete";
  send("half a f");
  turn();
  connection_->abort(true);
  finish();
  EXPECT_EQ(files(), (std::map<std::string, std::string>{{expected, "half a f"}}));
}

TEST_F(CaptureTest, ABrokenConnectionIsDiscardedWhenAsked) {
  start("incomplete = discard\n");
  send("half a f");
  turn();
  connection_->abort(true);
  finish();
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(CaptureTest, AnIdleClientIsABrokenConnection) {
  start();
  connection_->set_idle_timeout(std::chrono::seconds(30));
  send("x");
  turn();
  ASSERT_TRUE(turn_until([this] {
    if (closed()) return true;
    clock_.advance(std::chrono::seconds(31));
    dispatcher_->turn(false);
    dispatcher_->run_due_timers();
    return closed();
  }));
  finish();
  EXPECT_EQ(files().size(), 1U);
  EXPECT_THAT(files().begin()->first, HasSubstr(".incomplete"));
}

TEST_F(CaptureTest, MoreThanMaxSizeIsRefusedAndLeavesNothing) {
  start("max_size = 10\n");
  send("0123456789");
  turn();
  EXPECT_FALSE(closed());
  send("x");
  turn();
  EXPECT_TRUE(closed());
  finish();
  EXPECT_THAT(files(), IsEmpty());
  EXPECT_EQ(log_.entries("capture_refused").size(), 1U);
}

TEST_F(CaptureTest, ExactlyMaxSizeIsKept) {
  start("max_size = 10\n");
  send("0123456789");
  send_end();
  ASSERT_TRUE(wait_for_end());
  EXPECT_EQ(files().size(), 1U);
}

TEST_F(CaptureTest, AStopLetsWhatIsUnderWayFinish) {
  start();
  send("x");
  turn();
  connection_->shut_down();
  turn();
  EXPECT_FALSE(closed());
  send("y");
  send_end();
  ASSERT_TRUE(wait_for_end());
  EXPECT_EQ(files().begin()->second, "xy");
}

TEST_F(CaptureTest, AStopClosesWhatHasNotBegun) {
  start();
  clock_.advance(Connection::kFirstWords);  // it is no new client any more
  dispatcher_->run_due_timers();
  connection_->shut_down();
  turn();
  EXPECT_EQ(answer(), "");
  EXPECT_TRUE(ended_);
}

TEST_F(CaptureTest, AFullDiskResetsTheConnectionAndLeavesNothing) {
  start();
  // The kernel refuses what would make a file larger than this, as a full disk does.
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{.rlim_cur = 100, .rlim_max = before.rlim_max};
  auto* const old_handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  send(std::string(1000, 'x'));
  const bool closed = wait_for_close();
  finish();
  ::setrlimit(RLIMIT_FSIZE, &before);
  (void)std::signal(SIGXFSZ, old_handler);
  EXPECT_TRUE(closed);
  EXPECT_THAT(files(), IsEmpty());
  ASSERT_EQ(log_.entries("capture_failed").size(), 1U);
  EXPECT_THAT(log_.entries("capture_failed")[0].message, HasSubstr("File too large"));
}

TEST_F(CaptureTest, TroubleShowsUntilAFileIsWritten) {
  start();
  std::filesystem::remove_all(dir_.path());
  std::ofstream(dir_.path()) << "a file in the way";
  send("x");
  ASSERT_TRUE(wait_for_close());
  EXPECT_THAT(shared_->trouble(), HasSubstr("create a file in " + dir_.path().string()));
  std::filesystem::remove(dir_.path());
  open();
  send("x");
  send_end();
  ASSERT_TRUE(wait_for_end());
  EXPECT_EQ(shared_->trouble(), "");
}

TEST_F(CaptureTest, ThreadsAndFolderLiveOnWhenTheyCan) {
  start();
  const auto again =
      kCaptureProtocol.make_shared_state(*settings_, settings_->listeners[0], shared_);
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, shared_);
}

TEST_F(CaptureTest, RefusesAFolderThatCannotBe) {
  const std::string file = dir_.write("file", "x");
  EXPECT_THAT(test::mistakes_in(kCaptureProtocol, "directory = " + file + "\n"),
              ElementsAre(HasSubstr("netd.conf:4: ")));
  EXPECT_THAT(test::mistakes_in(kCaptureProtocol, "directory = " + file + "/x\n"),
              ElementsAre(HasSubstr("expected a folder, or a name in one")));
  EXPECT_THAT(test::mistakes_in(kCaptureProtocol, "directory = " + (dir_ / "new") + "\n"),
              IsEmpty());
}

}  // namespace
}  // namespace netd
