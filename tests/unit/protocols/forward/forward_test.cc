#include "daemon/protocols/forward/forward.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <future>

#include "tests/support/log_capture.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/protocols/protocol_fixture.h"

namespace netd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

const sockaddr* generic(const void* address) { return static_cast<const sockaddr*>(address); }

/// A listening socket on 127.0.0.1 that the test plays the target with.
class TcpTarget {
 public:
  TcpTarget() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener_.get(), generic(&address), size) != 0 ||
        ::listen(listener_.get(), 16) != 0) {
      throw std::runtime_error("no target");
    }
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string text() const { return "tcp:127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] UniqueFd accept() const {
    return UniqueFd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  }
  void close() { listener_.reset(); }

 private:
  UniqueFd listener_;
  std::uint16_t port_ = 0;
};

class ForwardTest : public test::ProtocolFixture {
 protected:
  void start(const std::string& target, const std::string& lines = {}) {
    configure(kForwardProtocol, "target = " + target + "\n" + lines);
    open();
  }
  /// Connects through to the target.
  void join() {
    start(target_.text());
    ASSERT_TRUE(accept());
  }
  [[nodiscard]] bool accept() {
    return turn_until([this] {
      if (!upstream_) upstream_ = target_.accept();
      return static_cast<bool>(upstream_);
    });
  }
  void upstream_send(std::string_view text) {
    ASSERT_EQ(::send(upstream_.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }
  /// Reads what is there; "<EOF>" at an end, "<RST>" at a reset.
  static std::string read(const UniqueFd& fd) {
    std::array<char, 65536> buffer{};
    const ssize_t count = ::recv(fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count == 0) return "<EOF>";
    if (count < 0) return errno == EAGAIN ? "" : "<RST>";
    return {buffer.data(), static_cast<std::size_t>(count)};
  }
  [[nodiscard]] bool read_until(const UniqueFd& fd, std::string_view expected) {
    std::string all;
    const bool seen = turn_until([&] {
      all += read(fd);
      return all.size() >= expected.size();
    });
    EXPECT_EQ(all, expected);
    return seen;
  }

  test::LogCapture log_;
  TcpTarget target_;
  UniqueFd upstream_;
};

TEST_F(ForwardTest, JoinsBothDirections) {
  join();
  send("to the target");
  EXPECT_TRUE(read_until(upstream_, "to the target"));
  upstream_send("to the client");
  EXPECT_TRUE(read_until(client_, "to the client"));
}

TEST_F(ForwardTest, WhatIsSentBeforeTheTargetAcceptsIsNotLost) {
  start(target_.text());
  send("early");
  send_end();
  ASSERT_TRUE(accept());
  EXPECT_TRUE(read_until(upstream_, "early<EOF>"));
}

TEST_F(ForwardTest, EachDirectionEndsByItself) {
  join();
  send("question");
  send_end();
  EXPECT_TRUE(read_until(upstream_, "question<EOF>"));
  EXPECT_FALSE(closed());
  upstream_send("answer");
  EXPECT_TRUE(read_until(client_, "answer"));
  upstream_.reset();
  EXPECT_TRUE(read_until(client_, "<EOF>"));
  EXPECT_TRUE(turn_until([this] { return closed(); }));
}

TEST_F(ForwardTest, TheTargetMayEndFirst) {
  join();
  ::shutdown(upstream_.get(), SHUT_WR);
  EXPECT_TRUE(read_until(client_, "<EOF>"));
  send("still heard");
  EXPECT_TRUE(read_until(upstream_, "still heard"));
  EXPECT_FALSE(closed());
  send_end();
  EXPECT_TRUE(read_until(upstream_, "<EOF>"));
  EXPECT_TRUE(turn_until([this] { return closed(); }));
}

TEST_F(ForwardTest, ASlowTargetHoldsBackTheClient) {
  join();
  const std::string chunk(65536, 'x');
  std::size_t sent = 0;
  for (int idle = 0; idle < 100;) {
    const ssize_t count = ::send(client_.get(), chunk.data(), chunk.size(), MSG_NOSIGNAL);
    if (count > 0) sent += static_cast<std::size_t>(count);
    idle = count > 0 ? 0 : idle + 1;
    turn();
    ASSERT_LT(sent, std::size_t{64} << 20);
  }
  std::size_t received = 0;
  EXPECT_TRUE(turn_until([&] {
    received += read(upstream_).size();
    return received == sent;
  }));
}

TEST_F(ForwardTest, ASlowClientHoldsBackTheTarget) {
  join();
  const std::string chunk(65536, 'x');
  std::size_t sent = 0;
  for (int idle = 0; idle < 100;) {
    const ssize_t count = ::send(upstream_.get(), chunk.data(), chunk.size(), MSG_NOSIGNAL);
    if (count > 0) sent += static_cast<std::size_t>(count);
    idle = count > 0 ? 0 : idle + 1;
    turn();
    ASSERT_LT(sent, std::size_t{64} << 20);
  }
  upstream_.reset();  // all that it sent still arrives, and then the end
  std::size_t received = 0;
  bool ended = false;
  EXPECT_TRUE(turn_until([&] {
    const std::string part = read(client_);
    ended = part == "<EOF>";
    if (!ended) received += part.size();
    return ended;
  }));
  EXPECT_EQ(received, sent);
}

TEST_F(ForwardTest, ABrokenTargetIsPassedOn) {
  join();
  const linger reset{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(upstream_.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  upstream_.reset();
  EXPECT_TRUE(turn_until([this] { return closed(); }));
}

TEST_F(ForwardTest, AClientThatIsClosedTakesTheTargetWithIt) {
  join();
  connection_->abort();
  EXPECT_TRUE(read_until(upstream_, "<EOF>"));
}

TEST_F(ForwardTest, ATargetThatRefusesIsReportedOnce) {
  target_.close();
  start(target_.text());
  EXPECT_TRUE(turn_until([this] { return closed(); }));
  open();
  EXPECT_TRUE(turn_until([this] { return closed(); }));
  const auto entries = log_.entries("forward_failed");
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0].level, LogLevel::warning);
  EXPECT_EQ(entries[0].message,
            "listener test: connect " + target_.text().substr(4) + ": Connection refused");
  EXPECT_EQ(entries[1].level, LogLevel::debug);
}

TEST_F(ForwardTest, IdleTunnelsEnd) {
  join();
  send("x");
  EXPECT_TRUE(read_until(upstream_, "x"));
  clock_.advance(settings_->listeners[0].idle_timeout + 1s);
  turn(1);  // the dispatcher sees the time
  dispatcher_->run_due_timers();
  EXPECT_TRUE(turn_until([this] { return closed(); }));
  EXPECT_TRUE(read_until(upstream_, "<EOF>"));
}

TEST_F(ForwardTest, AStopLetsALivelyTunnelGoOnUntilItIsSilent) {
  join();
  send("x");
  EXPECT_TRUE(read_until(upstream_, "x"));
  connection_->shut_down();
  turn();
  EXPECT_FALSE(closed());
  clock_.advance(2s);
  turn(1);
  dispatcher_->run_due_timers();
  EXPECT_TRUE(turn_until([this] { return closed(); }));
}

TEST_F(ForwardTest, AStopClosesASilentTunnel) {
  join();
  turn();
  clock_.advance(2s);
  turn();
  connection_->shut_down();
  EXPECT_TRUE(read_until(client_, "<EOF>"));
}

TEST_F(ForwardTest, AStopClosesWhatIsStillConnecting) {
  start(target_.text());
  clock_.advance(Connection::kFirstWords);  // it is no new client any more
  dispatcher_->run_due_timers();
  connection_->shut_down();
  EXPECT_TRUE(read_until(client_, "<EOF>"));
  EXPECT_TRUE(log_.entries("forward_failed").empty());
}

TEST_F(ForwardTest, UnixTargets) {
  const test::TempDir dir;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = dir / "target.sock";
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(listener.get(), generic(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener.get(), 0), 0);
  start("unix:" + path);
  send("hello");
  ASSERT_TRUE(turn_until([&] {
    if (!upstream_) upstream_.reset(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK));
    return static_cast<bool>(upstream_);
  }));
  EXPECT_TRUE(read_until(upstream_, "hello"));
}

/// With names instead of addresses.
class ForwardNameTest : public ForwardTest {
 protected:
  void start_with(Resolver::LookUp look_up) {
    shared_target_ =
        std::make_shared<forward::Target>("test", "tcp:target.test:1", clock_, std::move(look_up));
    stream_ =
        std::make_unique<forward::Forward>(shared_target_, shared_target_->endpoint(), 5s, 30s);
    open();
  }
  SocketAddress address() const { return address(target_.port()); }
  static SocketAddress address(std::uint16_t port) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return {generic(&v4), sizeof v4};
  }

