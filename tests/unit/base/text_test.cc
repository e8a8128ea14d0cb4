#include "daemon/base/text.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace netd {
namespace {

TEST(Text, NoControlCharacterIsLeftInALine) {
  std::string out = "> ";
  append_clean(out, "\n\x1b[31mred\x7f\xc3\xa9");
  append_clean(out, "");
  append_clean(out, "plain");
  EXPECT_EQ(out, "> \\x0a\\x1b[31mred\\x7f\xc3\xa9plain");
  out.clear();
  append_clean(out,
               "\xc2\x9b\x33\x31m\xc2\x80 \xc2\x9f\xc2\xa0\xe9.\xe2\x82\xac\xe2\x82\xc2"
               "A");
  EXPECT_EQ(out, "\\u009b31m\\u0080 \\u009f\xc2\xa0\\xe9.\xe2\x82\xac\\xe2\\x82\\xc2A");
}

TEST(HexValue, IsThatOfBothCasesAndOfNothingElse) {
  EXPECT_EQ(hex_value('0'), 0);
  EXPECT_EQ(hex_value('9'), 9);
  EXPECT_EQ(hex_value('a'), 10);
  EXPECT_EQ(hex_value('F'), 15);
  for (const char c : {'/', ':', '@', 'G', '`', 'g', '\0', '\xFF'}) EXPECT_EQ(hex_value(c), -1);
}

TEST(AppendHex, WritesTwoUpperCaseDigits) {
  std::string out = "=";
  append_hex(out, '\xFC');
  append_hex(out, '\x0A');
  EXPECT_EQ(out, "=FC0A");
}

TEST(FormatRfc5322, TellsTheOffset) {
  std::tm parts{};
  parts.tm_wday = 0;
  parts.tm_mday = 2;
  parts.tm_mon = 10;
  parts.tm_year = 126;
  parts.tm_hour = 16;
  parts.tm_min = 5;
  EXPECT_EQ(format_rfc5322(parts), "Sun, 02 Nov 2026 16:05:00 +0000");
  parts.tm_gmtoff = 5 * 3600 + 45 * 60;
  EXPECT_EQ(format_rfc5322(parts), "Sun, 02 Nov 2026 16:05:00 +0545");
  parts.tm_gmtoff = -(3 * 3600 + 30 * 60);
  EXPECT_EQ(format_rfc5322(parts), "Sun, 02 Nov 2026 16:05:00 -0330");
}

TEST(NearestWord, PrefersSwapsAndThenTheSameBeginning) {
  constexpr std::array<std::string_view, 4> kKnown = {"stats", "status", "stop", "top"};
  EXPECT_EQ(nearest_word("stauts", kKnown), "status");
  EXPECT_EQ(nearest_word("statsu", kKnown), "status");
  EXPECT_EQ(nearest_word("statu", kKnown), "status");
  EXPECT_EQ(nearest_word("stast", kKnown), "stats");
  EXPECT_EQ(nearest_word("tpo", kKnown), "top");
  EXPECT_EQ(nearest_word("tp", kKnown), "top");
}

TEST(Decimal, IsWrittenBehindWhatThereIs) {
  std::string text = "x";
  append_decimal(text, 0);
  append_decimal(text, 120);
  append_decimal(text, std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(text, "x012018446744073709551615");
}

TEST(NearestWord, IsNoneWhereThatWouldBeAGuess) {
  constexpr std::array<std::string_view, 3> kKnown = {"http", "top", "listeners"};
  for (const std::string_view word : {"", "help", "xyzzy", "listing"}) {
    EXPECT_EQ(nearest_word(word, kKnown), "") << word;
  }
  EXPECT_EQ(nearest_word(std::string(100'000, 'x'), kKnown), "");
  EXPECT_EQ(nearest_word("http", {}), "");
}

}  // namespace
}  // namespace netd
