#include "daemon/event/timer.h"

#include <utility>

#include "daemon/event/dispatcher.h"

namespace netd {

Timer::Timer(Dispatcher& dispatcher, std::function<void()> callback)
    : dispatcher_(dispatcher), callback_(std::move(callback)) {}

Timer::~Timer() {
  cancel();
  if (dispatcher_.running_timer_ == this) dispatcher_.running_timer_ = nullptr;
}

void Timer::arm(Duration delay) {
  const Monotonic now = dispatcher_.now();
  // Durations of configurations and clients may be far beyond the clock's range.
  arm_at(delay > Monotonic::max() - now ? Monotonic::max() : now + delay);
}

void Timer::arm_at(Monotonic when) {
  deadline_ = when;
  armed_ = true;
  if (index_ != kNotQueued) {
    if (queued_for_ <= when) return;  // it will be looked at in time
    dispatcher_.remove(*this);
  }
  queued_for_ = when;
  dispatcher_.insert(*this);
}

void Timer::cancel() {
  armed_ = false;
  if (index_ != kNotQueued) dispatcher_.remove(*this);
}

}  // namespace netd
