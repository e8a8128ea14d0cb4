// Lines: what becomes a section, a key or a mistake, and that nothing is dropped, cut or joined.
#include "daemon/config/ini_file.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace netd::config {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

struct Parsed {
  /// "2:[listener echo]" and "3:key=value".
  std::vector<std::string> lines;
  std::vector<std::string> mistakes;
};

Parsed parse(std::string_view text) {
  std::vector<RawSection> sections;
  MistakeList list;
  parse_ini({"f", std::string(text)}, sections, list);
  Parsed parsed;
  for (const RawSection& section : sections) {
    parsed.lines.push_back(std::to_string(section.line) + ":" + title(section));
    for (const RawValue& value : section.values) {
      parsed.lines.push_back(std::to_string(value.line) + ":" + value.key + "=" + value.text);
    }
  }
  for (const Mistake& mistake : std::move(list).sorted({"f"})) {
    parsed.mistakes.push_back(format(mistake));
  }
  return parsed;
}

struct Case {
  const char* what;
  std::string text;
  std::vector<std::string> lines;
  std::vector<std::string> mistakes = {};
};

using namespace std::string_literals;

const Case kCases[] = {
    {"nothing", "", {}},
    {"sections keep their order", "[b]\nx=1\n[a]\ny=2\n", {"1:[b]", "2:x=1", "3:[a]", "4:y=2"}},
    {"an empty section is there",
     "[listener x]\n[listener y]\n",
     {"1:[listener x]", "2:[listener y]"}},
    {"an empty section at the end without a line end", "[a]", {"1:[a]"}},
    {"the last line without a line end", "[a]\nx=1", {"1:[a]", "2:x=1"}},
    {"CR LF", "[a]\r\nx = 1\r\n\r\ny = 2\r\n", {"1:[a]", "2:x=1", "4:y=2"}},
    {"blanks around everything",
     "  [ listener \t x ]  \n\t x \t= \t1 2 \t\n",
     {"1:[listener x]", "2:x=1 2"}},
    {"a colon for the equals sign", "[a]\nx: tcp:1:2\n", {"1:[a]", "2:x=tcp:1:2"}},
    {"an equals sign in the value", "[a]\nx = a=b\n", {"1:[a]", "2:x=a=b"}},
    {"comments",
     "; one\n# two\n[a] ; three\n  ; four\n  # five\nx = 1 ; six\n[b] # seven\n",
     {"3:[a]", "6:x=1", "7:[b]"}},
    {"no comment without a blank", "[a]\nx = 1;2\n", {"1:[a]", "2:x=1;2"}},
    {"# in a value is no comment", "[a]\nx = 1 # 2\n", {"1:[a]", "2:x=1 # 2"}},
    {"a value that is a comment only", "[a]\nx = ; 1\n", {"1:[a]", "2:x="}},
    {"a key without a value", "[a]\nx =\n", {"1:[a]", "2:x="}},
    {"a key again", "[a]\nx = 1\nx = 2\n", {"1:[a]", "2:x=1", "3:x=2"}},
    {"an indented line is no continuation", "[a]\nx = 1\n  y = 2\n", {"1:[a]", "2:x=1", "3:y=2"}},
    {"an indented line that is no setting",
     "[a]\nx = 1\n  2\n",
     {"1:[a]", "2:x=1"},
     {"f:3: [a] found \"2\", expected [SECTION] or KEY = VALUE"}},
    {"a byte order mark at the start", "\xEF\xBB\xBF[a]\nx=1\n", {"1:[a]", "2:x=1"}},
    {"a byte order mark elsewhere",
     "\n\xEF\xBB\xBF[a]\n[b]\n",
     {"3:[b]"},
     {"f:2: found \"\\xef\\xbb\\xbf[a]\", expected a byte order mark only at the start of the "
      "file"}},
    {"two byte order marks",
     "\xEF\xBB\xBF\xEF\xBB\xBFx = 1\n",
     {},
     {"f:1: found \"\\xef\\xbb\\xbfx = 1\", expected a byte order mark only at the start of the "
      "file"}},
    {"a line that is nothing",
     "[a]\nnonsense\nx = 1\n",
     {"1:[a]", "3:x=1"},
     {"f:2: [a] found \"nonsense\", expected [SECTION] or KEY = VALUE"}},
    {"a forgotten equals sign, and a colon in the value",
     "[a]\nlisten tcp:1:2\n",
     {"1:[a]"},
     {"f:2: [a] found \"listen tcp:1:2\", expected [SECTION] or KEY = VALUE"}},
    {"a value without a key",
     "[a]\n= 1\n",
     {"1:[a]"},
     {"f:2: [a] found \"= 1\", expected [SECTION] or KEY = VALUE"}},
    {"a last line that is nothing",
     "[a]\nnonsense",
     {"1:[a]"},
     {"f:2: [a] found \"nonsense\", expected [SECTION] or KEY = VALUE"}},
    {"a comment in the place of the equals sign",
     "[a]\nx ; = 1\n",
     {"1:[a]"},
     {"f:2: [a] found \"x ; = 1\", expected [SECTION] or KEY = VALUE"}},
    {"a key before any section",
     "x = 1\n[a]\n",
     {"2:[a]"},
     {"f:1: x: found before the first section, expected [SECTION]"}},
    {"a header without its end takes its keys along",
     "[a]\nx = 1\n[b\ny = 2\n[c]\nz = 3\n",
     {"1:[a]", "2:x=1", "5:[c]", "6:z=3"},
     {"f:3: found \"[b\", expected ] after the section's name"}},
    {"text behind a header",
     "[a] x = 1\ny = 2\n",
     {"1:[a]", "2:y=2"},
     {"f:1: [a] found \"x = 1\", expected the end of the line or a comment after ]"}},
    {"a header of nothing", "[]\n", {"1:[]"}},
    {"NUL",
     "[a]\nx = 1\0y = 2\nz = 3\n"s,
     {"1:[a]", "3:z=3"},
     {"f:2: [a] found \"x = 1\\x00y = 2\", expected UTF-8 text without control characters"}},
    {"NUL in a comment",
     "; \0\n[a]\n"s,
     {"2:[a]"},
     {"f:1: found \"; \\x00\", expected UTF-8 text without control characters"}},
    {"CR inside a line",
     "[a]\nx = 1\ry = 2\n",
     {"1:[a]"},
     {"f:2: [a] found \"x = 1\\x0dy = 2\", expected UTF-8 text without control characters"}},
    {"not UTF-8",
     "[a]\nx = caf\xE9\n",
     {"1:[a]"},
     {"f:2: [a] found \"x = caf\\xe9\", expected UTF-8 text without control characters"}},
    {"UTF-8", "[a]\nx = caf\xC3\xA9\n", {"1:[a]", "2:x=caf\xC3\xA9"}},
    {"UTF-16",
     "\xFF\xFE[\0a\0]\0"s,
     {},
     {"f:1: found \"\\xff\\xfe[\\x00a\\x00]\\x00\", expected UTF-8 text without control "
      "characters"}},
};

