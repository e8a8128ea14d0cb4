// Time as a dependency, so that tests can move it.
#pragma once

#include <chrono>

namespace netd {

using Duration = std::chrono::steady_clock::duration;
using Monotonic = std::chrono::steady_clock::time_point;
using WallTime = std::chrono::system_clock::time_point;

/// What people and documents are told: whole milliseconds, rounded towards zero.
[[nodiscard]] constexpr std::chrono::milliseconds to_milliseconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration);
}

/// Any thread may ask any clock.
class Clock {
 public:
  virtual ~Clock() = default;
  /// Never goes back, does not count suspend: CLOCK_MONOTONIC.
  [[nodiscard]] virtual Monotonic now() const = 0;
  /// What people and files call the time: CLOCK_REALTIME; may jump.
  [[nodiscard]] virtual WallTime wall() const = 0;
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] Monotonic now() const override { return std::chrono::steady_clock::now(); }
  [[nodiscard]] WallTime wall() const override { return std::chrono::system_clock::now(); }
};

}  // namespace netd
