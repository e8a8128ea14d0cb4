// Sessions over a socket pair, with a real store in a temporary folder.
#include "daemon/protocols/smtp/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/net/counters.h"
#include "tests/support/log_capture.h"
#include "tests/support/temp_dir.h"

namespace netd::smtp {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::SizeIs;
using testing::StartsWith;

/// The real time, which a test can put forward.
class ShiftedClock final : public Clock {
 public:
  [[nodiscard]] Monotonic now() const override { return real_.now() + shift_.load(); }
  [[nodiscard]] WallTime wall() const override { return real_.wall(); }
  void advance(Duration by) { shift_ = shift_.load() + by; }

 private:
  SystemClock real_;
  std::atomic<Duration> shift_{Duration::zero()};
};

class SessionTest : public testing::Test, public ConnectionOwner {
 public:
  SessionTest() {
    settings_.hostname = "mx.example.org";
    settings_.listener = "mail";
    settings_.max_message_size = 1 << 20;
    settings_.max_recipients = 100;
    settings_.max_line_length = 998;
    settings_.max_errors = 20;
    settings_.message_timeout = std::chrono::minutes(1);
  }
  ~SessionTest() override {
    if (client_ >= 0) ::close(client_);
    connection_.reset();
    for (int i = 0; i < 3; ++i) dispatcher_->turn(false);
    protocol_.reset();
  }

 protected:
  void start(const ClientLimits::Options* limits = nullptr) {
    auto store = MailStore::create(
        {.root = dir_ / "mail", .hostname = "mx", .listener = "mail", .sync = true}, clock_);
    ASSERT_TRUE(store);
    RecipientTable::Options recipients;
    recipients.domains = {"example.org"};
    recipients.hostname = settings_.hostname;
    auto table = RecipientTable::create(recipients, "", "");
    ASSERT_TRUE(table);
    auto service = std::make_shared<MailService>(
        std::move(*table), std::move(*store),
        limits == nullptr ? nullptr : std::make_shared<ClientLimits>(*limits), nullptr);
    protocol_ = std::make_unique<SmtpProtocol>(io_, settings_, std::move(service));
    connect();
  }

  void connect(const SocketAddress& peer = SocketAddress::unix_peer(1, 2)) {
    if (client_ >= 0) ::close(client_);
    std::array<int, 2> pair{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair.data()), 0);
    client_ = pair[0];
    received_.clear();
    closed_ = false;
    connection_ = std::make_unique<Connection>(io_, *this, counters_, UniqueFd(pair[1]), peer);
    connection_->start(protocol_->open(*connection_));
  }

  void on_connection_closed(Connection& connection) noexcept override {
    closed_ = true;
    if (connection_.get() == &connection) dispatcher_->defer(std::move(connection_));
  }

