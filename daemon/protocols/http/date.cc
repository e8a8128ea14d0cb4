#include "daemon/protocols/http/date.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <string>

#include "daemon/base/text.h"

namespace netd::http {

namespace {

constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 7> kLongDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                       "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/// Takes pieces off the front of a text; the first that does not fit makes all the rest fail.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  void literal(std::string_view wanted) {
    ok_ = ok_ && text_.starts_with(wanted);
    if (ok_) text_.remove_prefix(wanted.size());
  }
  /// Exactly `digits` decimal digits.
  int number(std::size_t digits) {
    ok_ = ok_ && text_.size() >= digits;
    int value = 0;
    for (std::size_t i = 0; ok_ && i < digits; ++i) {
      ok_ = is_ascii_digit(text_[i]);
      value = value * 10 + (text_[i] - '0');
    }
    if (ok_) text_.remove_prefix(digits);
    return value;
  }
  template <std::size_t kCount>
  int one_of(const std::array<std::string_view, kCount>& words) {
    for (std::size_t i = 0; ok_ && i < kCount; ++i) {
      if (!text_.starts_with(words[i])) continue;
      text_.remove_prefix(words[i].size());
      return static_cast<int>(i);
    }
    ok_ = false;
    return 0;
  }
  /// asctime pads the day with a space.
  int padded_day() {
    if (!text_.starts_with(' ')) return number(2);
    literal(" ");
    return number(1);
  }
  [[nodiscard]] bool at_end() const { return ok_ && text_.empty(); }

 private:
  std::string_view text_;
  bool ok_ = true;
};

struct Parts {
  int year = 0;
  int month = 0;  // 0 to 11
  int day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
};

void scan_time(Scanner& scanner, Parts& parts) {
  parts.hour = scanner.number(2);
  scanner.literal(":");
  parts.minute = scanner.number(2);
  scanner.literal(":");
  parts.second = scanner.number(2);
}

/// There need be no such day.
std::chrono::year_month_day day_of(const Parts& parts) {
  namespace chr = std::chrono;
  return {chr::year(parts.year), chr::month(static_cast<unsigned>(parts.month + 1)),
          chr::day(static_cast<unsigned>(parts.day))};
}

std::optional<std::int64_t> to_seconds(const Parts& parts) {
  namespace chr = std::chrono;
  const chr::year_month_day date = day_of(parts);
  // 60 is a leap second.
  if (!date.ok() || parts.hour > 23 || parts.minute > 59 || parts.second > 60) return std::nullopt;
  const auto days = chr::sys_days(date).time_since_epoch().count();
  const std::int64_t minutes = std::int64_t{parts.hour} * 60 + parts.minute;
  return std::int64_t{days} * 86400 + minutes * 60 + parts.second;
}

std::optional<std::int64_t> parse_fixdate(std::string_view text) {
  Scanner scanner(text);
  Parts parts;
  scanner.one_of(kDays);
  scanner.literal(", ");
  parts.day = scanner.number(2);
  scanner.literal(" ");
  parts.month = scanner.one_of(kMonths);
  scanner.literal(" ");
  parts.year = scanner.number(4);
  scanner.literal(" ");
  scan_time(scanner, parts);
  scanner.literal(" GMT");
  return scanner.at_end() ? to_seconds(parts) : std::nullopt;
}

std::optional<std::int64_t> parse_rfc850(std::string_view text, std::int64_t now) {
  Scanner scanner(text);
  Parts parts;
  scanner.one_of(kLongDays);
  scanner.literal(", ");
  parts.day = scanner.number(2);
  scanner.literal("-");
  parts.month = scanner.one_of(kMonths);
  scanner.literal("-");
  const int short_year = scanner.number(2);
  scanner.literal(" ");
  scan_time(scanner, parts);
  scanner.literal(" GMT");
  if (!scanner.at_end()) return std::nullopt;
  namespace chr = std::chrono;
  const chr::year_month_day today(chr::sys_days(chr::days(now / 86400)));
  const int this_year = static_cast<int>(today.year());
  parts.year = this_year - this_year % 100 + short_year;
  const chr::year_month_day date = day_of(parts);
  // RFC 9110, section 5.6.7: what seems to be more than 50 years ahead is in the past.
  if (date > today + chr::years(50)) parts.year -= 100;
  return to_seconds(parts);
}

std::optional<std::int64_t> parse_asctime(std::string_view text) {
  Scanner scanner(text);
  Parts parts;
  scanner.one_of(kDays);
  scanner.literal(" ");
  parts.month = scanner.one_of(kMonths);
  scanner.literal(" ");
  parts.day = scanner.padded_day();
  scanner.literal(" ");
  scan_time(scanner, parts);
  scanner.literal(" ");
  parts.year = scanner.number(4);
  return scanner.at_end() ? to_seconds(parts) : std::nullopt;
}

char* put(char* out, std::string_view text) { return std::copy(text.begin(), text.end(), out); }

char* put_two(char* out, unsigned value) {
  *out++ = static_cast<char>('0' + value / 10 % 10);
  *out++ = static_cast<char>('0' + value % 10);
  return out;
}

}  // namespace

std::int64_t unix_seconds(const Clock& clock) {
  return std::chrono::duration_cast<std::chrono::seconds>(clock.wall().time_since_epoch()).count();
}

void format_date(std::int64_t unix_seconds, char* out) {
  namespace chr = std::chrono;
  constexpr std::int64_t kFirst = -62167219200;  // 0000-01-01
  constexpr std::int64_t kLast = 253402300799;   // 9999-12-31T23:59:59
  const chr::sys_seconds time(chr::seconds(std::clamp(unix_seconds, kFirst, kLast)));
  const chr::sys_days days = chr::floor<chr::days>(time);
  const chr::year_month_day date(days);
  const chr::hh_mm_ss clock(time - days);
  out = put(out, kDays[chr::weekday(days).c_encoding()]);
  out = put(out, ", ");
  out = put_two(out, static_cast<unsigned>(date.day()));
  *out++ = ' ';
  out = put(out, kMonths[static_cast<unsigned>(date.month()) - 1]);
  *out++ = ' ';
  const auto year = static_cast<unsigned>(static_cast<int>(date.year()));
  out = put_two(out, year / 100);
  out = put_two(out, year % 100);
  *out++ = ' ';
  out = put_two(out, static_cast<unsigned>(clock.hours().count()));
  *out++ = ':';
  out = put_two(out, static_cast<unsigned>(clock.minutes().count()));
  *out++ = ':';
  out = put_two(out, static_cast<unsigned>(clock.seconds().count()));
  put(out, " GMT");
}

std::optional<std::int64_t> parse_date(std::string_view text, std::int64_t now) {
  if (const auto time = parse_fixdate(text)) return time;
  if (const auto time = parse_rfc850(text, now)) return time;
  return parse_asctime(text);
}

}  // namespace netd::http
