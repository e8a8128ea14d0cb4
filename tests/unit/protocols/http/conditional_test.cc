#include "daemon/protocols/http/conditional.h"

#include <gtest/gtest.h>

#include <string>

#include "daemon/protocols/http/parser.h"

namespace netd::http {
namespace {

constexpr std::int64_t kNow = 1767323045;
constexpr std::int64_t kModified = 784111777;
const char* const kSame = "Sun, 06 Nov 1994 08:49:37 GMT";
const char* const kBefore = "Sun, 06 Nov 1994 08:49:36 GMT";
const char* const kAfter = "Sunday, 06-Nov-94 08:49:38 GMT";

struct Read {
  Request request;
  std::string head;
  explicit Read(const std::string& fields, const std::string& method = "GET")
      : head(method + " / HTTP/1.1\r\n" + fields + "\r\n") {
    HeadParser parser;
    EXPECT_EQ(parser.parse(head, {}, request), HeadParser::State::complete);
  }
};

Precondition evaluate(const std::string& fields, const std::string& method = "GET",
                      std::string_view tag = "\"tag\"") {
  const Read read(fields, method);
  return evaluate_preconditions(read.request, {.entity_tag = tag, .last_modified = kModified},
                                kNow);
}

std::string field(const std::string& name, const std::string& value) {
  return name + ": " + value + "\r\n";
}

TEST(Conditional, IfNoneMatch) {
  EXPECT_EQ(evaluate(field("If-None-Match", "\"tag\"")), Precondition::not_modified);
  EXPECT_EQ(evaluate(field("If-None-Match", "W/\"tag\"")), Precondition::not_modified);
  EXPECT_EQ(evaluate(field("If-None-Match", "\"a\", \"tag\"")), Precondition::not_modified);
  EXPECT_EQ(evaluate(field("If-None-Match", "\"a\"") + field("If-None-Match", "\"tag\"")),
            Precondition::not_modified);
  EXPECT_EQ(evaluate(field("If-None-Match", "*")), Precondition::not_modified);
  EXPECT_EQ(evaluate(field("If-None-Match", "\"a\"")), Precondition::proceed);
  EXPECT_EQ(evaluate(field("If-None-Match", "tag")), Precondition::proceed);
  EXPECT_EQ(evaluate(field("If-None-Match", "\"tag\""), "POST"), Precondition::failed);
}

TEST(Conditional, IfMatch) {
  EXPECT_EQ(evaluate(field("If-Match", "\"tag\"")), Precondition::proceed);
  EXPECT_EQ(evaluate(field("If-Match", "*")), Precondition::proceed);
  EXPECT_EQ(evaluate(field("If-Match", "\"a\"")), Precondition::failed);
  EXPECT_EQ(evaluate(field("If-Match", "W/\"tag\"")), Precondition::failed);
  EXPECT_EQ(evaluate(field("If-Match", "\"tag\""), "GET", "W/\"tag\""), Precondition::failed);
  EXPECT_EQ(evaluate(field("If-Match", "nonsense")), Precondition::failed);
}

TEST(Conditional, Dates) {
  EXPECT_EQ(evaluate(field("If-Modified-Since", kSame)), Precondition::not_modified);
  EXPECT_EQ(evaluate(field("If-Modified-Since", kAfter)), Precondition::not_modified);
  EXPECT_EQ(evaluate(field("If-Modified-Since", kBefore)), Precondition::proceed);
  EXPECT_EQ(evaluate(field("If-Modified-Since", "yesterday")), Precondition::proceed);
  EXPECT_EQ(evaluate(field("If-Modified-Since", kSame), "POST"), Precondition::proceed);
  EXPECT_EQ(evaluate(field("If-Modified-Since", kSame), "HEAD"), Precondition::not_modified);
  EXPECT_EQ(evaluate(field("If-Unmodified-Since", kSame)), Precondition::proceed);
  EXPECT_EQ(evaluate(field("If-Unmodified-Since", kAfter)), Precondition::proceed);
  EXPECT_EQ(evaluate(field("If-Unmodified-Since", kBefore)), Precondition::failed);
  EXPECT_EQ(evaluate(field("If-Unmodified-Since", "yesterday")), Precondition::proceed);
}

TEST(Conditional, TagsWinOverDates) {
  EXPECT_EQ(evaluate(field("If-None-Match", "\"a\"") + field("If-Modified-Since", kSame)),
            Precondition::proceed);
  EXPECT_EQ(evaluate(field("If-Match", "\"tag\"") + field("If-Unmodified-Since", kBefore)),
            Precondition::proceed);
  EXPECT_EQ(evaluate(field("If-Match", "\"a\"") + field("If-None-Match", "\"tag\"")),
            Precondition::failed);
  EXPECT_EQ(evaluate(field("If-Match", "\"tag\"") + field("If-None-Match", "\"tag\"")),
            Precondition::not_modified);
}

TEST(Conditional, WithoutARepresentation) {
  const Read read(field("If-Match", "*"));
  EXPECT_EQ(evaluate_preconditions(read.request, {.entity_tag = {}, .exists = false}, kNow),
            Precondition::failed);
  const Read none(field("If-None-Match", "*"));
  EXPECT_EQ(evaluate_preconditions(none.request, {.entity_tag = {}, .exists = false}, kNow),
            Precondition::proceed);
}

TEST(Conditional, IfRange) {
  const auto holds = [](const std::string& fields, std::string_view tag = "\"tag\"",
                        std::int64_t now = kNow) {
    const Read read(fields);
    return if_range_holds(read.request, {.entity_tag = tag, .last_modified = kModified}, now);
  };
  EXPECT_TRUE(holds(""));
  EXPECT_TRUE(holds(field("If-Range", "\"tag\"")));
  EXPECT_FALSE(holds(field("If-Range", "\"a\"")));
  EXPECT_FALSE(holds(field("If-Range", "W/\"tag\"")));
  EXPECT_FALSE(holds(field("If-Range", "\"tag\""), "W/\"tag\""));
  EXPECT_TRUE(holds(field("If-Range", kSame)));
  EXPECT_FALSE(holds(field("If-Range", kSame), "\"tag\"", kModified));
  EXPECT_FALSE(holds(field("If-Range", kAfter)));
  EXPECT_FALSE(holds(field("If-Range", kBefore)));
  EXPECT_FALSE(holds(field("If-Range", "nonsense")));
}

}  // namespace
}  // namespace netd::http
