#include "ctl/terminal_text.h"

#include <gtest/gtest.h>

#include <clocale>

namespace netd::ctl {
namespace {

struct Case {
  std::string_view text;
  std::string_view shown;
};

// What a terminal could act on, and what it may have.
constexpr Case kCases[] = {
    {"plain", "plain"},
    {"\x1b[31mred\x7f", "\\x1b[31mred\\x7f"},
    {"a\rb", "a\\x0db"},
    {"bell\a", "bell\\x07"},
    {"é ▁ 漢 🙂", "é ▁ 漢 🙂"},
    {"\xc2\x9b[31m", "\\x9b[31m"},  // CSI as UTF-8
    {"\x9b[31m", "\\x9b[31m"},      // CSI as one byte
    {"\xc2\x9d"
     "0;title\xc2\x9c",
     "\\x9d0;title\\x9c"},
    {"\xe2\x80\xae"
     "evil",
     "\\xe2\\x80\\xaeevil"},  // right to left
    {"\xe2\x81\xa6", "\\xe2\\x81\\xa6"},
    {"\xe2\x80\xa8", "\\xe2\\x80\\xa8"},
    {"\xc0\x9b \xed\xa0\x80 \xf4\x90\x80\x80", "\\xc0\\x9b \\xed\\xa0\\x80 \\xf4\\x90\\x80\\x80"},
    {"half \xe2\x82", "half \\xe2\\x82"},
    {std::string_view("nul\0", 4), "nul\\x00"},
};

TEST(TerminalText, ShowsALine) {
  for (const Case& one : kCases) EXPECT_EQ(shown(one.text), one.shown);
  EXPECT_EQ(shown("a\nb\tc"), "a\\nb\\x09c");
}

TEST(TerminalText, ShowsAStreamHoweverItIsCut) {
  for (const Case& one : kCases) {
    for (std::size_t cut = 0; cut <= one.text.size(); ++cut) {
      TerminalText text;
      std::string out = text.add(one.text.substr(0, cut));
      out += text.add(one.text.substr(cut));
      EXPECT_EQ(out + text.rest(), one.shown) << cut;
    }
  }
}

TEST(TerminalText, KeepsTheLinesAndTabsOfAStream) {
  TerminalText text;
  EXPECT_EQ(text.add("a\tb\nc\r"), "a\tb\nc");
  EXPECT_EQ(text.add("\nd\r"), "\r\nd");
  EXPECT_EQ(text.add("e"), "\\x0de");
  EXPECT_EQ(text.rest(), "");
}

TEST(TerminalText, IsCutBetweenCharacters) {
  ASSERT_NE(std::setlocale(LC_CTYPE, "C.UTF-8"), nullptr);
  EXPECT_EQ(start_that_fits("a日本", 5), "a日本");
  EXPECT_EQ(start_that_fits("a日本", 4), "a日");
  EXPECT_EQ(start_that_fits("a日本", 2), "a");
  EXPECT_EQ(start_that_fits("e\u0301f", 1), "e\u0301");
  EXPECT_EQ(start_that_fits("x", 0), "");
  (void)std::setlocale(LC_CTYPE, "C");
  EXPECT_EQ(display_width("日\xff"), 2U);  // who does not know the character counts one
}

}  // namespace
}  // namespace netd::ctl
