#include "daemon/protocols/http/date.h"

#include <gtest/gtest.h>

#include <string>

namespace netd::http {
namespace {

constexpr std::int64_t kToday = 1767323045;   // 2026-01-02
constexpr std::int64_t kExample = 784111777;  // 1994-11-06T08:49:37Z

std::string format(std::int64_t seconds) {
  std::string text(kDateSize, '\0');
  format_date(seconds, text.data());
  return text;
}

TEST(Date, FormatsThePreferredForm) {
  EXPECT_EQ(format(kExample), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(format(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(format(-1), "Wed, 31 Dec 1969 23:59:59 GMT");
  EXPECT_EQ(format(951782400), "Tue, 29 Feb 2000 00:00:00 GMT");
  EXPECT_EQ(format(INT64_MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
}

TEST(Date, ReadsAllThreeForms) {
  EXPECT_EQ(parse_date("Sun, 06 Nov 1994 08:49:37 GMT", kToday), kExample);
  EXPECT_EQ(parse_date("Sunday, 06-Nov-94 08:49:37 GMT", kToday), kExample);
  EXPECT_EQ(parse_date("Sun Nov  6 08:49:37 1994", kToday), kExample);
  EXPECT_EQ(parse_date("Sun Nov 16 08:49:37 1994", kToday), kExample + std::int64_t{10} * 86400);
}

TEST(Date, PlacesTwoDigitYears) {
  EXPECT_EQ(parse_date("Friday, 02-Jan-76 00:00:00 GMT", kToday),
            parse_date("Thu, 02 Jan 2076 00:00:00 GMT", kToday));
  EXPECT_EQ(parse_date("Saturday, 01-Jan-77 00:00:00 GMT", kToday),
            parse_date("Sat, 01 Jan 1977 00:00:00 GMT", kToday));
  // 50 years ahead to the day, and one more.
  EXPECT_EQ(parse_date("Friday, 03-Jan-76 00:00:00 GMT", kToday),
            parse_date("Sat, 03 Jan 1976 00:00:00 GMT", kToday));
}

TEST(Date, RefusesWhatIsNone) {
  for (const char* const text :
       {"", "0", "now", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 GMT ", "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT", "Sun, 06 Nov 94 08:49:37 GMT", "1994-11-06T08:49:37Z",
        "Sun, 06 Nov 1994 08:49:37 +0000", "sun, 06 nov 1994 08:49:37 gmt"}) {
    EXPECT_EQ(parse_date(text, kToday), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace netd::http
