#include "daemon/control/json_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace netd::control {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(JsonMembers, AreSlicesOfTheText) {
  const std::string text =
      " { \"a\" : 1.50 , \"b\\u0063\":{\"x\":[1, 2]},\"n\":null,\"s\":\"}\\\"\"} ";
  const auto members = JsonMembers::parse(text);
  ASSERT_TRUE(members);
  EXPECT_EQ(members->find("a"), "1.50");
  EXPECT_EQ(members->find("bc"), "{\"x\":[1, 2]}");
  EXPECT_EQ(members->find("s"), "\"}\\\"\"");
  EXPECT_EQ(members->find("n"), std::nullopt);
  EXPECT_EQ(members->find_any("n"), "null");
  EXPECT_EQ(members->find("absent"), std::nullopt);
  EXPECT_EQ(members->all().size(), 4U);
}

TEST(JsonMembers, RefusesANameGivenTwice) {
  const auto members = JsonMembers::parse(R"({"id":1,"\u0069d":2})");
  ASSERT_FALSE(members);
  EXPECT_EQ(members.error().what(), "member id is given twice");
}

TEST(JsonMembers, BoundsTheirNumber) {
  const auto object = [](std::size_t count) {
    JsonWriter writer;
    for (std::size_t i = 0; i < count; ++i) writer.add("m" + std::to_string(i), true);
    return writer.object();
  };
  EXPECT_TRUE(JsonMembers::parse(object(JsonMembers::kMaxMembers)));
  const auto over = JsonMembers::parse(object(JsonMembers::kMaxMembers + 1));
  ASSERT_FALSE(over);
  EXPECT_THAT(over.error().what(), HasSubstr("at most 64"));
}

TEST(JsonMembers, EmptyObject) {
  const auto members = JsonMembers::parse("{ }");
  ASSERT_TRUE(members);
  EXPECT_TRUE(members->all().empty());
}

TEST(JsonText, ElementsOfAnArray) {
  EXPECT_THAT(json_elements("[1, \"a,b\" ,[2,3],{}]").value(),
              ElementsAre("1", "\"a,b\"", "[2,3]", "{}"));
  EXPECT_THAT(json_elements("[ ]").value(), ElementsAre());
  EXPECT_EQ(json_elements("{}"), std::nullopt);
}

TEST(JsonText, StringsAreDecoded) {
  EXPECT_EQ(json_string(R"("a\n\"\\\/\u0041\u00e9\u20AC\uD83D\uDE00")"), "a\n\"\\/Aé€😀");
  EXPECT_EQ(json_string(R"("\u0000")"), std::string(1, '\0'));
  EXPECT_EQ(json_string("\"\""), "");
  EXPECT_EQ(json_string("7"), std::nullopt);
}

