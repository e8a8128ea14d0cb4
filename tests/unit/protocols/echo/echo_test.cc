#include "daemon/protocols/echo/echo.h"

#include <gmock/gmock.h>
#include <stdlib.h>
#include <time.h>

#include "tests/unit/protocols/protocol_fixture.h"

namespace netd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class EchoTest : public test::ProtocolFixture {
 protected:
  void SetUp() override {
    ::setenv("TZ", "UTC", 1);  // NOLINT(concurrency-mt-unsafe): no other thread yet
    ::tzset();
  }
  std::unique_ptr<DatagramProtocol> datagram(const std::string& lines) {
    configure(kEchoProtocol, lines);
    return kEchoProtocol.make_datagram(context()).value();
  }
};

TEST_F(EchoTest, RawSendsBytesBack) {
  configure(kEchoProtocol);
  open();
  send(std::string("a\0b\r\nc", 6));
  EXPECT_EQ(answer(), std::string("a\0b\r\nc", 6));
  send("more");
  EXPECT_EQ(answer(), "more");
  send_end();
  EXPECT_EQ(answer(), "");
  EXPECT_TRUE(ended_);
  EXPECT_TRUE(closed());
}

TEST_F(EchoTest, RawHoldsBackASenderThatDoesNotRead) {
  configure(kEchoProtocol);
  open();
  const std::string chunk(65536, 'x');
  std::size_t sent = 0;
  for (int idle = 0; idle < 10;) {
    const ssize_t count = ::send(client_.get(), chunk.data(), chunk.size(), MSG_NOSIGNAL);
    if (count > 0) sent += static_cast<std::size_t>(count);
    idle = count > 0 ? 0 : idle + 1;
    turn();
    ASSERT_LT(sent, std::size_t{64} << 20);
  }
  EXPECT_EQ(answer().size(), sent);
}

TEST_F(EchoTest, LinePutsThePrefixBeforeEachLine) {
  configure(kEchoProtocol, "mode = line\n");
  open();
  send("one\r\ntwo\n\nthree");
  EXPECT_EQ(answer(), "ECHO: one\r\nECHO: two\nECHO: \n");
  send(" and four\nfive");
  EXPECT_EQ(answer(), "ECHO: three and four\n");
  send_end();
  EXPECT_EQ(answer(), "ECHO: five");
  EXPECT_TRUE(ended_);
}

TEST_F(EchoTest, LineArrivingByteByByteIsOneLine) {
  configure(kEchoProtocol, "mode = line\n");
  open();
  for (const char c : std::string("hello")) {
    send({&c, 1});
    EXPECT_EQ(answer(), "");
  }
  send("\n");
  EXPECT_EQ(answer(), "ECHO: hello\n");
}

TEST_F(EchoTest, LineOfAnyLengthGetsOnePrefixAndBoundedMemory) {
  configure(kEchoProtocol, "mode = line\n");
  open();
  const std::string line(300'000, 'y');
  send_all(line);
  std::string all = answer();
  EXPECT_GT(all.size(), 200'000U) << "the line is not held until its end";
  send_all(line + "\nshort\n");
  all += answer();
  EXPECT_EQ(all, "ECHO: " + line + line + "\nECHO: short\n");
}

TEST_F(EchoTest, LineLongerThanTheBoundMayEndWithTheConnection) {
  configure(kEchoProtocol, "mode = line\n");
  open();
  const std::string line(100'000, 'y');
  send_all(line);
  send_end();
  EXPECT_EQ(answer(), "ECHO: " + line);
  EXPECT_TRUE(ended_);
}

TEST_F(EchoTest, LineAnswersManyShortLinesOfASlowReader) {
  configure(kEchoProtocol, "mode = line\n");
  open();
  const std::string lines(100'000, '\n');
  std::string_view left = lines;
  while (!left.empty()) {
    const ssize_t count = ::send(client_.get(), left.data(), left.size(), MSG_NOSIGNAL);
    if (count <= 0) break;
    left.remove_prefix(static_cast<std::size_t>(count));
    turn();  // nothing is read meanwhile
  }
  std::string all = answer();
  send_all(left);
  all += answer();
  std::string expected;
  for (std::size_t i = 0; i < lines.size(); ++i) expected += "ECHO: \n";
  EXPECT_EQ(all, expected);
}

TEST_F(EchoTest, TimestampPutsTheTimeBeforeEachRead) {
  configure(kEchoProtocol, "mode = timestamp\n");
  open();
  send("hi\n");
  EXPECT_EQ(answer(), "[2026-01-02 03:04:05] Echo: hi\n");
  clock_.advance(std::chrono::seconds(1));
  send("two\nlines");
  EXPECT_EQ(answer(), "[2026-01-02 03:04:06] Echo: two\nlines");
}

TEST_F(EchoTest, TimestampIsLocalTime) {
  ::setenv("TZ", "Europe/Madrid", 1);  // NOLINT(concurrency-mt-unsafe): no other thread yet
  ::tzset();
  configure(kEchoProtocol, "mode = timestamp\n");
  open();
  send("x");
  EXPECT_EQ(answer(), "[2026-01-02 04:04:05] Echo: x");
}

TEST_F(EchoTest, DatagramsOfEveryMode) {
  const auto raw = datagram("mode = raw\n");
  EXPECT_EQ(test::ask_datagram(*raw, "abc"), "abc");
  EXPECT_EQ(test::ask_datagram(*raw, ""), "");
  EXPECT_EQ(test::ask_datagram(*raw, std::string(65507, 'x')), std::string(65507, 'x'));

  const auto line = datagram("mode = line\n");
  EXPECT_EQ(test::ask_datagram(*line, "a"), "ECHO: a");
  EXPECT_EQ(test::ask_datagram(*line, "a\nb\n"), "ECHO: a\nECHO: b\n");
  EXPECT_EQ(test::ask_datagram(*line, ""), "<none>");

  const auto timestamp = datagram("mode = timestamp\n");
  EXPECT_EQ(test::ask_datagram(*timestamp, ""), "[2026-01-02 03:04:05] Echo: ");
  EXPECT_EQ(test::ask_datagram(*timestamp, "x"), "[2026-01-02 03:04:05] Echo: x");
}

TEST_F(EchoTest, DatagramLinesThatDoNotFitAreNotSaid) {
  const auto line = datagram("mode = line\n");
  // 20 empty lines: room for 68 bytes, 9 lines of 7.
  const std::string answer = test::ask_datagram(*line, std::string(20, '\n'));
  EXPECT_EQ(answer.size(), 63U);
  EXPECT_TRUE(answer.ends_with("ECHO: \n"));
}

TEST_F(EchoTest, RefusesAnUnknownMode) {
  EXPECT_THAT(test::mistakes_in(kEchoProtocol, "mode = loud\n"),
              ElementsAre(HasSubstr("netd.conf:4: ")));
}

}  // namespace
}  // namespace netd