TEST(IniFile, LinesBecomeSectionsKeysOrMistakes) {
  for (const Case& test : kCases) {
    SCOPED_TRACE(test.what);
    const Parsed parsed = parse(test.text);
    EXPECT_THAT(parsed.lines, ::testing::ElementsAreArray(test.lines));
    EXPECT_THAT(parsed.mistakes, ::testing::ElementsAreArray(test.mistakes));
  }
}

// INI_MAX_LINE of the package is 200, one of them for the terminating zero.
constexpr std::size_t kLongestLine = 199;

TEST(IniFile, TakesTheLongestLineWhole) {
  const std::string value(kLongestLine - 2, 'v');
  EXPECT_THAT(parse("[a]\nx=" + value + "\r\ny=1\n").lines,
              ElementsAre("1:[a]", "2:x=" + value, "3:y=1"));
  EXPECT_THAT(parse("[" + std::string(kLongestLine - 2, 's') + "]\n").lines, SizeIs(1));
}

TEST(IniFile, RefusesALongerLineInsteadOfCuttingIt) {
  const auto parsed = parse("[a]\nx=" + std::string(kLongestLine - 1, 'v') + "\ny=1\n");
  EXPECT_THAT(parsed.lines, ElementsAre("1:[a]", "3:y=1"));
  EXPECT_THAT(parsed.mistakes,
              ElementsAre("f:2: [a] found a line of 200 bytes, expected at most 199"));
}

TEST(IniFile, NeverReadsTheTailOfALongLineAsASetting) {
  for (const char* const start : {"; ", "# ", "x = "}) {
    const auto parsed = parse("[a]\n" + (start + std::string(300, ' ')) + "y = 1\n");
    EXPECT_THAT(parsed.lines, ElementsAre("1:[a]"));
    EXPECT_THAT(parsed.mistakes, SizeIs(1));
  }
}

TEST(IniFile, ALongHeaderTakesItsKeysAlong) {
  const auto parsed = parse("[a]\n[" + std::string(300, 'b') + "]\nx = 1\n[c]\n");
  EXPECT_THAT(parsed.lines, ElementsAre("1:[a]", "4:[c]"));
  EXPECT_THAT(parsed.mistakes, SizeIs(1));
}

TEST(IniFile, KeepsNamesThatInihWouldCut) {
  const std::string name(80, 'n');  // MAX_SECTION and MAX_NAME are 50
  const auto parsed = parse("[" + name + "]\n" + name + " = 1\n");
  EXPECT_THAT(parsed.lines, ElementsAre("1:[" + name + "]", "2:" + name + "=1"));
}

TEST(IniFile, BoundsTheReportOfRubbish) {
  std::string rubbish;
  for (int i = 0; i < 100'000; ++i) rubbish += "rubbish\n";
  const auto parsed = parse(rubbish);
  ASSERT_THAT(parsed.mistakes, SizeIs(kMaxMistakes + 1));
  EXPECT_EQ(parsed.mistakes.back(), "f:500: 500 mistakes, further ones are not listed");
}

TEST(IniFile, TakesEveryByte) {
  for (int byte = 0; byte < 256; ++byte) {
    for (const std::string& around : {"[a]\nx = \n"s, "\n[a\n"s, "x\n"s}) {
      for (std::size_t at = 0; at <= around.size(); ++at) {
        std::string text = around;
        text.insert(at, 1, static_cast<char>(byte));
        parse(text);
      }
    }
  }
}

}  // namespace
}  // namespace netd::config
