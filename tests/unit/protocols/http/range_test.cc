#include "daemon/protocols/http/range.h"

#include <gtest/gtest.h>

#include <string>

namespace netd::http {
namespace {

using Ranges = std::vector<ByteRange>;

Ranges ranges_of(std::string_view field, std::uint64_t size = 100) {
  Ranges ranges;
  EXPECT_EQ(parse_range(field, size, ranges), RangeOutcome::satisfiable) << field;
  return ranges;
}

RangeOutcome outcome_of(std::string_view field, std::uint64_t size = 100) {
  Ranges ranges;
  return parse_range(field, size, ranges);
}

TEST(Range, ReadsSingleRanges) {
  EXPECT_EQ(ranges_of("bytes=0-0"), (Ranges{{0, 0}}));
  EXPECT_EQ(ranges_of("bytes=10-"), (Ranges{{10, 99}}));
  EXPECT_EQ(ranges_of("bytes=10-1000"), (Ranges{{10, 99}}));
  EXPECT_EQ(ranges_of("bytes=-1"), (Ranges{{99, 99}}));
  EXPECT_EQ(ranges_of("bytes=-1000"), (Ranges{{0, 99}}));
  EXPECT_EQ(ranges_of("BYTES= 1-2 "), (Ranges{{1, 2}}));
  EXPECT_EQ(ranges_of("bytes=0-99999999999999999999999"), (Ranges{{0, 99}}));
  EXPECT_EQ(ranges_of("bytes=-99999999999999999999999"), (Ranges{{0, 99}}));
}

TEST(Range, ReadsMultipleRangesInOrder) {
  EXPECT_EQ(ranges_of("bytes=50-59,0-9"), (Ranges{{50, 59}, {0, 9}}));
  EXPECT_EQ(ranges_of("bytes=0-9, ,90-,-5"), (Ranges{{0, 9}, {90, 99}}));
  EXPECT_EQ(ranges_of("bytes=0-9,200-300"), (Ranges{{0, 9}}));
}

TEST(Range, Coalesces) {
  EXPECT_EQ(ranges_of("bytes=0-9,5-19"), (Ranges{{0, 19}}));
  EXPECT_EQ(ranges_of("bytes=0-9,10-19"), (Ranges{{0, 19}}));
  EXPECT_EQ(ranges_of("bytes=40-49,0-9,5-19"), (Ranges{{0, 19}, {40, 49}}));
  EXPECT_EQ(ranges_of("bytes=0-,0-,0-"), (Ranges{{0, 99}}));
}

TEST(Range, Unsatisfiable) {
  EXPECT_EQ(outcome_of("bytes=100-"), RangeOutcome::unsatisfiable);
  EXPECT_EQ(outcome_of("bytes=-0"), RangeOutcome::unsatisfiable);
  EXPECT_EQ(outcome_of("bytes=99999999999999999999999-"), RangeOutcome::unsatisfiable);
}

TEST(Range, IgnoresWhatItCannotRead) {
  for (const char* const field :
       {"", "bytes", "bytes=", "bytes=,", "bytes=a-b", "bytes=5-2", "bytes=1", "bytes=-",
        "bytes=--1", "bytes=1-2-3", "lines=1-2", "bytes=0-1,x", "bytes=+1-2", "bytes 0-1",
        "bytes=1 -2", "bytes=0x1-2", "bytes =0-1", " bytes=0-1"}) {
    EXPECT_EQ(outcome_of(field), RangeOutcome::ignored) << field;
  }
}

TEST(Range, IgnoresAnyRangeOfNothing) {
  for (const char* const field : {"bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0", "bytes=5-9"}) {
    EXPECT_EQ(outcome_of(field, 0), RangeOutcome::ignored) << field;
  }
}

TEST(Range, IgnoresTooMany) {
  std::string field = "bytes=";
  for (std::size_t i = 0; i < kMaxRanges; ++i)
    field += std::to_string(i * 2) + "-" + std::to_string(i * 2) + ",";
  EXPECT_EQ(outcome_of(field), RangeOutcome::satisfiable);
  EXPECT_EQ(outcome_of(field + "90-"), RangeOutcome::ignored);
}

}  // namespace
}  // namespace netd::http
