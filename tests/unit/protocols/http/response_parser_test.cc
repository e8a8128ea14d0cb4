#include "daemon/protocols/http/response_parser.h"

#include <gtest/gtest.h>

#include <string>

namespace netd::http {
namespace {

using ResponseState = ResponseParser::State;
using Body = ResponseFraming::Body;

ResponseState parse(const std::string& text, ResponseHead& head) {
  ResponseParser parser;
  return parser.parse(text, head);
}

ResponseFraming response_framing_of(const std::string& fields,
                                    const std::string& status = "HTTP/1.1 200 OK",
                                    bool to_head = false) {
  static ResponseHead head;
  static std::string text;
  text = status + "\r\n" + fields + "\r\n";
  EXPECT_EQ(parse(text, head), ResponseState::complete) << text;
  return read_response_framing(head, to_head);
}

TEST(ResponseParser, ReadsAHead) {
  ResponseHead head;
  ResponseParser parser;
  const std::string text = "HTTP/1.1 404 Not  Found\r\nA: b\r\nEmpty:\r\nX-Y:  z \r\n\r\nbody";
  ASSERT_EQ(parser.parse(text, head), ResponseState::complete);
  EXPECT_EQ(parser.size(), text.size() - 4);
  EXPECT_EQ(head.status, 404);
  EXPECT_EQ(head.minor_version, 1U);
  EXPECT_EQ(head.reason, "Not  Found");
  ASSERT_EQ(head.field_count(), 3U);
  EXPECT_EQ(head.field(1).value, "");
  EXPECT_EQ(head.field(2).value, "z");
}

TEST(ResponseParser, TakesAMissingReasonWithAndWithoutItsSpace) {
  ResponseHead head;
  EXPECT_EQ(parse("HTTP/1.0 200\r\n\r\n", head), ResponseState::complete);
  EXPECT_EQ(head.minor_version, 0U);
  EXPECT_EQ(parse("HTTP/1.1 200 \r\n\r\n", head), ResponseState::complete);
  EXPECT_EQ(head.reason, "");
}

TEST(ResponseParser, RefusesWhatIsNotOfTheGrammar) {
  ResponseHead head;
  const std::string status = "HTTP/1.1 200 OK\r\n";
  for (const std::string& text : {
           std::string("SSH-2.0-x\r\n"),
           std::string("http/1.1 200 OK\r\n\r\n"),
           std::string("HTTP/2 200\r\n\r\n"),
           std::string("HTTP/1.x 200 OK\r\n\r\n"),
           std::string("HTTP/1.1  200 OK\r\n\r\n"),
           std::string("HTTP/1.1 099 OK\r\n\r\n"),
           std::string("HTTP/1.1 600 OK\r\n\r\n"),
           std::string("HTTP/1.1 2000 OK\r\n\r\n"),
           std::string("HTTP/1.1 +20 OK\r\n\r\n"),
           std::string("HTTP/1.1\r\n\r\n"),
           std::string("\r\nHTTP/1.1 200 OK\r\n\r\n"),
           std::string("HTTP/1.1 200 O\0K\r\n\r\n", 20),
           std::string("HTTP/1.1 200 OK\nA: b\n\n"),
           status + "A: b\nC: d\r\n\r\n",
           status + "A: b\r\n folded\r\n\r\n",
           status + " A: b\r\n\r\n",
           status + "A : b\r\n\r\n",
           status + ": b\r\n\r\n",
           status + "A\r\n\r\n",
           status + "A: b\rC: d\r\n\r\n",
           status + "A: \x01\r\n\r\n",
           status + "\xC3\xA4: b\r\n\r\n",
       }) {
    EXPECT_EQ(parse(text, head), ResponseState::refused) << text;
  }
}

TEST(ResponseParser, BoundsTheHead) {
  ResponseHead head;
  std::string text = "HTTP/1.1 200 OK\r\nA: ";
  text.resize(ResponseParser::kMaxHead - 4, 'a');
  EXPECT_EQ(parse(text + "\r\n\r\n", head), ResponseState::complete);
  EXPECT_EQ(parse(text + "a", head), ResponseState::incomplete);
  EXPECT_EQ(parse(text + "a\r\n\r\n", head), ResponseState::refused);
  text = "HTTP/1.1 200 OK\r\n";
  for (std::size_t i = 0; i <= FieldTable::kMaxFields; ++i) text += "A: b\r\n";
  EXPECT_EQ(parse(text + "\r\n", head), ResponseState::refused);
}

TEST(ResponseParser, EverySplitGivesTheSame) {
  const std::string text = "HTTP/1.1 200 OK\r\nA: b\r\n\r\n";
  for (std::size_t cut = 0; cut < text.size(); ++cut) {
    ResponseHead head;
    ResponseParser parser;
    EXPECT_EQ(parser.parse(std::string_view(text).substr(0, cut), head), ResponseState::incomplete)
        << cut;
    EXPECT_EQ(parser.parse(text, head), ResponseState::complete) << cut;
    EXPECT_EQ(parser.size(), text.size());
    EXPECT_EQ(head.field(0).value, "b");
  }
}

TEST(ResponseFraming, FindsTheEndOfTheBody) {
  EXPECT_EQ(response_framing_of("Content-Length: 5\r\n").body, Body::length);
  EXPECT_EQ(response_framing_of("Content-Length: 5\r\n").content_length, 5U);
  EXPECT_EQ(response_framing_of("Content-Length: 0\r\n").body, Body::none);
  EXPECT_EQ(response_framing_of("Transfer-Encoding: Chunked\r\n").body, Body::chunked);
  EXPECT_EQ(response_framing_of("").body, Body::until_close);
  for (const char* const status :
       {"HTTP/1.1 204 No Content", "HTTP/1.1 304 Not Modified", "HTTP/1.1 103 Early Hints"}) {
    EXPECT_EQ(response_framing_of("Content-Length: 5\r\n", status).body, Body::none) << status;
    EXPECT_EQ(response_framing_of("Transfer-Encoding: chunked\r\n", status).body, Body::none)
        << status;
  }
  const ResponseFraming to_head =
      response_framing_of("Content-Length: 5\r\n", "HTTP/1.1 200 OK", true);
  EXPECT_EQ(to_head.body, Body::none);
  EXPECT_TRUE(to_head.has_content_length);
  EXPECT_EQ(to_head.content_length, 5U);
}

TEST(ResponseFraming, RefusesWhatHasTwoEnds) {
  for (const char* const fields :
       {"Content-Length: 5\r\nContent-Length: 5\r\n", "Content-Length: 5, 5\r\n",
        "Content-Length: -1\r\n", "Content-Length:\r\n", "Content-Length: 9223372036854775808\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: gzip, chunked\r\n", "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding:\r\n",
        "Transfer-Encoding: \"chunked\"\r\n"}) {
    EXPECT_FALSE(response_framing_of(fields).refusal.empty()) << fields;
  }
  EXPECT_FALSE(
      response_framing_of("Transfer-Encoding: chunked\r\n", "HTTP/1.0 200 OK").refusal.empty());
  // Even where there is no body: the instance has lost track of its messages.
  EXPECT_FALSE(
      response_framing_of("Content-Length: 1\r\nContent-Length: 2\r\n", "HTTP/1.1 200 OK", true)
          .refusal.empty());
}

TEST(ResponseFraming, KeepsTheConnectionByVersionAndWish) {
  EXPECT_TRUE(response_framing_of("Content-Length: 1\r\n").keep_alive);
  EXPECT_FALSE(response_framing_of("Content-Length: 1\r\nConnection: x, CLOSE\r\n").keep_alive);
  EXPECT_FALSE(response_framing_of("Content-Length: 1\r\n", "HTTP/1.0 200 OK").keep_alive);
  EXPECT_TRUE(
      response_framing_of("Content-Length: 1\r\nConnection: keep-alive\r\n", "HTTP/1.0 200 OK")
          .keep_alive);
  EXPECT_FALSE(response_framing_of("").keep_alive);
}

}  // namespace
}  // namespace netd::http
