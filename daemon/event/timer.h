#pragma once

#include <cstdint>
#include <functional>
#include <limits>

#include "daemon/base/clock.h"

namespace netd {

class Dispatcher;

/// Runs a function once at a point in time, in the dispatcher's thread.
///
/// Made for time-outs that are pushed back far more often than they fire: arming an armed timer for
/// a later time only writes the new time down, and the dispatcher finds out when the old one comes.
class Timer {
 public:
  /// `callback` may arm, cancel or destroy this timer. `dispatcher` must outlive the timer.
  Timer(Dispatcher& dispatcher, std::function<void()> callback);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  /// Counted from the dispatcher's now(); zero or less fires in the next turn.
  void arm(Duration delay);
  void arm_at(Monotonic when);
  void cancel();
  [[nodiscard]] bool armed() const { return armed_; }
  [[nodiscard]] Monotonic deadline() const { return deadline_; }

 private:
  friend class Dispatcher;
  static constexpr std::uint32_t kNotQueued = std::numeric_limits<std::uint32_t>::max();

  Dispatcher& dispatcher_;
  std::function<void()> callback_;
  Monotonic deadline_;
  Monotonic queued_for_;  // when the heap will look at it: at or before deadline_
  // Every connection has a timer, idle ones included: 32 bits are enough.
  std::uint32_t index_ = kNotQueued;
  bool armed_ = false;
};

}  // namespace netd