TEST(JsonText, Numbers) {
  EXPECT_EQ(json_integer("42"), 42);
  EXPECT_EQ(json_integer("-7"), -7);
  EXPECT_EQ(json_integer("1e3"), 1000);
  EXPECT_EQ(json_integer("5.0"), 5);
  EXPECT_EQ(json_integer("9223372036854775807"), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(json_integer("9223372036854775808"), std::nullopt);
  EXPECT_EQ(json_integer("1.5"), std::nullopt);
  EXPECT_EQ(json_integer("\"1\""), std::nullopt);
  EXPECT_EQ(json_integer("true"), std::nullopt);
  EXPECT_EQ(json_number("0.25"), 0.25);
  EXPECT_EQ(json_number("1e-400"), 0.0);
  EXPECT_EQ(json_number("null"), std::nullopt);
  EXPECT_EQ(json_bool("true"), true);
  EXPECT_EQ(json_bool("1"), std::nullopt);
}

TEST(JsonText, CompactsOnlyBetweenTokens) {
  EXPECT_EQ(compact_json("{ \"a b\" :\n[ 1 ,\t2 ] , \"c\\\" d\": \" \" }"),
            "{\"a b\":[1,2],\"c\\\" d\":\" \"}");
}

TEST(JsonText, AStringEndsAtItsOwnQuoteHoweverManyBackslashesStandBeforeIt) {
  for (std::size_t pairs = 0; pairs < 5; ++pairs) {
    const std::string slashes(pairs * 2, '\\');
    const std::string value = "\"" + slashes + "\"";
    const std::string quoted = "\"" + slashes + "\\\" , ]\"";
    const std::string text = "{ \"a\" : " + value + " , \"b\" : [" + quoted + "] }";
    EXPECT_EQ(compact_json(text), "{\"a\":" + value + ",\"b\":[" + quoted + "]}");
    const auto members = JsonMembers::parse(text);
    ASSERT_TRUE(members);
    EXPECT_EQ(members->find("a"), value);
    EXPECT_EQ(members->find("b"), "[" + quoted + "]");
  }
}

TEST(JsonText, OneSpellingForAllThatMeanTheSame) {
  const std::pair<const char*, const char*> cases[] = {
      {"1", "1"},
      {"1.0", "1"},
      {"1e0", "1"},
      {"10e-1", "1"},
      {"0.01E+2", "1"},
      {"-1.50", "-1.5"},
      {"0", "0"},
      {"-0", "0"},
      {"-0.0e7", "0"},
      {"1e3", "1000"},
      {"12.5e1", "125"},
      {"0.000001", "0.000001"},
      {"1e-6", "0.000001"},
      {"1e-7", "1e-7"},
      {"0.00000012", "1.2e-7"},
      {"1e14", "100000000000000"},
      {"1e15", "1e15"},
      {"123.456e20", "1.23456e22"},
      {"-1.0E+300", "-1e300"},
      {"1e-99999999999999999999", "1e-99999999999999999999"},
      // Whole numbers stay as they are, beyond what a double can tell apart, too.
      {"9007199254740993", "9007199254740993"},
      {"100000000000000000000000", "100000000000000000000000"},
      {R"("a")", R"("a")"},
      {R"("\u0061\/\u00e9")", R"("a/é")"},
      {R"("\u007f\n\u001F")", R"("\u007f\n\u001f")"},
      {"\"\x7F\"", R"("\u007f")"},
  };
  for (const auto& [value, canonical] : cases) {
    EXPECT_EQ(json_canonical(value), canonical) << value;
    EXPECT_EQ(json_canonical(canonical), canonical) << "again";
  }
  for (const auto* other : {"true", "null", "[1]", "{}"}) {
    EXPECT_EQ(json_canonical(other), std::nullopt) << other;
  }
}

TEST(JsonText, IsJsonTakesOneValueOfAnyKind) {
  for (const auto* text : {"1", "-0.5", " [1] ", "\"x\"", "null", "{\"a\":1}"}) {
    EXPECT_TRUE(is_json(text)) << text;
  }
  for (const auto* text : {"", " ", "1,2", "1]", "],[", "[", "hello", "1 2", "{}{}"}) {
    EXPECT_FALSE(is_json(text)) << text;
  }
}

TEST(JsonWriter, WritesMembersInTheirOrder) {
  JsonWriter writer;
  writer.add("z", "a\"b\n").add("i", -3).add("u", std::numeric_limits<std::uint64_t>::max());
  writer.add("t", true).add_decimal("d", 1.23456).add_decimal("w", 2.0).add_raw("r", "[1]");
  writer.add_list("l", {"x", "y"});
  EXPECT_EQ(writer.object(),
            "{\"z\":\"a\\\"b\\n\",\"i\":-3,\"u\":18446744073709551615,\"t\":true,\"d\":1.235,"
            "\"w\":2,\"r\":[1],\"l\":[\"x\",\"y\"]}");
  EXPECT_EQ(writer.object(), "{}");
}

TEST(JsonWriter, MillisecondsAreSecondsWithNoMoreDigitsThanNeeded) {
  const auto text = [](std::int64_t value) {
    return JsonWriter().add_milliseconds("s", value).object();
  };
  EXPECT_EQ(text(0), "{\"s\":0}");
  EXPECT_EQ(text(1500), "{\"s\":1.5}");
  EXPECT_EQ(text(20), "{\"s\":0.02}");
  EXPECT_EQ(text(7), "{\"s\":0.007}");
  EXPECT_EQ(text(-1234), "{\"s\":-1.234}");
  EXPECT_EQ(text(1764000000100), "{\"s\":1764000000.1}");
  EXPECT_EQ(text(std::numeric_limits<std::int64_t>::min()), "{\"s\":-9223372036854775.808}");
}

TEST(JsonWriter, NumbersThatJsonCannotSayAreNull) {
  EXPECT_EQ(JsonWriter().add_decimal("x", std::numeric_limits<double>::infinity()).object(),
            "{\"x\":null}");
}

}  // namespace
}  // namespace netd::control
