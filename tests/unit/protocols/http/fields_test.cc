#include "daemon/protocols/http/fields.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace netd::http {
namespace {

std::vector<std::string> elements(std::string_view list) {
  std::vector<std::string> found;
  for_each_element(list, [&](std::string_view element) {
    found.emplace_back(element);
    return true;
  });
  return found;
}

using Strings = std::vector<std::string>;

TEST(Fields, SplitsLists) {
  EXPECT_EQ(elements("a, b ,\tc"), (Strings{"a", "b", "c"}));
  EXPECT_EQ(elements(" ,, a,"), Strings{"a"});
  EXPECT_EQ(elements(""), Strings{});
  EXPECT_EQ(elements("\"a,b\", W/\"c\\\",d\", e"), (Strings{"\"a,b\"", "W/\"c\\\",d\"", "e"}));
  EXPECT_EQ(elements("\"open, a"), Strings{"\"open, a"});
  Strings tags;
  for_each_element(
      R"("a\", W/"b,\", "c")",
      [&](std::string_view element) {
        tags.emplace_back(element);
        return true;
      },
      false);
  EXPECT_EQ(tags, (Strings{R"("a\")", R"(W/"b,\")", R"("c")"}));
}

TEST(Fields, ReadsQualities) {
  EXPECT_EQ(parse_quality("1"), 1000U);
  EXPECT_EQ(parse_quality("0"), 0U);
  EXPECT_EQ(parse_quality("0.5"), 500U);
  EXPECT_EQ(parse_quality("0.125"), 125U);
  EXPECT_EQ(parse_quality("1.000"), 1000U);
  EXPECT_EQ(parse_quality("0."), 0U);
  for (const char* const text : {"", "2", "1.001", "0.1234", "-1", ".5", "0,5", "1e0"}) {
    EXPECT_EQ(parse_quality(text), std::nullopt) << text;
  }
}

TEST(Fields, WeighsEncodings) {
  EXPECT_EQ(encoding_quality("gzip, br;q=0.5", "gzip"), 1000U);
  EXPECT_EQ(encoding_quality("gzip, br; q=0.5", "br"), 500U);
  EXPECT_EQ(encoding_quality("gzip, br;q=0.5", "zstd"), 0U);
  EXPECT_EQ(encoding_quality("GZIP;Q=0", "gzip"), 0U);
  EXPECT_EQ(encoding_quality("x-gzip", "gzip"), 1000U);
  EXPECT_EQ(encoding_quality("*", "br"), 1000U);
  EXPECT_EQ(encoding_quality("*;q=0, gzip", "br"), 0U);
  EXPECT_EQ(encoding_quality("*;q=0", "identity"), 0U);
  EXPECT_EQ(encoding_quality("identity;q=0", "identity"), 0U);
  EXPECT_EQ(encoding_quality("", "identity"), 1U);
}

TEST(Fields, ChoosesBetweenHtmlAndJson) {
  EXPECT_FALSE(prefers_json(""));
  EXPECT_FALSE(prefers_json("*/*"));
  EXPECT_TRUE(prefers_json("application/json"));
  EXPECT_TRUE(prefers_json("application/json, */*"));
  EXPECT_TRUE(prefers_json("text/html;q=0.5, application/json"));
  EXPECT_FALSE(prefers_json("text/html, application/json;q=0.9"));
  EXPECT_FALSE(prefers_json("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"));
  EXPECT_TRUE(prefers_json("application/*"));
  EXPECT_FALSE(prefers_json("application/json;q=0"));
}

TEST(Fields, ReadsEntityTags) {
  EXPECT_EQ(parse_entity_tag("\"a\"")->opaque, "\"a\"");
  EXPECT_FALSE(parse_entity_tag("\"a\"")->weak);
  EXPECT_TRUE(parse_entity_tag("W/\"\"")->weak);
  for (const char* const text : {"", "a", "\"", "\"a", "w/\"a\"", "W/a", "\"a\"b\"", "\"a b\""}) {
    EXPECT_FALSE(parse_entity_tag(text)) << text;
  }
  EXPECT_TRUE(weak_equal(*parse_entity_tag("W/\"a\""), *parse_entity_tag("\"a\"")));
  EXPECT_FALSE(strong_equal(*parse_entity_tag("W/\"a\""), *parse_entity_tag("W/\"a\"")));
  EXPECT_TRUE(strong_equal(*parse_entity_tag("\"a\""), *parse_entity_tag("\"a\"")));
}

}  // namespace
}  // namespace netd::http
