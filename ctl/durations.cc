#include "ctl/durations.h"

#include <charconv>
#include <cmath>

#include "daemon/base/text.h"

namespace netd::ctl {

Result<std::chrono::milliseconds> parse_seconds(std::string_view text) {
  if (const auto duration = parse_duration(text)) return *duration;
  double seconds = -1;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), seconds, std::chars_format::fixed);
  constexpr double kYear = 366.0 * 86'400;
  if (error != std::errc() || end != text.data() + text.size() || !(seconds >= 0) ||
      seconds > kYear) {
    return fail("expected a time such as 1.5, 30s or 5min, found " +
                (text.empty() ? "nothing" : printable(text, 40)));
  }
  return std::chrono::milliseconds(static_cast<std::int64_t>(std::ceil(seconds * 1000)));
}

}  // namespace netd::ctl
