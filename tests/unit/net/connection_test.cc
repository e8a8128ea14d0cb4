#include "daemon/net/connection.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/net/connection_fixture.h"

namespace netd {
namespace {

using namespace std::chrono_literals;
using test::ConnectionTest;
using test::ScriptedSession;

TEST_F(ConnectionTest, OffersWhatArrivesAndSendsWhatIsWritten) {
  script_.on_data = [](Connection& c, std::string_view input) {
    c.write("<");
    c.write(input);
    c.write(">");
    return input.size();
  };
  start();
  send("hello");
  turn();
  EXPECT_EQ(received(), "<hello>");
  EXPECT_EQ(raw_->bytes_in(), 5U);
  EXPECT_EQ(raw_->bytes_out(), 7U);
  EXPECT_EQ(counters_.bytes_in.get(), 5U);
  EXPECT_EQ(counters_.bytes_out.get(), 7U);
}

TEST_F(ConnectionTest, KeepsWhatIsNotConsumedAndOffersItInFrontOfWhatComes) {
  script_.on_data = [](Connection&, std::string_view input) {
    const auto end = input.rfind('\n');
    return end == std::string_view::npos ? 0 : end + 1;
  };
  start();
  send("one\ntw");
  turn();
  send("o\nthree\n");
  turn();
  const std::vector<std::string> expected = {"open", "data:one\ntw", "data:two\nthree\n"};
  EXPECT_EQ(script_.events, expected);
}

TEST_F(ConnectionTest, AnInputThatNobodyConsumesEndsTheConnection) {
  script_.on_data = [](Connection&, std::string_view) { return 0; };
  start();
  const std::string block(65536, 'x');
  for (std::size_t sent = 0; sent < Connection::kMaxPendingInput + 2 * block.size() && !closed_;) {
    const ssize_t count = ::send(peer_.get(), block.data(), block.size(), MSG_NOSIGNAL);
    if (count > 0) sent += static_cast<std::size_t>(count);
    turn(2);
  }
  EXPECT_TRUE(closed_);
}

TEST_F(ConnectionTest, TheDefaultAtThePeersEndSendsAndCloses) {
  script_.on_data = [](Connection& c, std::string_view input) {
    c.write(input);
    return input.size();
  };
  start();
  send("last");
  ::shutdown(peer_.get(), SHUT_WR);
  turn();
  EXPECT_EQ(received(), "last<EOF>");
  EXPECT_TRUE(closed_);
  EXPECT_EQ(script_.events.back(), "closed");
}

TEST_F(ConnectionTest, ThePeersEndWaitsWhileReadingIsPaused) {
  script_.on_data = [](Connection& c, std::string_view input) {
    c.pause_reading();
    return input.size();
  };
  start();
  send("ask");
  ::shutdown(peer_.get(), SHUT_WR);
  turn();
  EXPECT_EQ(script_.events.back(), "data:ask");
  raw_->write("answer");
  raw_->resume_reading();
  turn();
  EXPECT_EQ(received(), "answer<EOF>");
}

TEST_F(ConnectionTest, ResumingOffersWhatWasLeft) {
  int calls = 0;
  script_.on_data = [&](Connection& c, std::string_view input) -> std::size_t {
    if (++calls == 1) {
      c.pause_reading();
      return 2;
    }
    return input.size();
  };
  start();
  send("abcd");
  turn();
  EXPECT_EQ(calls, 1);
  raw_->resume_reading();
  EXPECT_EQ(script_.events.back(), "data:cd");
}

TEST_F(ConnectionTest, ASlowReaderIsNotReadFromUntilItHasDrained) {
  fill_kernel_buffer();
  start();
  EXPECT_TRUE(raw_->backlogged());
  send("more");
  turn();
  EXPECT_EQ(script_.events, std::vector<std::string>{"open"});
  while (!received().empty()) turn();
  EXPECT_FALSE(raw_->backlogged());
  const std::vector<std::string> expected = {"open", "drained", "data:more"};
  EXPECT_EQ(script_.events, expected);
}

TEST_F(ConnectionTest, AFastReaderGetsNoMoreThanItsShareOfATurn) {
  const std::string block(32 << 10, 'x');
  std::size_t asked = 0;
  const auto write_all = [&](Connection& c) {
    // The peer takes everything at once: the kernel never has enough of it.
    for (; asked > 0 && !c.backlogged(); --asked) {
      c.write_through(block);
      EXPECT_EQ(received().size(), block.size());
    }
  };
  script_.on_data = [&](Connection& c, std::string_view input) {
    write_all(c);
    return input.size();
  };
  script_.on_drained = write_all;
  start();
  constexpr std::size_t kTurns = 3;
  const std::size_t share = Connection::kMaxSentAtOnce / block.size();
  asked = kTurns * share + 1;
  send("go");
  for (std::size_t i = 1; i <= kTurns; ++i) {
    turn(1);
    EXPECT_EQ(asked, (kTurns - i) * share + 1);
  }
  turn(1);
  EXPECT_EQ(asked, 0U);
  EXPECT_TRUE(raw_->is_open());
}

TEST_F(ConnectionTest, FullDuplexReadsWhileOutputWaits) {
  fill_kernel_buffer();
  raw_->set_full_duplex();
  start();
  send("more");
  turn();
  EXPECT_EQ(script_.events.back(), "data:more");
}

// Nothing more is read while there is input that was left because of the backlog, even when the
// kernel has taken all of the output and is only not ready for more of it.
TEST_F(ConnectionTest, APeerThatSaysMuchAtOnceAndReadsItsAnswersIsAnsweredInFull) {
  constexpr std::size_t kTotal = 2 * Connection::kMaxPendingInput;
  constexpr std::size_t kAnswer = 8;  // bytes for each byte of input
  script_.on_data = [](Connection& c, std::string_view input) {
    std::size_t used = 0;
    while (used < input.size() && !c.backlogged()) {
      const std::size_t some = std::min<std::size_t>(64, input.size() - used);
      c.write(std::string(some * kAnswer, 'x'));
      used += some;
    }
    return used;
  };
  start();
  const std::string block(65536, 'x');
  std::size_t sent = 0;
  std::size_t answered = 0;
  std::string buffer(65536, '\0');
  while (!closed_ && answered < kTotal * kAnswer) {
    for (ssize_t count = 1; count > 0 && sent < kTotal; turn(1)) {
      const std::size_t size = std::min(block.size(), kTotal - sent);
      count = ::send(peer_.get(), block.data(), size, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count > 0) sent += static_cast<std::size_t>(count);
    }
    const ssize_t count = ::recv(peer_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count > 0) answered += static_cast<std::size_t>(count);
    turn(1);
  }
  EXPECT_FALSE(closed_) << "after " << sent << " bytes of input";
}

TEST_F(ConnectionTest, ASessionThatWritesWithoutEndIsCutOff) {
  script_.on_open = [](Connection& c) {
    const std::string block(1 << 20, 'x');
    for (int i = 0; i < 64; ++i) c.write(block);
  };
  start();
  EXPECT_TRUE(closed_);
}

TEST_F(ConnectionTest, CloseSendsEverythingBeforeTheEnd) {
  const std::string big(2 << 20, 'y');
  script_.on_open = [&](Connection& c) {
    c.write(big);
    c.close();
    c.write("not any more");
  };
  start();
  std::string all;
  while (!all.ends_with("<EOF>")) {
    all += received();
    turn(1);
  }
  EXPECT_EQ(all.size(), big.size() + 5);
  EXPECT_FALSE(closed_);  // the peer has not ended
  EXPECT_TRUE(raw_->is_lingering());
  send("ignored");
  turn();
  ::shutdown(peer_.get(), SHUT_WR);
  turn();
  EXPECT_TRUE(closed_);
}

TEST_F(ConnectionTest, LingeringEndsByTime) {
  script_.on_open = [](Connection& c) { c.close(); };
  start();
  turn();
  EXPECT_FALSE(closed_);
  clock_.advance(Connection::kLingerTime);
  dispatcher_->run_due_timers();
  EXPECT_TRUE(closed_);
}

TEST_F(ConnectionTest, LingeringEndsByBytes) {
  script_.on_open = [](Connection& c) { c.close(); };
  start();
  const std::string block(65536, 'x');
  for (int i = 0; i < 1000 && !closed_; ++i) {
    (void)!::send(peer_.get(), block.data(), block.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    turn(1);
  }
  EXPECT_TRUE(closed_);
}

TEST_F(ConnectionTest, APeerThatSpeaksFirstIsReadBeforeTheLoopTurns) {
  script_.on_open = [](Connection& c) { c.read_at_once(); };
  script_.on_data = [](Connection& c, std::string_view input) {
    c.write("answer");
    return input.size();
  };
  send("question");
  start();
  EXPECT_EQ(script_.events, (std::vector<std::string>{"open", "data:question"}));
  EXPECT_EQ(received(), "answer");
  send("again");
  turn();
  EXPECT_EQ(received(), "answer");
}

TEST_F(ConnectionTest, APeerThatHasNotSpokenYetIsWaitedFor) {
  script_.on_open = [](Connection& c) { c.read_at_once(); };
  start();
  send("late");
  turn();
  EXPECT_EQ(script_.events, (std::vector<std::string>{"open", "data:late"}));
}

TEST_F(ConnectionTest, CloseAtOnceWaitsForNobody) {
  script_.on_data = [](Connection& c, std::string_view input) {
    c.write("answer");
    c.close_at_once();
    return input.size();
  };
  start();
  send("the last question");
  turn();
  EXPECT_TRUE(closed_);
  EXPECT_EQ(received(), "answer<EOF>");
}

TEST_F(ConnectionTest, CloseAtOnceLingersForAPeerThatSaysMoreThanItWouldHave) {
  script_.on_data = [](Connection& c, std::string_view) {
    c.write("answer");
    c.close_at_once();
    return 4;
  };
  start();
  send("lastand more");
  turn();
  EXPECT_EQ(received(), "answer<EOF>");
  EXPECT_FALSE(closed_);
  EXPECT_TRUE(raw_->is_lingering());
}

TEST_F(ConnectionTest, CloseAtOnceLingersForWhatCameMeanwhile) {
  script_.on_data = [this](Connection& c, std::string_view input) {
    c.write("answer");
    send("more");  // what close(2) found unread would become a reset
    c.close_at_once();
    return input.size();
  };
  start();
  send("the last question");
  turn(1);
  EXPECT_FALSE(closed_);
  EXPECT_TRUE(raw_->is_lingering());
  EXPECT_EQ(received(), "answer<EOF>");
}

TEST_F(ConnectionTest, CloseAtOnceLeavesLittleToTheKernelAlone) {
  script_.on_data = [](Connection& c, std::string_view input) {
    c.write(std::string(Connection::kMaxOrphanOutput + 1, 'x'));
    c.close_at_once();
    return input.size();
  };
  start();
  send("the last question");
  turn();
  EXPECT_FALSE(closed_);
  EXPECT_TRUE(raw_->is_lingering());
}

TEST_F(ConnectionTest, WhoeverIsDisplacedHasLastWords) {
  script_.on_displaced = [](Connection& c) { c.write("others wait"); };
  start();
  EXPECT_EQ(raw_->standing().worth, Standing::Worth::working);
  raw_->displace();
  EXPECT_TRUE(closed_);
  EXPECT_EQ(received(), "others wait<EOF>");
  EXPECT_EQ(script_.events, (std::vector<std::string>{"open", "displaced", "closed"}));
}

TEST_F(ConnectionTest, WhoeverIsDisplacedLeavesNothingBehind) {
  fill_kernel_buffer();
  script_.on_displaced = [](Connection& c) { c.write("nobody reads this"); };
  start();
  raw_->displace();
  EXPECT_TRUE(closed_);
}

TEST_F(ConnectionTest, LingeringForAnAnswerThatIsBeingReadIs) {
  script_.on_open = [](Connection& c) {
    c.write("answer");
    c.close();
  };
  start();
  EXPECT_TRUE(raw_->is_lingering());
  EXPECT_EQ(raw_->standing().worth, Standing::Worth::working);
  EXPECT_EQ(received(), "answer<EOF>");
  EXPECT_EQ(raw_->standing().worth, Standing::Worth::idle);
}

TEST_F(ConnectionTest, LingeringIsNoReasonToStay) {
  script_.on_open = [](Connection& c) { c.close(); };
  start();
  EXPECT_EQ(raw_->standing().worth, Standing::Worth::idle);
  EXPECT_EQ(raw_->standing().since, clock_.now());
  raw_->displace();
  EXPECT_TRUE(closed_);
  EXPECT_EQ(script_.events, (std::vector<std::string>{"open", "closed"}));
}

TEST_F(ConnectionTest, ShutdownWriteKeepsReading) {
  script_.on_open = [](Connection& c) {
    c.write("bye");
    c.shutdown_write();
  };
  start();
  EXPECT_EQ(received(), "bye<EOF>");
  send("still here");
  turn();
  EXPECT_EQ(script_.events.back(), "data:still here");
}

TEST_F(ConnectionTest, TheIdleTimeoutCountsFromTheLastTraffic) {
  start();
  raw_->set_idle_timeout(10s);
  clock_.advance(9s);
  send("x");
  turn();
  clock_.advance(9s);
  turn();
  EXPECT_FALSE(closed_);
  clock_.advance(1s);
  turn();
  EXPECT_TRUE(closed_);
  EXPECT_EQ(script_.events[2], "idle");
}

TEST_F(ConnectionTest, ADeadlineIsNotMovedByTraffic) {
  start();
  raw_->set_idle_timeout(10s);
  raw_->set_deadline(15s);
  for (int i = 0; i < 3; ++i) {
    clock_.advance(5s);
    send("x");
    turn();
  }
  EXPECT_TRUE(closed_);
  EXPECT_EQ(script_.events[script_.events.size() - 2], "deadline");
}

TEST_F(ConnectionTest, ATimeoutIsToldOnce) {
  script_.on_timeout = [](Connection&, Timeout) {};
  start();
  raw_->set_deadline(1s);
  clock_.advance(2s);
  turn();
  turn();
  EXPECT_EQ(script_.events, (std::vector<std::string>{"open", "deadline"}));
}

/// A file in memory.
SharedFile make_file(const std::string& content) {
  UniqueFd fd(::memfd_create("test", MFD_CLOEXEC));
  EXPECT_EQ(::write(fd.get(), content.data(), content.size()),
            static_cast<ssize_t>(content.size()));
  return std::make_shared<const UniqueFd>(std::move(fd));
}

TEST_F(ConnectionTest, SendsPartsOfFilesBetweenBytes) {
  const SharedFile file = make_file("0123456789");
  script_.on_open = [&](Connection& c) {
    c.write("[");
    c.send_file(file, 2, 5);
    c.write("]");
    c.close();
  };
  start();
  EXPECT_EQ(received(), "[23456]<EOF>");
}

TEST_F(ConnectionTest, AFileThatShrankResetsTheConnection) {
  const SharedFile file = make_file("0123456789");
  script_.on_open = [&](Connection& c) { c.send_file(file, 0, 100); };
  start();
  turn();
  EXPECT_TRUE(closed_);
  EXPECT_EQ(counters_.errors.get(), 1U);
}

TEST_F(ConnectionTest, AWatchOutlivesTheConnection) {
  const Lifetime::Watch watch = raw_->watch();
  start();
  EXPECT_TRUE(watch.alive());
  raw_->abort();
  EXPECT_TRUE(watch.alive());  // until the loop has unwound
  turn();
  EXPECT_FALSE(watch.alive());
}

TEST_F(ConnectionTest, APeerThatVanishesIsAnErrorOfTheWrite) {
  start();
  peer_.reset();
  raw_->write("too late");
  turn();
  EXPECT_TRUE(closed_);
}

TEST_F(ConnectionTest, WritingToAnotherConnectionInACallbackKeepsTheBytesApart) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd other_peer(ends[0]);
  struct Owner : ConnectionOwner {
    explicit Owner(Dispatcher& dispatcher) : dispatcher_(dispatcher) {}
    void on_connection_closed(Connection&) noexcept override {
      dispatcher_.defer(std::move(other));
    }
    Dispatcher& dispatcher_;
    std::unique_ptr<Connection> other;
  } owner(*dispatcher_);
  owner.other = std::make_unique<Connection>(*io_, owner, counters_, UniqueFd(ends[1]),
                                             SocketAddress::unix_peer(0, 1));
  ScriptedSession::Script other_script;
  Connection& other = *owner.other;
  other.start(std::make_unique<ScriptedSession>(other, other_script));
  script_.on_data = [&](Connection& c, std::string_view input) {
    c.write("own1 ");
    other.write("other ");
    c.write("own2");
    return input.size();
  };
  start();
  send("go");
  turn();
  EXPECT_EQ(received(), "own1 own2");
  char buffer[64];
  const ssize_t count = ::recv(other_peer.get(), buffer, sizeof buffer, MSG_DONTWAIT);
  ASSERT_GT(count, 0);
  EXPECT_EQ(std::string(buffer, static_cast<std::size_t>(count)), "other ");
  other.abort();
}

}  // namespace
}  // namespace netd