  void turn() {
    dispatcher_->turn(false);
    std::array<char, 65536> buffer{};
    while (true) {
      const ssize_t got = ::recv(client_, buffer.data(), buffer.size(), 0);
      if (got <= 0) {
        if (got == 0) ended_ = true;
        return;
      }
      ++reads_;
      received_.append(buffer.data(), static_cast<std::size_t>(got));
    }
  }
  bool turn_until(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!done()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      turn();
    }
    return true;
  }
  void send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = ::send(client_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent > 0) {
        text.remove_prefix(static_cast<std::size_t>(sent));
      } else if (sent == 0 || errno != EAGAIN) {
        return;  // the session has closed: what it said is what the test looks at
      }
      turn();
    }
  }
  static std::size_t answers(std::string_view text) {
    std::size_t count = 0;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = text.find("\r\n", at);
      if (end == std::string_view::npos) break;
      if (text.size() > at + 3 && text[at + 3] == ' ') ++count;
      at = end + 2;
    }
    return count;
  }
  /// Sends, waits for so many answers, and returns them.
  std::string ask(std::string_view text, std::size_t count = 1) {
    received_.clear();
    reads_ = 0;
    send(text);
    turn_until([&] { return answers(received_) >= count || ended_; });
    for (int i = 0; i < 3; ++i) turn();
    EXPECT_EQ(answers(received_), count) << received_;
    return received_;
  }
  void hello() {
    turn_until([&] { return answers(received_) == 1; });
    ask("EHLO client.example\r\n");
  }
  void envelope() {
    hello();
    EXPECT_THAT(ask("MAIL FROM:<a@x>\r\n"), StartsWith("250 2.1.0 "));
    EXPECT_THAT(ask("RCPT TO:<bob@example.org>\r\n"), StartsWith("250 2.1.5 "));
  }
  std::vector<std::string> mails(std::string_view user = "bob", std::string_view part = "new") {
    std::vector<std::string> texts;
    std::error_code ignored;
    const fs::path folder = dir_.path() / "mail/example.org" / user / part;
    for (const auto& entry : fs::directory_iterator(folder, ignored)) {
      texts.push_back(dir_.read(fs::relative(entry.path(), dir_.path()).string()));
    }
    std::ranges::sort(texts);
    return texts;
  }
  /// Looks at names only: what it sees may be gone before it could be opened.
  [[nodiscard]] bool tmp_is_empty() const {
    std::error_code missing;
    const fs::path folder = dir_.path() / "mail/example.org/bob/tmp";
    return fs::directory_iterator(folder, missing) == fs::directory_iterator();
  }
  /// The message as the client sent it, without the trace fields in front.
  static std::string body(const std::string& mail) {
    const std::size_t zone = mail.find(" +0000\r\n");
    return zone == std::string::npos ? "no trace: " + mail : mail.substr(zone + 8);
  }

  test::TempDir dir_;
  ShiftedClock clock_;
  std::unique_ptr<Dispatcher> dispatcher_ = std::move(*Dispatcher::create(clock_));
  IoContext io_{*dispatcher_};
  TrafficCounters counters_;
  SmtpSettings settings_;
  std::unique_ptr<SmtpProtocol> protocol_;
  std::unique_ptr<Connection> connection_;
  int client_ = -1;
  std::string received_;
  std::size_t reads_ = 0;
  bool ended_ = false;
  bool closed_ = false;
};

TEST_F(SessionTest, ReceivesAMessage) {
  start();
  envelope();
  EXPECT_EQ(received_.substr(0, 3), "250");
  EXPECT_THAT(ask("DATA\r\n"), StartsWith("354 "));
  EXPECT_THAT(ask("Subject: hi\r\n\r\n..dot\r\n.\r\n"), StartsWith("250 2.0.0 Ok: delivered as "));
  const auto found = mails();
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_THAT(found[0], StartsWith("Return-Path: <a@x>\r\nDelivered-To: bob@example.org\r\n"
                                   "Received: from client.example\r\n\tby mx.example.org"));
  EXPECT_EQ(body(found[0]), "Subject: hi\r\n\r\n.dot\r\n");
  EXPECT_THAT(mails("bob", "tmp"), SizeIs(0));
  EXPECT_THAT(ask("QUIT\r\n"), StartsWith("221 2.0.0 mx.example.org"));
  EXPECT_TRUE(turn_until([&] { return ended_; }));
}

TEST_F(SessionTest, TakesAWholeDialogueInOnePiece) {
  start();
  turn_until([&] { return answers(received_) == 1; });
  ask("HELO me\r\nMAIL FROM: a@x\r\nRCPT TO: bob@example.org\r\nDATA\r\nhi\r\n.\r\n"
      "MAIL FROM:<>\r\nRCPT TO:<eve@example.org>\r\nDATA\r\nho\r\n.\r\nQUIT\r\n",
      10);
  EXPECT_EQ(body(mails("bob").at(0)), "hi\r\n");
  EXPECT_EQ(body(mails("eve").at(0)), "ho\r\n");
}

