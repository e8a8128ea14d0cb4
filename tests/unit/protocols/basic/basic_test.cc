#include "daemon/protocols/basic/basic.h"

#include <gmock/gmock.h>
#include <stdlib.h>
#include <time.h>

#include "tests/unit/protocols/protocol_fixture.h"

namespace netd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

void set_zone(const char* zone) {
  ::setenv("TZ", zone, 1);  // NOLINT(concurrency-mt-unsafe): no other thread yet
  ::tzset();
}

class BasicTest : public test::ProtocolFixture {
 protected:
  void SetUp() override { set_zone("UTC"); }
  std::unique_ptr<DatagramProtocol> datagram(const Protocol& protocol) {
    configure(protocol);
    return protocol.make_datagram(context()).value();
  }
};

TEST_F(BasicTest, DiscardSaysNothingUntilTheEnd) {
  configure(kDiscardProtocol);
  open();
  send_all(std::string(1'000'000, 'x'));
  EXPECT_EQ(answer(), "");
  EXPECT_FALSE(ended_);
  send_end();
  EXPECT_EQ(answer(), "");
  EXPECT_TRUE(ended_);
  EXPECT_EQ(test::ask_datagram(*datagram(kDiscardProtocol), "x"), "<none>");
}

TEST_F(BasicTest, DaytimeSaysTheTimeAndCloses) {
  configure(kDaytimeProtocol);
  open();
  EXPECT_EQ(answer(), "Friday, January 02, 2026 03:04:05-UTC\r\n");
  EXPECT_TRUE(ended_);
}

TEST_F(BasicTest, WhatTheClientSendsDoesNotDestroyTheAnswer) {
  configure(kDaytimeProtocol);
  open();
  send("GET / HTTP/1.0\r\n\r\n");  // unread input would turn the close into a reset
  turn();
  EXPECT_FALSE(closed()) << "the end of the client's side is waited for";
  EXPECT_THAT(answer(), HasSubstr("2026"));
  EXPECT_TRUE(ended_);
  client_.reset();
  turn();
  EXPECT_TRUE(closed());
}

TEST_F(BasicTest, DaytimeDatagramFitsTheReflectionBound) {
  const auto protocol = datagram(kDaytimeProtocol);
  EXPECT_EQ(test::ask_datagram(*protocol, ""), "02 JAN 2026 03:04:05 UTC\r\n");
  EXPECT_EQ(test::ask_datagram(*protocol, "please"), "Friday, January 02, 2026 03:04:05-UTC\r\n");
  set_zone("<+0545>-5:45");  // Nepal; no abbreviation of a zone is longer
  EXPECT_EQ(test::ask_datagram(*protocol, ""), "02 JAN 2026 08:49:05 +0545\r\n");
}

TEST_F(BasicTest, TimeIsFourBytesSince1900) {
  const WallTime rfc_example{
      std::chrono::seconds(1)};  // RFC 868: 2,208,988,801 is 1970-01-01 + 1 s
  EXPECT_EQ(basic::binary_time(rfc_example), std::string("\x83\xAA\x7E\x81", 4));
  const WallTime wrapped{std::chrono::seconds(4'294'967'296 - 2'208'988'800 + 5)};  // in 2036
  EXPECT_EQ(basic::binary_time(wrapped), std::string("\0\0\0\5", 4));

  configure(kTimeProtocol);
  open();
  EXPECT_EQ(answer(), basic::binary_time(clock_.wall()));
  EXPECT_TRUE(ended_);
  EXPECT_EQ(test::ask_datagram(*datagram(kTimeProtocol), ""), basic::binary_time(clock_.wall()));
}

TEST_F(BasicTest, ChargenRotatesItsPattern) {
  const std::string& pattern = basic::chargen_pattern();
  EXPECT_EQ(pattern.size(), 95U * 74U);
  EXPECT_EQ(pattern.substr(0, 74),
            " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefg\r\n");
  EXPECT_EQ(pattern.substr(74, 74),
            "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefgh\r\n");
  EXPECT_EQ(pattern.substr(std::size_t{94} * 74, 3), "~ !");
}

TEST_F(BasicTest, ChargenStreamsAsFastAsItIsReadAndNoFaster) {
  configure(kChargenProtocol);
  open();
  turn(1000);  // nobody reads
  const std::size_t written = connection_->bytes_out();
  turn(1000);
  EXPECT_EQ(connection_->bytes_out(), written);

  while (received_.size() < 2'000'000) {
    turn();
    collect();
  }
  const std::string& pattern = basic::chargen_pattern();
  for (std::size_t i = 0; i < received_.size(); ++i) {
    ASSERT_EQ(received_[i], pattern[i % pattern.size()]) << "at " << i;
  }
}

TEST_F(BasicTest, ChargenIgnoresInputAndEndsWithTheClient) {
  configure(kChargenProtocol);
  open();
  send_all(std::string(100'000, 'x'));
  EXPECT_FALSE(closed());
  send_end();
  for (int i = 0; i < 1000 && !closed(); ++i) {
    turn();
    collect();
  }
  EXPECT_TRUE(closed());
  EXPECT_TRUE(ended_);
}

TEST_F(BasicTest, GreetSaysItsMessageAndCloses) {
  configure(kGreetProtocol);
  open();
  EXPECT_EQ(answer(), "Hola Mundo\r\n");
  EXPECT_TRUE(ended_);

  configure(kGreetProtocol, "message = a\\tb\\\\n\\x00\\xfF!\\n\n");
  open();
  EXPECT_EQ(answer(), std::string("a\tb\\n\0\xFF!\n", 9));
}

TEST_F(BasicTest, GreetRefusesWhatIsNoEscape) {
  for (const char* message : {"a\\", "\\q", "\\x", "\\x1", "\\xgg"}) {
    EXPECT_THAT(
        test::mistakes_in(kGreetProtocol, std::string("message = ") + message + "\n"),
        ElementsAre(HasSubstr("expected \\r, \\n, \\t, \\\\ or \\xHH behind each backslash")))
        << message;
  }
  EXPECT_THAT(test::mistakes_in(kGreetProtocol, ""), IsEmpty());
}

}  // namespace
}  // namespace netd
