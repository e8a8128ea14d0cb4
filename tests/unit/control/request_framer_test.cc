#include "daemon/control/request_framer.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "daemon/control/json_text.h"

namespace netd::control {
namespace {

using Verdict = RequestFramer::Verdict;

/// Everything that comes out of `input` when it arrives in pieces of `piece` bytes, as a session
/// would read it: what is not consumed comes again.
std::vector<std::string> frames(std::string_view input, std::size_t piece,
                                Verdict* last = nullptr) {
  RequestFramer framer;
  std::vector<std::string> texts;
  std::string pending;
  Verdict verdict = Verdict::incomplete;
  for (std::size_t at = 0; at < input.size(); at += piece) {
    pending += input.substr(at, piece);
    for (;;) {
      const auto frame = framer.next(pending);
      verdict = frame.verdict;
      if (verdict == Verdict::object || verdict == Verdict::not_object) {
        texts.emplace_back(frame.text);
      }
      pending.erase(0, frame.consumed);
      if (verdict != Verdict::object && verdict != Verdict::not_object) break;
    }
    if (verdict != Verdict::incomplete) break;
  }
  if (last != nullptr) *last = verdict;
  return texts;
}

Verdict verdict_of(std::string_view input) { return RequestFramer().next(input).verdict; }

TEST(RequestFramer, CutsObjectsApartAtEverySplit) {
  const std::string first = R"({"type":"produce","task":{"id":"a}{\"","data":[1,{"b":"\\"}]}})";
  const std::string second = R"({"x":"é€😀 \u00e9\uD83D\uDE00"})";
  const std::vector<std::string> expected = {first, second, "{}", "{}", "{ }"};
  const std::string input = first + second + "{}\r\n \t{}\n\n{ }\n";
  for (std::size_t piece = 1; piece <= input.size(); ++piece) {
    Verdict last{};
    EXPECT_EQ(frames(input, piece, &last), expected) << piece;
    EXPECT_EQ(last, Verdict::incomplete) << piece;
  }
}

TEST(RequestFramer, SeesEachByteOfAStringWhereverItStands) {
  // Strings are looked at several bytes at a time.
  for (unsigned byte = 0; byte < 256; ++byte) {
    for (std::size_t at = 0; at < 20; ++at) {
      std::string text = "[\"" + std::string(20, 'x') + "\"]";
      text.at(2 + at) = static_cast<char>(byte);
      const bool whole = verdict_of(text) == Verdict::not_object &&
                         RequestFramer().next(text).text.size() == text.size();
      EXPECT_EQ(whole, nlohmann::json::accept(text)) << "byte " << byte << " at " << at;
    }
  }
}

TEST(RequestFramer, KnowsAnUnfinishedTextFromNone) {
  RequestFramer framer;
  EXPECT_EQ(framer.next(" \n").consumed, 2U);
  EXPECT_FALSE(framer.in_text());
  EXPECT_EQ(framer.next("{\"a\":").verdict, Verdict::incomplete);
  EXPECT_TRUE(framer.in_text());
}

TEST(RequestFramer, TellsRubbishAtTheFirstWrongByte) {
  for (const std::string_view text : {"h",
                                      "{h",
                                      "{\"a\" x",
                                      "{\"a\":tra",
                                      "{\"a\":1,}",
                                      "{\"a\":1]",
                                      "[1}",
                                      "{\"a\":01",
                                      "{,",
                                      "{\"a\":+1",
                                      "{\"a\":.5",
                                      "{\"a\":1.}",
                                      "{\"a\":1e}",
                                      "{\"a\":-}",
                                      "{\"a\":\"\\x",
                                      "}",
                                      "]",
                                      "{\"a\":\"\n",
                                      "\xEF\xBB\xBF{}",
                                      "{'a'",
                                      "//",
                                      "{\"a\":NaN",
                                      "{\"a\":Infinity",
                                      "\x01",
                                      "{\"a\":\"\\u12G",
                                      "{\"a\":1 2"}) {
    EXPECT_EQ(verdict_of(text), Verdict::invalid) << text;
  }
}

TEST(RequestFramer, RefusesWhatIsNotUtf8) {
  for (const std::string_view bytes :
       {"\x80", "\xC0\xAF", "\xC1\xBF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x80\x80\x80",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xC3\"", "\xE2\x82\""}) {
    EXPECT_EQ(verdict_of("{\"a\":\"" + std::string(bytes) + "\"}"), Verdict::invalid);
  }
}

TEST(RequestFramer, RefusesHalvesOfSurrogatePairs) {
  for (const std::string_view escapes :
       {"\\uD800", "\\uDC00", "\\uD800\\u0041", "\\uD800\\n", "\\uD800\\uD800"}) {
    EXPECT_EQ(verdict_of("{\"a\":\"" + std::string(escapes) + "\"}"), Verdict::invalid) << escapes;
  }
}

