#include "daemon/protocols/http/parser.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace netd::http {
namespace {

using HeadState = HeadParser::State;

struct HeadOutcome {
  HeadState state = HeadState::incomplete;
  int status = 0;
  std::size_t size = 0;
  std::string method = {};
  std::string target = {};
  unsigned minor_version = 0;
  bool mixed_line_ends = false;
  std::vector<std::string> fields = {};
  friend bool operator==(const HeadOutcome&, const HeadOutcome&) = default;
};

HeadOutcome outcome_of(const HeadParser& parser, HeadState state, const Request& request) {
  HeadOutcome outcome{.state = state};
  if (state == HeadState::refused) outcome.status = parser.status();
  if (state != HeadState::complete) return outcome;
  outcome.size = parser.size();
  outcome.method = request.method_text;
  outcome.target = request.target;
  outcome.minor_version = request.minor_version;
  outcome.mixed_line_ends = request.mixed_line_ends;
  for (std::size_t i = 0; i < request.field_count(); ++i) {
    const Field& field = request.field(i);
    outcome.fields.push_back(std::string(field.name) + "=" + std::string(field.value));
  }
  return outcome;
}

HeadOutcome parse_whole(std::string_view input, const HeadLimits& limits = {}) {
  HeadParser parser;
  Request request;
  const HeadState state = parser.parse(input, limits, request);
  return outcome_of(parser, state, request);
}

/// Offers ever longer beginnings of the input, in steps of `step` bytes and each in other memory,
/// with another request parsed into the same Request in between.
HeadOutcome parse_dripped(std::string_view input, std::size_t step, const HeadLimits& limits = {}) {
  HeadParser parser;
  Request request;
  for (std::size_t size = std::min(step, input.size());;
       size = std::min(size + step, input.size())) {
    const std::string copy(input.substr(0, size));
    const HeadState state = parser.parse(copy, limits, request);
    if (state != HeadState::incomplete || size == input.size()) {
      return outcome_of(parser, state, request);
    }
    HeadParser other;
    (void)other.parse("GET /other HTTP/1.1\r\nHost: other\r\nX: y\r\n\r\n", limits, request);
  }
}

TEST(HeadParser, ReadsARequest) {
  const HeadOutcome outcome =
      parse_whole("GET /a?b HTTP/1.1\r\nHost: x\r\nAccept:  */*\t\r\nEmpty:\r\n\r\nrest");
  EXPECT_EQ(outcome.state, HeadState::complete);
  EXPECT_EQ(outcome.method, "GET");
  EXPECT_EQ(outcome.target, "/a?b");
  EXPECT_EQ(outcome.minor_version, 1U);
  EXPECT_EQ(outcome.fields, (std::vector<std::string>{"Host=x", "Accept=*/*", "Empty="}));
  EXPECT_EQ(outcome.size, std::string_view("GET /a?b HTTP/1.1\r\nHost: x\r\nAccept:  */*\t\r\n"
                                           "Empty:\r\n\r\n")
                              .size());
}

TEST(HeadParser, TakesBareLineFeedsAndEmptyLinesFirst) {
  const HeadOutcome outcome = parse_whole("\r\n\n\r\nGET / HTTP/1.0\nHost: x\n\n");
  EXPECT_EQ(outcome.state, HeadState::complete);
  EXPECT_EQ(outcome.minor_version, 0U);
  EXPECT_EQ(outcome.fields, std::vector<std::string>{"Host=x"});
}

TEST(HeadParser, TellsMixedLineEnds) {
  EXPECT_FALSE(parse_whole("GET / HTTP/1.1\r\nA: b\r\n\r\n").mixed_line_ends);
  EXPECT_FALSE(parse_whole("GET / HTTP/1.1\nA: b\n\n").mixed_line_ends);
  EXPECT_FALSE(parse_whole("\r\n\nGET / HTTP/1.1\nA: b\n\n").mixed_line_ends);
  EXPECT_TRUE(parse_whole("GET / HTTP/1.1\nA: b\r\n\r\n").mixed_line_ends);
  EXPECT_TRUE(parse_whole("GET / HTTP/1.1\r\nA: b\n\r\n").mixed_line_ends);
  EXPECT_TRUE(parse_whole("GET / HTTP/1.1\r\nA: b\r\n\n").mixed_line_ends);
}

TEST(HeadParser, BoundsTheEmptyLines) {
  EXPECT_EQ(parse_whole("\n\n\n\n\n\n\n\nGET / HTTP/1.0\n\n").state, HeadState::complete);
  EXPECT_EQ(parse_whole("\n\n\n\n\n\n\n\n\n").status, 400);
}

TEST(HeadParser, KnowsWhetherARequestHasBegun) {
  HeadParser parser;
  Request request;
  EXPECT_EQ(parser.parse("\r\n", {}, request), HeadState::incomplete);
  EXPECT_FALSE(parser.started());
  EXPECT_EQ(parser.parse("\r\nG", {}, request), HeadState::incomplete);
  EXPECT_TRUE(parser.started());
}

struct Refusal {
  std::string input;
  int status;
};

class HeadParserRefusal : public testing::TestWithParam<Refusal> {};

TEST_P(HeadParserRefusal, IsRefusedHoweverItArrives) {
  const auto& [input, status] = GetParam();
  EXPECT_EQ(parse_whole(input).status, status);
  EXPECT_EQ(parse_dripped(input, 1).status, status);
}

INSTANTIATE_TEST_SUITE_P(
    Syntax, HeadParserRefusal,
    testing::Values(Refusal{"\r\rGET / HTTP/1.1\r\n", 400}, Refusal{"GET /\r\n", 400},
                    Refusal{"GET\r\n", 400}, Refusal{" GET / HTTP/1.1\r\n", 400},
                    Refusal{"GET  / HTTP/1.1\r\n", 400}, Refusal{"GET /  HTTP/1.1\r\n", 400},
                    Refusal{"GET / HTTP/1.1 \r\n", 400}, Refusal{"GET\t/ HTTP/1.1\r\n", 400},
                    Refusal{"GET / HTTP/1.1x\r\n", 400}, Refusal{"GET / http/1.1\r\n", 400},
                    Refusal{"GET / HTTP/1\r\n", 400}, Refusal{"GET / HTTP/11\r\n", 400},
                    Refusal{"GET / HTTP/1.10\r\n", 400}, Refusal{"GET / HTTP/1,1\r\n", 400},
                    Refusal{"GET / HTTP/+1.1\r\n", 400}, Refusal{"GET / FTP/1.1\r\n", 400},
                    Refusal{"GET / HTTP/2.0\r\n", 505},
                    Refusal{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
                    Refusal{"GET / HTTP/0.9\r\n", 505}, Refusal{"GET / HTTP/3.0\r\n", 505},
                    Refusal{"G@T / HTTP/1.1\r\n", 400}, Refusal{"G\xC3\xA9T / HTTP/1.1\r\n", 400},
                    Refusal{"GET /a#b HTTP/1.1\r\n", 400}, Refusal{"GET /a b HTTP/1.1\r\n", 400},
                    Refusal{std::string("GET /\0 HTTP/1.1\r\n", 17), 400},
                    Refusal{"GET /\x7F HTTP/1.1\r\n", 400},
                    Refusal{std::string("\x16\x03\x01\x02\x00", 5), 400},
                    Refusal{"GET / HTTP/1.1\r\nHost : x\r\n", 400},
                    Refusal{"GET / HTTP/1.1\r\n Host: x\r\n", 400},
                    Refusal{"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n", 400},
                    Refusal{"GET / HTTP/1.1\r\nHost: x\r\n\tfolded\r\n", 400},
                    Refusal{"GET / HTTP/1.1\r\nHost\r\n", 400},
                    Refusal{"GET / HTTP/1.1\r\n: x\r\n", 400},
                    Refusal{"GET / HTTP/1.1\r\nHo st: x\r\n", 400},
                    Refusal{"GET / HTTP/1.1\r\nH\xC3\xB6st: x\r\n", 400},
                    Refusal{"GET / HTTP/1.1\r\nHo(st): x\r\n", 400},
                    Refusal{"GET / HTTP/1.1\r\nHost: x\rX: y\r\n", 400},
                    Refusal{"GET / HTTP/1.1\r\nHost: x\r\r\n", 400},
                    Refusal{std::string("GET / HTTP/1.1\r\nHost: x\0y\r\n", 27), 400},
                    Refusal{"GET / HTTP/1.1\r\nHost: \x01\r\n", 400},
                    Refusal{"GET / HTTP/1.1\r\nHost: x\r\n \r\n\r\n", 400},
                    Refusal{"GET / HTTP/1.1\r\nHost: x\r\n\rX\n\r\n", 400}));

TEST(HeadParser, RefusesWhatIsTooLong) {
  const HeadLimits limits{.max_line = 64, .max_head = 128, .max_fields = 3};
  const std::string exact = "GET /" + std::string(48, 'a') + " HTTP/1.1\r\n";
  ASSERT_EQ(exact.size(), 64U);
  const std::string longer = "GET /" + std::string(49, 'a') + " HTTP/1.1\r\n\r\n";
  for (const std::size_t step : {1U, 7U, 1000U}) {
    EXPECT_EQ(parse_dripped(exact + "\r\n", step, limits).state, HeadState::complete);
    EXPECT_EQ(parse_dripped(longer, step, limits).status, 414);
    EXPECT_EQ(parse_dripped(std::string(64, 'A'), step, limits).status, 501);
    EXPECT_EQ(parse_dripped(std::string(63, 'A') + " / HTTP/1.1\r\n", step, limits).status, 414);
    EXPECT_EQ(parse_dripped(std::string(63, 'A') + "(", step, limits).status, 400);
    EXPECT_EQ(parse_dripped(exact + "X: " + std::string(57, 'x') + "\r\n\r\n", step, limits).state,
              HeadState::complete);
    EXPECT_EQ(parse_dripped(exact + "X: " + std::string(58, 'x') + "\r\n\r\n", step, limits).status,
              431);
    EXPECT_EQ(parse_dripped("GET / HTTP/1.1\nA:\nB:\nC:\n\n", step, limits).state,
              HeadState::complete);
    EXPECT_EQ(parse_dripped("GET / HTTP/1.1\nA:\nB:\nC:\nD:\n\n", step, limits).status, 431);
  }
}

TEST(HeadParser, AllFieldsThatTheArrayHolds) {
  const HeadLimits limits{.max_fields = Request::kMaxFields};
  std::string input = "GET / HTTP/1.1\r\n";
  for (std::size_t i = 0; i < Request::kMaxFields; ++i) input += "A: b\r\n";
  EXPECT_EQ(parse_dripped(input + "\r\n", 1, limits).fields.size(), Request::kMaxFields);
  EXPECT_EQ(parse_dripped(input + "A: b\r\n\r\n", 1, limits).status, 431);
}

TEST(HeadParser, EverySplitGivesTheSame) {
  const std::string input =
      "\r\nPOST /path HTTP/1.1\r\nHost: x\r\nContent-Length: 3\nTransfer-Encoding: chunked\r\n\r\n";
  const HeadOutcome whole = parse_whole(input);
  ASSERT_EQ(whole.state, HeadState::complete);
  for (std::size_t step = 1; step < input.size(); ++step) {
    EXPECT_EQ(parse_dripped(input, step), whole) << "in steps of " << step;
  }
}

TEST(Request, FindsKnownNamesInAnyCase) {
  HeadParser parser;
  Request request;
  ASSERT_EQ(parser.parse("GET / HTTP/1.1\r\nhOST: a\r\nX: b\r\nHOST: c\r\n"
                         "IF-Modified-sincE: d\r\ntransfer-encoding: e\r\nRange: f\r\n\r\n",
                         {}, request),
            HeadState::complete);
  EXPECT_EQ(request.count(Name::host), 2U);
  EXPECT_EQ(request.value(Name::host), "a");
  EXPECT_EQ(request.value(Name::if_modified_since), "d");
  EXPECT_EQ(request.value(Name::transfer_encoding), "e");
  EXPECT_EQ(request.value(Name::range), "f");
  EXPECT_FALSE(request.has(Name::expect));
  std::string all;
  request.each(Name::host, [&](std::string_view value) {
    all += value;
    return true;
  });
  EXPECT_EQ(all, "ac");
}

}  // namespace
}  // namespace netd::http
