// Numbers as people read them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace netd::ctl {

/// "0 B", "999 B", "1.5 KiB", "23 MiB": three digits at most.
[[nodiscard]] std::string human_bytes(double bytes);
/// "12", "1234", "12.3k", "4.5M": four digits at most.
[[nodiscard]] std::string human_count(double count);
/// "0 s", "250 ms", "1.5 s", "42 s", "3 min 5 s", "2 h 10 min", "5 d 3 h".
[[nodiscard]] std::string human_seconds(double seconds);
/// A short time to three digits: "85.0 µs", "1.23 ms", "45.6 ms", "1.23 s".
[[nodiscard]] std::string human_milliseconds(double time_ms);
/// With so many digits after the point: "1.50".
[[nodiscard]] std::string decimal_text(double value, int digits);
/// A point in time, in this machine's zone: "2026-11-22 15:35:18".
[[nodiscard]] std::string local_time(double unix_seconds);

}  // namespace netd::ctl
