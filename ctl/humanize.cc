#include "ctl/humanize.h"

#include <array>
#include <charconv>
#include <cmath>
#include <ctime>

#include "ctl/terminal.h"

namespace netd::ctl {

std::string decimal_text(double value, int digits) {
  std::array<char, 400> text{};
  const auto written = std::to_chars(text.data(), text.data() + text.size(), value,
                                     std::chars_format::fixed, digits);
  return {text.data(), written.ptr};
}

namespace {

/// With one digit after the point where there would be one digit before it alone.
std::string short_number(double value) {
  return value < 9.95 ? decimal_text(value, 1) : decimal_text(value, 0);
}

std::string two_parts(double seconds, double unit, const char* name, double part,
                      const char* part_name) {
  const double whole = std::floor(seconds / unit);
  const double rest = std::floor((seconds - whole * unit) / part);
  std::string text = decimal_text(whole, 0) + " " + name;
  if (rest > 0) text += " " + decimal_text(rest, 0) + " " + part_name;
  return text;
}

}  // namespace

std::string human_bytes(double bytes) {
  static constexpr std::array<const char*, 6> kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  if (bytes < 1000) return decimal_text(bytes, 0) + " B";
  std::size_t unit = 0;
  while (bytes >= 1000 && unit + 1 < kUnits.size()) {
    bytes /= 1024;
    ++unit;
  }
  return short_number(bytes) + " " + kUnits.at(unit);
}

std::string human_count(double count) {
  if (count < 10'000) return decimal_text(count, 0);
  static constexpr std::array<const char*, 5> kUnits = {"", "k", "M", "G", "T"};
  std::size_t unit = 0;
  while (count >= 1000 && unit + 1 < kUnits.size()) {
    count /= 1000;
    ++unit;
  }
  return (count < 99.95 ? decimal_text(count, 1) : decimal_text(count, 0)) + kUnits.at(unit);
}

std::string human_seconds(double seconds) {
  if (seconds <= 0) return "0 s";
  if (seconds < 0.9995) return decimal_text(seconds * 1000, 0) + " ms";
  if (seconds < 60) return short_number(seconds) + " s";
  if (seconds < 3600) return two_parts(seconds, 60, "min", 1, "s");
  if (seconds < 86'400) return two_parts(seconds, 3600, "h", 60, "min");
  return two_parts(seconds, 86'400, "d", 3600, "h");
}

std::string human_milliseconds(double time_ms) {
  const auto three_digits = [](double value) {
    return decimal_text(value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
  };
  if (time_ms < 0.9995) {
    return three_digits(time_ms * 1000) + (has_symbols() ? " µs" : " us");
  }
  if (time_ms < 999.5) return three_digits(time_ms) + " ms";
  return three_digits(time_ms / 1000) + " s";
}

std::string local_time(double unix_seconds) {
  const auto whole = static_cast<std::time_t>(unix_seconds);
  std::tm parts{};
  if (::localtime_r(&whole, &parts) == nullptr) return "?";
  std::array<char, 32> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &parts);
  return {text.data(), length};
}

}  // namespace netd::ctl
