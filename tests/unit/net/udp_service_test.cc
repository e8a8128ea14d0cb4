#include "daemon/net/udp_service.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <string>

#include "daemon/event/dispatcher.h"
#include "daemon/net/socket.h"
#include "tests/support/fake_clock.h"

namespace netd {
namespace {

/// Answers with as many bytes as it is told, if they fit.
class Answering final : public DatagramProtocol {
 public:
  std::ptrdiff_t answer(std::string_view request, std::span<char> answer) override {
    room = answer.size();
    const std::size_t size = wanted.value_or(request.size());
    if (size > answer.size()) return kNoAnswer;
    std::fill_n(answer.begin(), size, 'a');
    return static_cast<std::ptrdiff_t>(size);
  }
  std::optional<std::size_t> wanted;
  std::size_t room = 0;
};

class UdpServiceTest : public ::testing::Test, public DatagramPolicy {
 protected:
  void SetUp() override {
    auto made = Dispatcher::create(clock_);
    ASSERT_TRUE(made);
    dispatcher_ = std::move(*made);
    client_ = bind(0);
  }
  void serve(std::string_view where) {
    auto opened = open_sockets(*Endpoint::parse(where), 1, false, {});
    ASSERT_TRUE(opened);
    BoundSocket socket = std::move(opened->front().front());
    port_ = socket.endpoint.port;
    auto service = UdpService::create(*dispatcher_, std::move(socket), *this, counters_, ports_);
    ASSERT_TRUE(service);
    service_ = std::move(*service);
  }
  static UniqueFd bind(std::uint16_t port) {
    UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
  }
  void send(const std::string& text) { send_from(client_, text); }
  void send_from(const UniqueFd& fd, const std::string& text) const {
    queue_from(fd, text);
    dispatcher_->turn(false);
  }
  void queue_from(const UniqueFd& fd, const std::string& text) const {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::sendto(fd.get(), text.data(), text.size(), 0, reinterpret_cast<sockaddr*>(&address),
                       sizeof address),
              static_cast<ssize_t>(text.size()));
  }
  std::optional<std::size_t> receive() { return receive_from(client_); }
  static std::optional<std::size_t> receive_from(const UniqueFd& fd) {
    char buffer[65536];
    const ssize_t count = ::recv(fd.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (count < 0) return std::nullopt;
    return static_cast<std::size_t>(count);
  }
  [[nodiscard]] bool allows(const SocketAddress&) const override { return allowed_; }
  [[nodiscard]] DatagramProtocol* protocol() const override { return protocol_; }

  test::FakeClock clock_;
  std::unique_ptr<Dispatcher> dispatcher_;
  TrafficCounters counters_;
  ServedPorts ports_;
  Answering answering_;
  mutable DatagramProtocol* protocol_ = &answering_;
  bool allowed_ = true;
  std::uint16_t port_ = 0;
  UniqueFd client_;
  std::unique_ptr<UdpService> service_;
};

TEST_F(UdpServiceTest, AnswersEachDatagram) {
  serve("udp:127.0.0.1:0");
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{1400}, std::size_t{65507}}) {
    send(std::string(size, 'q'));
    EXPECT_EQ(receive(), size);
  }
  EXPECT_EQ(counters_.accepted.get(), 4U);
}

/// Sizes that make the service join some answers in one call and not others.
constexpr std::array<std::size_t, 12> kSizes = {64, 64,   64,   10,   64,   0,
                                                0,  1232, 1232, 1233, 1233, 5};

TEST_F(UdpServiceTest, AnswersThatLeaveInOneCallArriveOneByOne) {
  serve("udp:127.0.0.1:0");
  const UniqueFd other = bind(0);
  for (const std::size_t size : kSizes) queue_from(client_, std::string(size, 'x'));
  for (const std::size_t size : kSizes) {
    queue_from(client_, std::string(size, 'x'));
    queue_from(other, std::string(size, 'x'));
  }
  dispatcher_->turn(false);
  for (int round = 0; round < 2; ++round) {
    for (const std::size_t size : kSizes) EXPECT_EQ(receive(), size);
  }
  for (const std::size_t size : kSizes) EXPECT_EQ(receive_from(other), size);
  EXPECT_EQ(receive(), std::nullopt);
  EXPECT_EQ(counters_.bytes_out.get(), counters_.bytes_in.get());
  EXPECT_EQ(counters_.errors.get(), 0U);
}

