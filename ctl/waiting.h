// Waiting for a descriptor, with a time at which to give up.
#pragma once

#include <poll.h>

#include <chrono>
#include <optional>
#include <span>

namespace netd::ctl {

using std::chrono::milliseconds;
using Moment = std::chrono::steady_clock::time_point;
[[nodiscard]] inline Moment now() { return std::chrono::steady_clock::now(); }
/// Nothing: for ever.
using Deadline = std::optional<Moment>;

/// A time-out of zero or less is none.
[[nodiscard]] Deadline deadline_of(milliseconds timeout);

/// What is left of it for poll(2): milliseconds rounded up, -1 for ever.
[[nodiscard]] int poll_time(Deadline deadline);

/// poll(2) that a signal does not shorten. False when the time is up first.
[[nodiscard]] bool wait_for_any(std::span<pollfd> watched, Deadline deadline);
[[nodiscard]] bool wait_for(int fd, short what, Deadline deadline);

/// Sleeps, whatever signals come.
void sleep_until(Moment moment);

}  // namespace netd::ctl
