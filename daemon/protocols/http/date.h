// HTTP dates (RFC 9110, section 5.6.7).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "daemon/base/clock.h"

namespace netd::http {

inline constexpr std::size_t kDateSize = 29;  // "Sun, 06 Nov 1994 08:49:37 GMT"

/// The time of day in seconds since 1970.
[[nodiscard]] std::int64_t unix_seconds(const Clock& clock);

/// Writes kDateSize characters: the preferred form, for seconds since 1970. What lies outside the
/// years 0 to 9999 is brought inside.
void format_date(std::int64_t unix_seconds, char* out);

/// Reads all three forms: IMF-fixdate, RFC 850 and asctime. `now` (seconds since 1970) places the
/// two-digit year of RFC 850: what would be more than 50 years ahead is past. Nothing for what is
/// malformed or no date.
[[nodiscard]] std::optional<std::int64_t> parse_date(std::string_view text, std::int64_t now);

}  // namespace netd::http