TEST_F(UdpServiceTest, AnswersWhereTheKernelCannotJoin) {
  serve("udp:127.0.0.1:0");
  const int on = 1;
  BoundSocket socket = service_->release_socket();
  ASSERT_EQ(::setsockopt(socket.fd.get(), SOL_SOCKET, SO_NO_CHECK, &on, sizeof on), 0);
  service_ = UdpService::create(*dispatcher_, std::move(socket), *this, counters_, ports_).value();
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 10; ++i) queue_from(client_, "ping");
    dispatcher_->turn(false);
    for (int i = 0; i < 10; ++i) EXPECT_EQ(receive(), 4U);
  }
  EXPECT_EQ(counters_.errors.get(), 0U);
}

TEST_F(UdpServiceTest, AnswersManyAtOnce) {
  serve("udp:127.0.0.1:0");
  for (int i = 0; i < 100; ++i) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(
        ::sendto(client_.get(), "x", 1, 0, reinterpret_cast<sockaddr*>(&address), sizeof address),
        1);
  }
  dispatcher_->turn(false);
  int answers = 0;
  while (receive()) ++answers;
  EXPECT_EQ(answers, 100);
}

TEST_F(UdpServiceTest, ServesBothFamiliesOnEveryInterface) {
  serve("udp:*:0");
  send("x");
  EXPECT_EQ(receive(), 1U);
}

TEST_F(UdpServiceTest, SaysNoMoreThanTwiceWhatCameHeadersCounted) {
  serve("udp:127.0.0.1:0");
  send("");
  EXPECT_EQ(answering_.room, 28U);  // 2 * 28 bytes of headers, less the answer's own
  send("1234");
  EXPECT_EQ(answering_.room, 36U);
  answering_.wanted = 37;
  while (receive()) {
  }
  send("1234");
  EXPECT_EQ(receive(), std::nullopt);
  answering_.wanted = 36;
  send("1234");
  EXPECT_EQ(receive(), 36U);
}

TEST_F(UdpServiceTest, DoesNotAnswerAPortThatNetdServes) {
  serve("udp:127.0.0.1:0");
  sockaddr_in local{};
  socklen_t size = sizeof local;
  ASSERT_EQ(::getsockname(client_.get(), reinterpret_cast<sockaddr*>(&local), &size), 0);
  ports_.add(ntohs(local.sin_port));
  send("x");
  EXPECT_EQ(receive(), std::nullopt);
  EXPECT_EQ(counters_.refused.get(), 1U);
  ports_.remove(ntohs(local.sin_port));
  send("x");
  EXPECT_EQ(receive(), 1U);
}

TEST_F(UdpServiceTest, DoesNotAnswerAPrivilegedPort) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root for a port below 1024";
  serve("udp:127.0.0.1:0");
  UniqueFd low;
  for (std::uint16_t port = 1023; port > 900 && !low; --port) {
    UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
      low = std::move(fd);
    }
  }
  ASSERT_TRUE(low);
  send_from(low, "x");
  EXPECT_EQ(receive_from(low), std::nullopt);
}

TEST_F(UdpServiceTest, DoesNotAnswerWhomThePolicyRefuses) {
  serve("udp:127.0.0.1:0");
  allowed_ = false;
  send("x");
  EXPECT_EQ(receive(), std::nullopt);
}

TEST_F(UdpServiceTest, AReleasedSocketStaysBound) {
  serve("udp:127.0.0.1:0");
  const BoundSocket socket = service_->release_socket();
  service_.reset();
  EXPECT_FALSE(ports_.contains(port_));
  sockaddr_in local{};
  socklen_t size = sizeof local;
  ASSERT_EQ(::getsockname(socket.fd.get(), reinterpret_cast<sockaddr*>(&local), &size), 0);
  EXPECT_EQ(ntohs(local.sin_port), port_);
}

}  // namespace
}  // namespace netd