TEST(RequestFramer, RefusesNumbersThatNobodyCanRead) {
  EXPECT_EQ(verdict_of("{\"a\":1e400}"), Verdict::invalid);
  EXPECT_EQ(verdict_of("{\"a\":" + std::string(400, '9') + "}"), Verdict::invalid);
  EXPECT_EQ(verdict_of("{\"a\":1e99999999999999999999}"), Verdict::invalid);
  EXPECT_EQ(verdict_of("{\"a\":1e-400}"), Verdict::object);
  EXPECT_EQ(verdict_of("{\"a\":12345678901234567890123}"), Verdict::object);
}

TEST(RequestFramer, TellsOtherValuesFromObjects) {
  for (const std::string_view text : {"[1,{}]", "\"x\"", "true", "false", "null", "[]"}) {
    EXPECT_EQ(verdict_of(text), Verdict::not_object) << text;
  }
  EXPECT_EQ(verdict_of("42"), Verdict::number);
  EXPECT_EQ(verdict_of("-"), Verdict::number);
}

TEST(RequestFramer, BoundsTheSize) {
  const std::size_t overhead = std::string_view(R"({"a":""})").size();
  const std::string fits =
      R"({"a":")" + std::string(RequestFramer::kMaxRequest - overhead, 'x') + R"("})";
  EXPECT_EQ(verdict_of(fits), Verdict::object);
  std::string over = fits;
  over.insert(6, "x");
  EXPECT_EQ(verdict_of(over), Verdict::too_large);
  EXPECT_EQ(verdict_of(std::string_view(over).substr(0, RequestFramer::kMaxRequest)),
            Verdict::too_large);
  EXPECT_EQ(verdict_of(std::string_view(over).substr(0, RequestFramer::kMaxRequest - 1)),
            Verdict::incomplete);
}

TEST(RequestFramer, WhiteSpaceIsConsumedAndCountsForNothing) {
  RequestFramer framer;
  const std::string blank(3 * RequestFramer::kMaxRequest, '\n');
  const auto frame = framer.next(blank);
  EXPECT_EQ(frame.verdict, Verdict::incomplete);
  EXPECT_EQ(frame.consumed, blank.size());
}

TEST(RequestFramer, BoundsTheDepth) {
  const auto nested = [](unsigned depth) {
    return R"({"a":)" + std::string(depth - 1, '[') + std::string(depth - 1, ']') + "}";
  };
  EXPECT_EQ(verdict_of(nested(RequestFramer::kMaxDepth)), Verdict::object);
  EXPECT_EQ(verdict_of(nested(RequestFramer::kMaxDepth + 1)), Verdict::too_deep);
}

TEST(RequestFramer, RemembersWhichBracketEachLevelHas) {
  std::string text = "{\"a\":";
  std::string end = "}";
  for (int i = 0; i < 100; ++i) {
    text += i % 3 == 0 ? "{\"b\":" : "[";
    end.insert(0, i % 3 == 0 ? "}" : "]");
  }
  EXPECT_EQ(verdict_of(text + "1" + end), Verdict::object);
  end[50] = end[50] == ']' ? '}' : ']';
  EXPECT_EQ(verdict_of(text + "1" + end), Verdict::invalid);
}

/// Small changes to well-formed texts reach every state; both parsers must agree on all of them.
TEST(RequestFramer, AgreesWithAnotherParser) {
  const std::vector<std::string> seeds = {
      R"({"type":"produce","task":{"id":7,"data":[1.5e3,-0,0.25,1E+2,true,false,null]}})",
      R"({"a":"\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00é€😀","":{}})", R"({ "x" : [ [ ] , { } , "" ] })"};
  const std::string alphabet = "{}[]\",:\\u0eE+-.19tfn \n\x80\xC3\xE2\xF0\xED";
  std::mt19937 random(7);  // NOLINT(cert-msc51-cpp): the same texts in every run
  int accepted = 0;
  for (int round = 0; round < 60'000; ++round) {
    std::string text = seeds[random() % seeds.size()];
    for (unsigned changes = random() % 4; changes > 0; --changes) {
      const std::size_t at = random() % text.size();
      const char c = alphabet[random() % alphabet.size()];
      if (random() % 3 == 0) {
        text.erase(at, 1 + random() % 4);
      } else if (random() % 2 == 0) {
        text.insert(at, 1, c);
      } else {
        text[at] = c;
      }
      if (text.empty()) text = "{";
    }
    const bool theirs = nlohmann::json::accept(text);
    ASSERT_EQ(is_json(text), theirs) << text;
    accepted += theirs ? 1 : 0;
  }
  EXPECT_GT(accepted, 1000);
}

}  // namespace
}  // namespace netd::control
