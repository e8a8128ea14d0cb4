// A clock that tests move by hand.
#pragma once

#include <atomic>
#include <chrono>

#include "daemon/base/clock.h"

namespace netd::test {

/// Any thread may ask it; one thread moves it. Starts at an arbitrary but fixed moment, so that
/// what is written from it is the same in every run.
class FakeClock final : public Clock {
 public:
  [[nodiscard]] Monotonic now() const override { return Monotonic(Duration(now_.load())); }
  [[nodiscard]] WallTime wall() const override {
    return WallTime(
        std::chrono::duration_cast<WallTime::duration>(std::chrono::nanoseconds(wall_.load())));
  }

  /// Lets both clocks go on.
  void advance(std::chrono::nanoseconds step) {
    now_ += std::chrono::duration_cast<Duration>(step).count();
    wall_ += step.count();
  }

  /// What an administrator or NTP does: the calendar jumps, the monotonic clock does not.
  void set_wall(WallTime time) {
    wall_ = std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
  }

 private:
  std::atomic<Duration::rep> now_{Duration(std::chrono::hours(1)).count()};
  // 2026-01-02 03:04:05 UTC
  std::atomic<std::chrono::nanoseconds::rep> wall_{1'767'323'045'000'000'000};
};

}  // namespace netd::test