  std::shared_ptr<forward::Target> shared_target_;
};

TEST_F(ForwardNameTest, LooksUpOnceForManyAndAgainLater) {
  auto count = std::make_shared<std::atomic<int>>(0);
  start_with([count, found = address()](const std::string& host, std::uint16_t port) {
    EXPECT_EQ(host, "target.test");
    EXPECT_EQ(port, 1);
    ++*count;
    return Result<Resolver::Addresses>({found});
  });
  ASSERT_TRUE(accept());
  open();
  upstream_.reset();
  ASSERT_TRUE(accept());
  EXPECT_EQ(*count, 1);
  clock_.advance(Resolver::kLifetime + 1s);
  turn(1);
  open();
  upstream_.reset();
  ASSERT_TRUE(accept());
  EXPECT_EQ(*count, 2);
}

TEST_F(ForwardNameTest, LooksUpAgainSoonWhenNoAddressDoes) {
  auto count = std::make_shared<std::atomic<int>>(0);
  TcpTarget gone;
  const std::uint16_t closed_port = gone.port();
  gone.close();
  start_with([count, closed_port, good = address()](const std::string&, std::uint16_t) {
    return Result<Resolver::Addresses>({++*count == 1 ? address(closed_port) : good});
  });
  ASSERT_TRUE(turn_until([this] { return closed(); }));
  clock_.advance(Resolver::kFailureLifetime + 1ms);
  turn(1);
  open();
  ASSERT_TRUE(accept());
  EXPECT_EQ(*count, 2);
}

