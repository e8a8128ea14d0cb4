#include "daemon/protocols/smtp/data_stream.h"

#include <gtest/gtest.h>

#include <string>
#include <tuple>

namespace netd::smtp {
namespace {

struct Outcome {
  std::string text;
  std::string rest;
  bool ended = false;
  bool bare_cr = false;
  bool bare_lf = false;
  std::uint64_t longest = 0;
  unsigned received = 0;

  friend bool operator==(const Outcome&, const Outcome&) = default;
  friend void PrintTo(const Outcome& outcome, std::ostream* out) {
    *out << "text " << testing::PrintToString(outcome.text) << " rest "
         << testing::PrintToString(outcome.rest) << " ended " << outcome.ended << " cr "
         << outcome.bare_cr << " lf " << outcome.bare_lf << " longest " << outcome.longest
         << " received " << outcome.received;
  }
};

/// Feeds `input` in pieces of `step` octets into an `out` that is emptied at `limit`.
Outcome run(std::string_view input, std::size_t step = 1 << 20, std::size_t limit = 1 << 20,
            Framing framing = Framing::dot, bool normalise = false) {
  DataStream stream(framing, normalise);
  Outcome outcome;
  std::string out;
  while (!input.empty() && !outcome.ended) {
    std::string_view piece = input.substr(0, step);
    while (!piece.empty() && !outcome.ended) {
      const auto taken = stream.feed(piece, out, limit);
      EXPECT_LE(out.size(), limit + 3);
      outcome.ended = taken.ended;
      piece.remove_prefix(taken.consumed);
      input.remove_prefix(taken.consumed);
      if (out.size() < limit) continue;
      outcome.text += out;
      out.clear();
    }
  }
  if (framing == Framing::counted) stream.finish(out);
  outcome.text += out;
  outcome.rest = input;
  outcome.bare_cr = stream.has_bare_cr();
  outcome.bare_lf = stream.has_bare_lf();
  outcome.longest = stream.longest_line();
  outcome.received = stream.received_fields();
  EXPECT_EQ(stream.size(), outcome.text.size());
  return outcome;
}

struct StreamCase {
  std::string_view input;
  std::string_view text;
  std::string_view rest = "";
  bool ended = true;
  bool bare_cr = false;
  bool bare_lf = false;
};

class DataStreamTest : public testing::TestWithParam<StreamCase> {};

TEST_P(DataStreamTest, IsTheSameInEveryDivision) {
  const StreamCase& expected = GetParam();
  const Outcome whole = run(expected.input);
  EXPECT_EQ(whole.text, expected.text);
  EXPECT_EQ(whole.rest, expected.rest);
  EXPECT_EQ(whole.ended, expected.ended);
  EXPECT_EQ(whole.bare_cr, expected.bare_cr);
  EXPECT_EQ(whole.bare_lf, expected.bare_lf);
  for (std::size_t step = 1; step < 8; ++step) {
    for (std::size_t limit = 1; limit < 8; ++limit) {
      EXPECT_EQ(run(expected.input, step, limit), whole) << step << ' ' << limit;
    }
  }
}

/// Behind the header whole lines are taken at once.
TEST_P(DataStreamTest, IsTheSameInTheBody) {
  const Outcome alone = run(GetParam().input);
  for (const std::string_view front : {"\r\n", "A: b\r\n\r\nc\r\n", "\r\na line\r\n..dots\r\n"}) {
    const std::string input = std::string(front) + std::string(GetParam().input);
    const std::string text =
        front.ends_with("..dots\r\n") ? "\r\na line\r\n.dots\r\n" : std::string(front);
    for (const std::size_t step : {1U, 2U, 3U, 5U, 8U, 100U}) {
      for (const std::size_t limit : {1U, 2U, 3U, 5U, 8U, 13U, 100U}) {
        const Outcome outcome = run(input, step, limit);
        EXPECT_EQ(outcome.text, text + alone.text) << step << ' ' << limit;
        EXPECT_EQ(outcome.rest, alone.rest) << step << ' ' << limit;
        EXPECT_EQ(outcome.ended, alone.ended) << step << ' ' << limit;
        EXPECT_EQ(outcome.bare_cr, alone.bare_cr) << step << ' ' << limit;
        EXPECT_EQ(outcome.bare_lf, alone.bare_lf) << step << ' ' << limit;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    EndOfData, DataStreamTest,
    testing::Values(StreamCase{"hi\r\n.\r\nQUIT\r\n", "hi\r\n", "QUIT\r\n"},
                    StreamCase{".\r\n", ""}, StreamCase{"\r\n.\r\n", "\r\n"},
                    StreamCase{"a\r\n..\r\n.\r\n", "a\r\n.\r\n"},
                    StreamCase{"..a\r\n...\r\n.\r\n", ".a\r\n..\r\n"},
                    StreamCase{".a\r\n.\r\n", "a\r\n"}, StreamCase{"a.\r\n.\r\n", "a.\r\n"},
                    StreamCase{"a\r\n.b\r\n.\r\n", "a\r\nb\r\n"},
                    // Nothing else is the end: each of these was one somewhere.
                    StreamCase{"a\n.\n", "a\n.\n", "", false, false, true},
                    StreamCase{"a\n.\r\n", "a\n.\r\n", "", false, false, true},
                    StreamCase{"a\r\n.\n", "a\r\n\n", "", false, false, true},
                    StreamCase{"a\r.\r", "a\r.", "", false, true, false},
                    StreamCase{"a\r.\r\n", "a\r.\r\n", "", false, true, false},
                    StreamCase{"a\r\n.\rb", "a\r\n\rb", "", false, true, false},
                    StreamCase{"a\r\n.\r\r\n", "a\r\n\r\r\n", "", false, true, false},
                    StreamCase{"a\r\r\n.\r\n", "a\r\r\n", "", true, true, false},
                    StreamCase{"a\n\r\n.\r\n", "a\n\r\n", "", true, false, true},
                    StreamCase{"a\n\n.\n\nMAIL\r\n", "a\n\n.\n\nMAIL\r\n", "", false, false, true},
                    StreamCase{std::string_view("a\0\r\n.\0\r\n.\r\n", 11),
                               std::string_view("a\0\r\n\0\r\n", 7)},
                    StreamCase{std::string_view("a\r\n\0.\r\n", 7),
                               std::string_view("a\r\n\0.\r\n", 7), "", false},
                    StreamCase{"a\r\n. \r\n.\r\n", "a\r\n \r\n"},
                    StreamCase{"a\r\n.\r\n.\r\n", "a\r\n", ".\r\n"}));

TEST(DataStream, NormalisesWhatStandsAlone) {
  for (std::size_t step = 1; step < 6; ++step) {
    for (std::size_t limit = 1; limit < 6; ++limit) {
      const auto made = [&](std::string_view input) {
        return run(input, step, limit, Framing::dot, true).text;
      };
      EXPECT_EQ(made("a\nb\rc\r\n.\r\n"), "a\r\nb\r\nc\r\n");
      EXPECT_EQ(made("a\r\r\n.\r\n"), "a\r\n\r\n");
      // The line of one dot that comes of it is text, and so is the dot in front of it.
      EXPECT_EQ(made("a\n.\nb\r\n.\r\n"), "a\r\n.\r\nb\r\n");
      EXPECT_EQ(made("a\n..\nb\r\n.\r\n"), "a\r\n..\r\nb\r\n");
      EXPECT_EQ(made("a\r\n.\rb\r\n.\r\n"), "a\r\n\r\nb\r\n");
    }
  }
}

TEST(DataStream, InChunksHasNoDots) {
  const Outcome whole = run("a\r\n.\r\n..b\r\n", 100, 100, Framing::counted);
  EXPECT_FALSE(whole.ended);
  EXPECT_EQ(whole.text, "a\r\n.\r\n..b\r\n");
  EXPECT_FALSE(whole.bare_cr || whole.bare_lf);
}

TEST(DataStream, InChunksMayEndWithoutALineEnd) {
  EXPECT_EQ(run("abc", 1, 100, Framing::counted).text, "abc");
  EXPECT_EQ(run("abc", 1, 100, Framing::counted).longest, 3U);
  const Outcome cut = run("abc\r", 1, 100, Framing::counted);
  EXPECT_EQ(cut.text, "abc\r");
  EXPECT_TRUE(cut.bare_cr);
}

TEST(DataStream, MeasuresLinesWithoutTheirEndAndDot) {
  EXPECT_EQ(run("ab\r\n..cd\r\nx\r\n.\r\n").longest, 3U);
  EXPECT_EQ(run("abcdef").longest, 6U) << "a line that is not over counts too";
  EXPECT_EQ(run("\r\nab\r\ncdef\r\nx\r\n.\r\n").longest, 4U) << "of the body";
}

TEST(DataStream, CountsReceivedFieldsInTheHeaderAlone) {
  const std::string_view message =
      "Received: a\r\n Received: folded\r\nreceived:b\r\nX-Received: c\r\nReceiver: d\r\n"
      "Subject: x\r\nRECEIVED: e\r\nReceived \t: f\r\nReceived x: g\r\nRe ceived: h\r\n\r\n"
      "Received: body\r\n.\r\n";
  for (std::size_t step = 1; step < 12; ++step) EXPECT_EQ(run(message, step, 5).received, 4U);
  EXPECT_EQ(run("\r\nReceived: a\r\n.\r\n").received, 0U);
}

TEST(DataStream, FindsTheEndOfWhatIsDropped) {
  DataStream stream(Framing::dot);
  EXPECT_FALSE(stream.skip("abc\r\n.").ended);
  const auto step = stream.skip("\r\nQUIT\r\n");
  EXPECT_TRUE(step.ended);
  EXPECT_EQ(step.consumed, 2U);
}

}  // namespace
}  // namespace netd::smtp
