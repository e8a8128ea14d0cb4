#include "daemon/protocols/http/body.h"

#include <gtest/gtest.h>

#include <string>

namespace netd::http {
namespace {

using BodyState = BodyDecoder::State;

struct BodyOutcome {
  BodyState state = BodyState::incomplete;
  int status = 0;
  std::size_t consumed = 0;
  std::string content;
  friend bool operator==(const BodyOutcome&, const BodyOutcome&) = default;
};

BodyOutcome decode(std::string_view input, const Framing& framing, std::size_t piece,
                   std::uint64_t max_size = 1 << 20) {
  BodyDecoder decoder(framing, max_size);
  BodyOutcome outcome;
  std::size_t offered = 0;
  for (;;) {
    offered = std::min(offered + piece, input.size());
    for (;;) {
      const std::string copy(input.substr(outcome.consumed, offered - outcome.consumed));
      const BodyDecoder::Step step = decoder.step(copy);
      outcome.content += step.content;
      outcome.consumed += step.consumed;
      outcome.state = step.state;
      if (step.state != BodyState::incomplete || step.consumed == 0) break;
    }
    if (outcome.state != BodyState::incomplete || offered == input.size()) break;
  }
  if (outcome.state == BodyState::refused) {
    outcome.status = decoder.status();
    outcome.consumed = 0;
    outcome.content.clear();
  }
  return outcome;
}

BodyOutcome decode_chunked(std::string_view input, std::uint64_t max_size = 1 << 20) {
  const Framing framing{.chunked = true};
  const BodyOutcome whole = decode(input, framing, input.size(), max_size);
  for (std::size_t piece = 1; piece < std::min<std::size_t>(input.size(), 40); ++piece) {
    EXPECT_EQ(decode(input, framing, piece, max_size), whole) << "in pieces of " << piece;
  }
  return whole;
}

TEST(BodyDecoder, ReadsAContentLength) {
  const Framing framing{.content_length = 5};
  for (const std::size_t piece : {1U, 2U, 5U, 100U}) {
    const BodyOutcome outcome = decode("helloGET /", framing, piece);
    EXPECT_EQ(outcome.state, BodyState::complete);
    EXPECT_EQ(outcome.consumed, 5U);
    EXPECT_EQ(outcome.content, "hello");
  }
  EXPECT_EQ(decode("hell", framing, 4).state, BodyState::incomplete);
  EXPECT_EQ(decode("", {}, 1).state, BodyState::complete);
}

TEST(BodyDecoder, RefusesMoreThanItMayTake) {
  EXPECT_EQ(decode("", {.content_length = 11}, 1, 10).status, 413);
  EXPECT_EQ(decode("", {.content_length = 10}, 1, 10).state, BodyState::incomplete);
  EXPECT_EQ(decode_chunked("6\r\nabcdef\r\n5\r\nabcde\r\n0\r\n\r\n", 10).status, 413);
  EXPECT_EQ(decode_chunked("6\r\nabcdef\r\n4\r\nabcd\r\n0\r\n\r\n", 10).state, BodyState::complete);
  EXPECT_EQ(decode_chunked("ffffffffffffffff\r\n", 10).status, 413);
}

TEST(BodyDecoder, ReadsChunks) {
  const BodyOutcome outcome = decode_chunked("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nGET /");
  EXPECT_EQ(outcome.state, BodyState::complete);
  EXPECT_EQ(outcome.content, "hello world");
  EXPECT_EQ(outcome.consumed, 26U);
  EXPECT_EQ(decode_chunked("0\r\n\r\n").state, BodyState::complete);
  EXPECT_EQ(decode_chunked("00a\r\n0123456789\r\n000\r\n\r\n").content, "0123456789");
  EXPECT_EQ(decode_chunked("A\r\n0123456789\r\n0\r\nX: y\r\nZ:\r\n\r\n").state,
            BodyState::complete);
  EXPECT_EQ(decode_chunked("5\r\nhello\r\n0\r\n").state, BodyState::incomplete);
}

TEST(BodyDecoder, ReadsExtensions) {
  for (const char* const extension :
       {";a", ";a=b", "; a = b", " ;a", ";a=\"b;c\\\"d\"", ";a=b;c=\"\"", "\t;a\t=\tb"}) {
    const std::string input = std::string("1") + extension + "\r\nx\r\n0" + extension + "\r\n\r\n";
    EXPECT_EQ(decode_chunked(input).state, BodyState::complete) << extension;
  }
}

TEST(BodyDecoder, RefusesMalformedChunks) {
  for (const char* const input : {"\r\n",
                                  "g\r\n",
                                  "-1\r\n",
                                  "+1\r\n",
                                  "0x1\r\n",
                                  " 1\r\n",
                                  "1 \r\n",
                                  "1\nx\r\n",
                                  "1\rx\r\n",
                                  "1\r\nxy\r\n",
                                  "1\r\nx\n0\r\n",
                                  "1\r\nx\rX",
                                  "1\r\nxX",
                                  "1;\r\n",
                                  "1;a=\r\n",
                                  "1;=b\r\n",
                                  "1;a=\"b\r\n",
                                  "1;a=\"b\"c\r\n",
                                  "1;a b\r\n",
                                  "1 a\r\n",
                                  "1;a\x01\r\n",
                                  "1;a=b,\r\n",
                                  "1;;\r\n",
                                  "1;a=\"\\\r\n",
                                  "1;a\nx",
                                  "00000000000000001\r\n",
                                  "0\r\n X: y\r\n",
                                  "0\r\nX : y\r\n",
                                  "0\r\nX\r\n",
                                  "0\r\n: y\r\n",
                                  "0\r\nX: y\n",
                                  "0\r\nX: y\rZ",
                                  "0\r\n\n",
                                  "0\n\r\n",
                                  "0\r\nX: y\r\n folded\r\n",
                                  "1\r\n\r\n0\r\n",
                                  "0\r\n\rX",
                                  "\n1\r\n"}) {
    EXPECT_EQ(decode_chunked(input).status, 400) << testing::PrintToString(input);
  }
}

TEST(BodyDecoder, HandsOutTrailers) {
  BodyDecoder decoder({.chunked = true}, 100);
  std::string_view input = "0\r\nA: b\r\nC:\r\n\r\n";
  std::string seen;
  BodyDecoder::Step step;
  while (step.state == BodyDecoder::State::incomplete) {
    step = decoder.step(input);
    input.remove_prefix(step.consumed);
    seen.append(step.trailer).append("|");
  }
  EXPECT_EQ(step.state, BodyDecoder::State::complete);
  EXPECT_EQ(seen, "|A: b|C:||");
}

TEST(BodyDecoder, BoundsLinesExtensionsAndTrailers) {
  EXPECT_EQ(decode_chunked("1;a=" + std::string(2000, 'b')).status, 400);
  EXPECT_EQ(decode_chunked("0\r\nX: " + std::string(9000, 'b')).status, 431);
  std::string trailers = "0\r\n";
  for (int i = 0; i < 2000; ++i) trailers += "X: y\r\n";
  EXPECT_EQ(decode_chunked(trailers).status, 431);
  std::string extensions;
  for (int i = 0; i < 40; ++i) extensions += "1;a=" + std::string(500, 'b') + "\r\nx\r\n";
  EXPECT_EQ(decode_chunked(extensions).status, 400);
}

}  // namespace
}  // namespace netd::http