TEST_F(ForwardNameTest, TriesTheNextAddress) {
  TcpTarget gone;
  const std::uint16_t closed_port = gone.port();
  gone.close();
  start_with([closed_port, good = address()](const std::string&, std::uint16_t) {
    return Result<Resolver::Addresses>({address(closed_port), good});
  });
  send("hello");
  ASSERT_TRUE(accept());
  EXPECT_TRUE(read_until(upstream_, "hello"));
}

TEST_F(ForwardNameTest, ANameThatIsNotKnownClosesTheClient) {
  start_with([](const std::string&, std::uint16_t) -> Result<Resolver::Addresses> {
    return fail("look up target.test: Name or service not known");
  });
  EXPECT_TRUE(turn_until([this] { return closed(); }));
  EXPECT_THAT(log_.entries("forward_failed").at(0).message, HasSubstr("not known"));
}

TEST_F(ForwardNameTest, ALookUpThatHangsHoldsNobodyUp) {
  auto gate = std::make_shared<std::promise<void>>();
  start_with([waiting = gate->get_future().share()](const std::string&,
                                                    std::uint16_t) -> Result<Resolver::Addresses> {
    waiting.wait();
    return fail("late");
  });
  turn();
  EXPECT_FALSE(closed());
  clock_.advance(6s);  // connect_timeout
  turn(1);
  dispatcher_->run_due_timers();
  EXPECT_TRUE(turn_until([this] { return closed(); }));
  // The protocol and its target go while the look-up still runs.
  stream_.reset();
  shared_target_.reset();
  gate->set_value();
}

TEST_F(ForwardNameTest, AClientThatLeavesDuringTheLookUpIsForgotten) {
  auto gate = std::make_shared<std::promise<void>>();
  start_with([waiting = gate->get_future().share(), found = address()](
                 const std::string&, std::uint16_t) -> Result<Resolver::Addresses> {
    waiting.wait();
    return Resolver::Addresses{found};
  });
  turn();
  connection_->abort();
  turn();
  gate->set_value();
  // Another one gets the same answer, and only one connection is made.
  open();
  ASSERT_TRUE(accept());
  turn(20);
  EXPECT_FALSE(target_.accept());
}

TEST(ForwardSettings, RefusesTargetsThatCannotBe) {
  const auto mistakes = [](const std::string& target) {
    return test::mistakes_in(kForwardProtocol, "target = " + target + "\n");
  };
  EXPECT_THAT(mistakes("tcp:127.0.0.1:80"), IsEmpty());
  EXPECT_THAT(mistakes("tcp:example.org:80"), IsEmpty());
  EXPECT_THAT(mistakes("unix:/run/x.sock"), IsEmpty());
  EXPECT_THAT(mistakes("service users"), ElementsAre(HasSubstr("no [service NAME]")));
  EXPECT_THAT(mistakes("service"), ElementsAre(HasSubstr("or service NAME")));
  EXPECT_THAT(mistakes("udp:127.0.0.1:80"), ElementsAre(HasSubstr("netd.conf:4: ")));
  EXPECT_THAT(mistakes("tcp:127.0.0.1:0"), ElementsAre(HasSubstr("expected one host and a port")));
  EXPECT_THAT(mistakes("tcp:*:80"), ElementsAre(HasSubstr("expected one host and a port")));
  EXPECT_THAT(test::mistakes_in(kForwardProtocol, ""), ElementsAre(HasSubstr("target")));
  EXPECT_THAT(
      test::mistakes_in(kForwardProtocol, "target = tcp:127.0.0.1:7\nlisten = tcp:127.0.0.1:7\n"),
      ElementsAre(HasSubstr("expected another address than its own")));
}

}  // namespace
}  // namespace netd