TEST_F(SessionTest, TakesAWholeDialogueInSingleOctets) {
  start();
  turn_until([&] { return answers(received_) == 1; });
  received_.clear();
  for (const char c : std::string_view("EHLO me\r\nMAIL FROM:<a@x>\r\nRCPT TO:<bob@example.org>\r\n"
                                       "DATA\r\nhi\r\n..\r\n.\r\nQUIT\r\n")) {
    send(std::string_view(&c, 1));
  }
  EXPECT_TRUE(turn_until([&] { return ended_; }));
  EXPECT_THAT(received_, HasSubstr("221 2.0.0"));
  EXPECT_EQ(body(mails().at(0)), "hi\r\n.\r\n");
}

TEST_F(SessionTest, AnswersABatchInOneWrite) {
  start();
  hello();
  ask("MAIL FROM:<a@x>\r\nRCPT TO:<bob@example.org>\r\nRCPT TO:<c@other.com>\r\nDATA\r\n", 4);
  EXPECT_EQ(reads_, 1U);
}

TEST_F(SessionTest, AnswersAfterThePeerHasEnded) {
  start();
  turn_until([&] { return answers(received_) == 1; });
  send("HELO me\r\nMAIL FROM:<a@x>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nhi\r\n.\r\nQUIT\r\n");
  ::shutdown(client_, SHUT_WR);
  EXPECT_TRUE(turn_until([&] { return ended_; }));
  EXPECT_THAT(received_, AllOf(HasSubstr("250 2.0.0 Ok: delivered"), HasSubstr("221 2.0.0")));
  EXPECT_THAT(mails(), SizeIs(1));
}

TEST_F(SessionTest, AMessageWhoseEndNeverComesIsNotDelivered) {
  start();
  envelope();
  ask("DATA\r\n");
  received_.clear();
  send("hi\n.\n");
  ::shutdown(client_, SHUT_WR);
  EXPECT_TRUE(turn_until([&] { return ended_; }));
  EXPECT_THAT(received_, StartsWith("451 4.4.2"));
  EXPECT_THAT(mails(), SizeIs(0));
}

TEST_F(SessionTest, StreamsALargeMessage) {
  start();
  envelope();
  ask("DATA\r\n");
  std::string text;
  while (text.size() < 900'000) text += std::to_string(text.size()) + " line\r\n.\r\n";
  std::string wire;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find("\r\n", at) + 2;
    if (text[at] == '.') wire += '.';
    wire.append(text, at, end - at);
    at = end;
  }
  EXPECT_THAT(ask(wire + ".\r\n"), StartsWith("250 "));
  EXPECT_EQ(body(mails().at(0)), text);
  EXPECT_THAT(mails("bob", "tmp"), SizeIs(0));
}

