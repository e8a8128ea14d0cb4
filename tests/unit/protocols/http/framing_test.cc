#include "daemon/protocols/http/framing.h"

#include <gtest/gtest.h>

#include <string>

#include "daemon/protocols/http/parser.h"

namespace netd::http {
namespace {

Framing framing_of(const std::string& fields, const std::string& version = "1.1") {
  static Request request;
  HeadParser parser;
  const std::string head = "POST / HTTP/" + version + "\r\n" + fields + "\r\n";
  EXPECT_EQ(parser.parse(head, {}, request), HeadParser::State::complete) << head;
  return read_framing(request);
}

TEST(Framing, TakesOneContentLength) {
  EXPECT_EQ(framing_of("Content-Length: 17\r\n").content_length, 17U);
  EXPECT_EQ(framing_of("Content-Length: 0\r\n").content_length, 0U);
  EXPECT_EQ(framing_of("Content-Length: 9223372036854775807\r\n").status, 0);
  EXPECT_FALSE(framing_of("").has_body());
}

TEST(Framing, RefusesAnyOtherContentLength) {
  for (const char* const value : {"", "+1", "-1", "1, 1", "1,2", "0x10", "1.0", "1 2", "a",
                                  "9223372036854775808", "99999999999999999999999", "\xB2"}) {
    EXPECT_EQ(framing_of(std::string("Content-Length: ") + value + "\r\n").status, 400) << value;
  }
  EXPECT_EQ(framing_of("Content-Length: 1\r\nContent-Length: 1\r\n").status, 400);
}

TEST(Framing, TakesChunkedAlone) {
  EXPECT_TRUE(framing_of("Transfer-Encoding: chunked\r\n").chunked);
  EXPECT_TRUE(framing_of("Transfer-Encoding: CHUNKED\r\n").chunked);
}

TEST(Framing, RefusesAnyOtherTransferEncoding) {
  EXPECT_EQ(framing_of("Transfer-Encoding: chunked\r\n", "1.0").status, 400);
  EXPECT_EQ(framing_of("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n").status, 400);
  EXPECT_EQ(framing_of("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n").status, 400);
  EXPECT_EQ(framing_of("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n").status, 400);
  EXPECT_EQ(framing_of("Transfer-Encoding: gzip, chunked\r\n").status, 501);
  EXPECT_EQ(framing_of("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n").status, 501);
  for (const char* const value :
       {"", "gzip", "identity", "chunked, gzip", "chunked, chunked", "chunked;q=1", ",chunked",
        "chunked,", "xchunked", "\"chunked\"", "chunked chunked"}) {
    const int status = framing_of(std::string("Transfer-Encoding: ") + value + "\r\n").status;
    EXPECT_EQ(status, std::string(value) == "chunked" ? 0 : 400) << value;
  }
}

TEST(Framing, TakesNoBodyBehindMixedLineEnds) {
  for (const char* const field :
       {"Content-Length: 0", "Content-Length: 5", "Transfer-Encoding: chunked"}) {
    const std::string name = field;
    EXPECT_EQ(framing_of(name + "\n").status, 400) << field;
    EXPECT_EQ(framing_of("A: b\n" + name + "\r\n").status, 400) << field;
    EXPECT_EQ(framing_of(name + "\r\n").status, 0) << field;
  }
  EXPECT_EQ(framing_of("A: b\n").status, 0);
}

TEST(Framing, KeepsTheConnectionByVersionAndWish) {
  EXPECT_TRUE(framing_of("").keep_alive);
  EXPECT_FALSE(framing_of("Connection: close\r\n").keep_alive);
  EXPECT_FALSE(framing_of("Connection: Upgrade, Close\r\n").keep_alive);
  EXPECT_FALSE(framing_of("Connection: keep-alive\r\nConnection: close\r\n").keep_alive);
  EXPECT_FALSE(framing_of("", "1.0").keep_alive);
  EXPECT_TRUE(framing_of("Connection: Keep-Alive\r\n", "1.0").keep_alive);
  EXPECT_FALSE(framing_of("Connection: keep-alive, close\r\n", "1.0").keep_alive);
}

TEST(Framing, Expectations) {
  EXPECT_TRUE(framing_of("Expect: 100-Continue\r\n").expects_continue);
  EXPECT_FALSE(framing_of("Expect: 100-continue\r\n", "1.0").expects_continue);
  EXPECT_EQ(framing_of("Expect: a-miracle\r\n").status, 417);
  EXPECT_EQ(framing_of("Expect: a-miracle\r\n", "1.0").status, 0);
}

}  // namespace
}  // namespace netd::http