TEST_F(SessionTest, ALargeMessageThatIsCutOffLeavesNothing) {
  start();
  envelope();
  ask("DATA\r\n");
  send(std::string(300'000, 'x').replace(500, 2, "\r\n"));
  connection_->abort();
  EXPECT_TRUE(turn_until([&] { return ended_; }));
  dispatcher_->turn(false);
  protocol_.reset();  // waits for the store
  EXPECT_THAT(mails(), SizeIs(0));
  // What is refused is removed behind the answer.
  EXPECT_TRUE(turn_until([&] { return tmp_is_empty(); }));
}

TEST_F(SessionTest, RefusesWhatAMessageMustNotHaveAndStaysInStep) {
  start();
  std::string big(2 << 20, 'x');
  for (std::size_t i = 500; i < big.size(); i += 500) big.replace(i - 2, 2, "\r\n");
  struct Refusal {
    std::string text;
    const char* answer;
  };
  for (const Refusal& refusal :
       {Refusal{"a\nb", "550 5.6.0"}, Refusal{"a\rb", "550 5.6.0"},
        Refusal{"a\n.\nMAIL FROM:<evil@x>\r\nb", "550 5.6.0"},
        Refusal{std::string(999, 'x'), "554 5.6.0"}, Refusal{big, "552 5.3.4"}}) {
    connect();
    envelope();
    ask("DATA\r\n");
    EXPECT_THAT(ask(refusal.text + "\r\n.\r\n"), StartsWith(refusal.answer));
    EXPECT_THAT(ask("NOOP\r\n"), StartsWith("250 "));
  }
  EXPECT_THAT(mails(), SizeIs(0));
  // What is refused is removed behind the answer.
  EXPECT_TRUE(turn_until([&] { return tmp_is_empty(); }));
}

TEST_F(SessionTest, RefusesALoop) {
  start();
  envelope();
  ask("DATA\r\n");
  std::string header;
  for (int i = 0; i < 50; ++i) header += "Received: x\r\n";
  EXPECT_THAT(ask(header + "\r\n.\r\n"), StartsWith("250 "));
  envelope();
  ask("DATA\r\n");
  EXPECT_THAT(ask(header + "Received: x\r\n\r\n.\r\n"), StartsWith("554 5.4.6"));
  EXPECT_THAT(mails(), SizeIs(1));
}

TEST_F(SessionTest, NormalisesWhenAsked) {
  settings_.normalise_bare_newline = true;
  start();
  envelope();
  ask("DATA\r\n");
  EXPECT_THAT(ask("a\n.\nb\r\n.\r\n"), StartsWith("250 "));
  EXPECT_EQ(body(mails().at(0)), "a\r\n.\r\nb\r\n");
}

TEST_F(SessionTest, TakesChunks) {
  start();
  envelope();
  EXPECT_THAT(ask("BDAT 7\r\nhi\r\n.\r\n"), StartsWith("250 2.0.0 Chunk"));
  EXPECT_THAT(ask("DATA\r\n"), StartsWith("503 "));
  EXPECT_THAT(ask("RCPT TO:<eve@example.org>\r\n"), StartsWith("503 "));
  EXPECT_THAT(ask("BDAT 3 LAST\r\nend"), StartsWith("250 2.0.0 Ok: delivered"));
  EXPECT_EQ(body(mails().at(0)), "hi\r\n.\r\nend");
}

TEST_F(SessionTest, TakesChunksInOnePiece) {
  start();
  hello();
  ask("MAIL FROM:<a@x>\r\nRCPT TO:<bob@example.org>\r\nBDAT 4\r\nQUITBDAT 0 LAST\r\n"
      "MAIL FROM:<a@x>\r\nRCPT TO:<bob@example.org>\r\nBDAT 6 LAST\r\nRSET\r\nNOOP\r\n",
      8);
  std::vector<std::string> bodies;
  for (const std::string& mail : mails()) bodies.push_back(body(mail));
  EXPECT_THAT(bodies, testing::UnorderedElementsAre("QUIT", "RSET\r\n"));
}

TEST_F(SessionTest, AChunkOutOfOrderIsNeverReadAsCommands) {
  start();
  hello();
  EXPECT_THAT(ask("BDAT 6 LAST\r\nQUIT\r\n"), StartsWith("503 "));
  EXPECT_THAT(ask("BDAT 0 LAST\r\n"), StartsWith("503 "));
  EXPECT_THAT(ask("NOOP\r\n"), StartsWith("250 "));
}

TEST_F(SessionTest, AChunkOutOfOrderMayTakeAnyTimeWhenMessagesMay) {
  settings_.message_timeout = std::chrono::milliseconds(0);
  start();
  hello();
  ask("BDAT 6 LAST\r\nQUIT", 0);
  for (int i = 0; i < 20; ++i) turn();
  EXPECT_THAT(ask("\r\n"), StartsWith("503 "));
}

TEST_F(SessionTest, ChunksThatAreTooMuchAreRefusedAtOnce) {
  start();
  envelope();
  const std::string half(settings_.max_message_size / 2 + 1, 'x');
  std::string lines = half;
  for (std::size_t i = 500; i + 1 < lines.size(); i += 500) lines.replace(i, 2, "\r\n");
  const std::string command = "BDAT " + std::to_string(lines.size()) + "\r\n";
  EXPECT_THAT(ask(command + lines), StartsWith("250 "));
  EXPECT_THAT(ask(command + lines), StartsWith("552 5.3.4"));
  EXPECT_THAT(ask("BDAT 3 LAST\r\nabc"), StartsWith("503 "));
  EXPECT_THAT(mails(), SizeIs(0));
  // The storage threads remove the part behind the answer.
  EXPECT_TRUE(turn_until([&] { return tmp_is_empty(); }));
}

TEST_F(SessionTest, ResetDropsChunks) {
  start();
  envelope();
  std::string lines(200'000, 'x');
  for (std::size_t i = 500; i + 1 < lines.size(); i += 500) lines.replace(i, 2, "\r\n");
  EXPECT_THAT(ask("BDAT 200000\r\n" + lines), StartsWith("250 "));
  EXPECT_THAT(ask("RSET\r\n"), StartsWith("250 "));
  EXPECT_THAT(ask("BDAT 0 LAST\r\n"), StartsWith("503 "));
  ask("QUIT\r\n");
  EXPECT_TRUE(turn_until([&] { return ended_; }));
  ::close(std::exchange(client_, -1));
  turn_until([&] { return closed_; });
  dispatcher_->turn(false);
  protocol_.reset();
  EXPECT_THAT(mails(), SizeIs(0));
  // What is refused is removed behind the answer.
  EXPECT_TRUE(turn_until([&] { return tmp_is_empty(); }));
}

TEST_F(SessionTest, ClosesAfterTooManyErrors) {
  settings_.max_errors = 3;
  start();
  hello();
  ask("FOO\r\n");
  ask("FOO\r\n");
  EXPECT_THAT(ask("FOO\r\nNOOP\r\n", 2), AllOf(StartsWith("500 "), HasSubstr("421 4.7.0")));
  EXPECT_TRUE(turn_until([&] { return ended_; }));
}

TEST_F(SessionTest, AnAcceptedMessageMakesErrorsGood) {
  settings_.max_errors = 3;
  start();
  hello();
  for (int i = 0; i < 3; ++i) {
    ask("FOO\r\n");
    ask("MAIL FROM:<a@x>\r\n");
    EXPECT_THAT(ask("RCPT TO:<a@elsewhere.example>\r\n"), StartsWith("550 "));
    ask("RCPT TO:<bob@example.org>\r\n");
    ask("DATA\r\n");
    EXPECT_THAT(ask("hi\r\n.\r\n"), StartsWith("250 "));
  }
}

TEST_F(SessionTest, TarpitsThoseWhoErrOften) {
  settings_.tarpit = std::chrono::milliseconds(50);
  start();
  hello();
  for (unsigned i = 0; i < kTarpitAfter; ++i) ask("FOO\r\n");
  const auto before = std::chrono::steady_clock::now();
  EXPECT_THAT(ask("FOO\r\nNOOP\r\n", 2), HasSubstr("\r\n250 "));
  EXPECT_GE(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(40));
}

TEST_F(SessionTest, TurnsEarlyTalkersAway) {
  settings_.greet_delay = std::chrono::seconds(30);
  start();
  EXPECT_THAT(ask("EHLO me\r\n"), StartsWith("554 "));
  EXPECT_TRUE(turn_until([&] { return ended_; }));
}

TEST_F(SessionTest, GreetsLateWhenAsked) {
  settings_.greet_delay = std::chrono::milliseconds(10);
  start();
  EXPECT_TRUE(turn_until([&] { return received_.starts_with("220 mx.example.org ESMTP"); }));
}

TEST_F(SessionTest, TurnsHttpAway) {
  start();
  turn_until([&] { return answers(received_) == 1; });
  EXPECT_THAT(ask("POST / HTTP/1.1\r\nHost: x\r\n\r\nMAIL FROM:<a@x>\r\n"), StartsWith("421 "));
  EXPECT_TRUE(turn_until([&] { return ended_; }));
}

TEST_F(SessionTest, LinesHaveLimits) {
  start();
  hello();
  EXPECT_THAT(ask("NOOP " + std::string(505, 'x') + "\r\n"), StartsWith("250 "));
  EXPECT_THAT(ask("NOOP " + std::string(506, 'x') + "\r\n"), StartsWith("500 5.5.2"));
  EXPECT_THAT(ask(std::string(100'000, 'x') + "\r\n"), StartsWith("500 5.5.2"));
  EXPECT_THAT(ask("MAIL FROM:<a@x> FOO=" + std::string(3000, 'x') + "\r\n"), StartsWith("555 "));
  EXPECT_THAT(ask("MAIL FROM:<a@x> FOO=" + std::string(5000, 'x') + "\r\n"), StartsWith("500 "));
  EXPECT_THAT(ask("NOOP\r\n"), StartsWith("250 "));
}

TEST_F(SessionTest, RecipientsHaveALimit) {
  start();
  hello();
  ask("MAIL FROM:<a@x>\r\n");
  for (int i = 0; i < 100; ++i) {
    EXPECT_THAT(ask("RCPT TO:<u" + std::to_string(i) + "@example.org>\r\n"), StartsWith("250 "));
  }
  EXPECT_THAT(ask("RCPT TO:<one.more@example.org>\r\n"), StartsWith("452 4.5.3"));
  ask("DATA\r\n");
  EXPECT_THAT(ask("hi\r\n.\r\n"), StartsWith("250 "));
  EXPECT_THAT(mails("u0"), SizeIs(1));
  EXPECT_THAT(mails("u99"), SizeIs(1));
  EXPECT_THAT(mails("u99").at(0), Not(HasSubstr("Delivered-To")));
  EXPECT_THAT(mails("u99").at(0), Not(HasSubstr("for <")));
}

TEST_F(SessionTest, ClientsHaveLimits) {
  const ClientLimits::Options limits{.connections = 3, .messages = 1};
  start(&limits);
  const sockaddr_in v4{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {1}, .sin_zero = {}};
  sockaddr_storage storage{};
  std::copy_n(reinterpret_cast<const char*>(&v4), sizeof v4, reinterpret_cast<char*>(&storage));
  const SocketAddress peer(reinterpret_cast<const sockaddr*>(&storage), sizeof v4);
  connect(peer);
  hello();
  EXPECT_THAT(ask("MAIL FROM:<a@x>\r\n"), StartsWith("250 "));
  ask("RSET\r\n");
  EXPECT_THAT(ask("MAIL FROM:<a@x>\r\n"), StartsWith("450 4.7.1"));
  connect(peer);
  connect(peer);
  hello();
  connect(peer);
  EXPECT_TRUE(turn_until([&] { return received_.starts_with("421 4.7.0"); }));
}

TEST_F(SessionTest, AnIdleOneIsToldOfTheShutdown) {
  start();
  hello();
  received_.clear();
  connection_->shut_down();
  EXPECT_TRUE(turn_until([&] { return ended_; }));
  EXPECT_THAT(received_, StartsWith("421 4.3.2"));
}

TEST_F(SessionTest, AMessageInTheMiddleIsFinishedFirst) {
  start();
  envelope();
  ask("DATA\r\n");
  connection_->shut_down();
  received_.clear();
  send("hi\r\n.\r\n");
  EXPECT_TRUE(turn_until([&] { return ended_; }));
  EXPECT_THAT(received_, AllOf(StartsWith("250 2.0.0"), HasSubstr("421 4.3.2")));
  EXPECT_THAT(mails(), SizeIs(1));
}

TEST_F(SessionTest, IdleOnesAreTold) {
  start();
  hello();
  received_.clear();
  connection_->set_idle_timeout(std::chrono::milliseconds(20));
  EXPECT_TRUE(turn_until([&] { return ended_; }));
  EXPECT_THAT(received_, StartsWith("421 4.4.2"));
}

TEST_F(SessionTest, SlowCommandsHaveADeadline) {
  settings_.idle_timeout = std::chrono::milliseconds(30);
  for (const std::string_view start_of_line : {"", "NOOP "}) {
    start();
    hello();
    ended_ = false;
    received_.clear();
    send(start_of_line);
    EXPECT_TRUE(turn_until([&] {
      send("x");  // also beyond the longest line
      return ended_;
    }));
    EXPECT_THAT(received_, StartsWith("421 4.4.2"));
  }
}

TEST_F(SessionTest, SlowCommandsBetweenChunksHaveADeadline) {
  settings_.idle_timeout = std::chrono::milliseconds(30);
  settings_.message_timeout = std::chrono::milliseconds(0);
  start();
  envelope();
  EXPECT_THAT(ask("BDAT 2\r\nhi"), StartsWith("250 "));
  received_.clear();
  EXPECT_TRUE(turn_until([&] {
    send("x");
    return ended_;
  }));
  EXPECT_THAT(received_, StartsWith("421 4.4.2"));
  EXPECT_THAT(mails(), SizeIs(0));
}

TEST_F(SessionTest, SlowCommandsBetweenChunksDoNotMoveTheMessagesDeadline) {
  settings_.message_timeout = std::chrono::milliseconds(30);
  start();
  envelope();
  EXPECT_THAT(ask("BDAT 2\r\nhi"), StartsWith("250 "));
  const Monotonic deadline = connection_->deadline();
  EXPECT_NE(deadline, Monotonic::max());
  send("NO");
  turn();
  ASSERT_FALSE(closed_);
  EXPECT_EQ(connection_->deadline(), deadline);
  EXPECT_TRUE(turn_until([&] { return ended_; }));
}

TEST_F(SessionTest, ACommandThatIsThereHasNoDeadline) {
  settings_.idle_timeout = std::chrono::milliseconds(30);
  start();
  hello();
  send("NO");
  turn();
  EXPECT_THAT(ask("OP\r\n"), StartsWith("250 "));
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(60);
  EXPECT_TRUE(turn_until([&] { return std::chrono::steady_clock::now() > end; }));
  EXPECT_THAT(ask("NOOP\r\n"), StartsWith("250 "));
}

TEST_F(SessionTest, WhoeverIsSilentForLongMakesRoom) {
  using Worth = Standing::Worth;
  start();
  hello();
  EXPECT_EQ(connection_->standing().worth, Worth::working);
  clock_.advance(kCrowdedPatience);
  turn();
  EXPECT_EQ(connection_->standing().worth, Worth::idle);
  ask("MAIL FROM:<a@x>\r\n");
  EXPECT_EQ(connection_->standing().worth, Worth::working);
  clock_.advance(kCrowdedPatience);
  turn();
  EXPECT_EQ(connection_->standing().worth, Worth::stalled);
  received_.clear();
  connection_->displace();
  EXPECT_TRUE(closed_);
  EXPECT_TRUE(turn_until([&] { return ended_; }));
  EXPECT_THAT(received_, StartsWith("421 4.4.5"));
}

TEST_F(SessionTest, WhoeverWaitsForUsKeepsItsPlace) {
  settings_.greet_delay = std::chrono::minutes(5);
  start();
  clock_.advance(2 * kCrowdedPatience);
  turn();
  EXPECT_EQ(connection_->standing().worth, Standing::Worth::working);
}

TEST_F(SessionTest, SlowMessagesHaveADeadline) {
  settings_.message_timeout = std::chrono::milliseconds(30);
  start();
  envelope();
  ask("DATA\r\n");
  received_.clear();
  EXPECT_TRUE(turn_until([&] {
    send("x");
    return ended_;
  }));
  EXPECT_THAT(received_, StartsWith("421 4.4.2"));
}

TEST_F(SessionTest, SaysWhatHappenedInTheJournal) {
  const test::LogCapture log;
  start();
  envelope();
  ask("DATA\r\n");
  ask("hi\r\n.\r\n");
  const auto told = log.entries("mail_delivered");
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].field("NETD_LISTENER"), "mail");
  EXPECT_THAT(told[0].message, HasSubstr("from=<a@x> to=<bob@example.org> size=4 id=M"));
}

TEST_F(SessionTest, IdleOnesAreSmall) { EXPECT_LE(sizeof(SmtpSession), 200U); }

}  // namespace
}  // namespace netd::smtp
