#include "ctl/waiting.h"

#include <poll.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <limits>

namespace netd::ctl {

namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

Deadline deadline_of(milliseconds timeout) {
  if (timeout <= milliseconds(0)) return std::nullopt;
  return Clock::now() + timeout;
}

int poll_time(Deadline deadline) {
  if (!deadline) return -1;
  const auto left = std::chrono::ceil<milliseconds>(*deadline - Clock::now()).count();
  return static_cast<int>(std::clamp<long>(left, 0, std::numeric_limits<int>::max()));
}

bool wait_for_any(std::span<pollfd> watched, Deadline deadline) {
  for (;;) {
    const int count = ::poll(watched.data(), watched.size(), poll_time(deadline));
    if (count > 0) return true;
    if (count < 0 && errno != EINTR) return true;  // the read or write that follows will tell
    if (deadline && Clock::now() >= *deadline) return false;
  }
}

bool wait_for(int fd, short what, Deadline deadline) {
  pollfd watched{fd, what, 0};
  return wait_for_any({&watched, 1}, deadline);
}

void sleep_until(Moment moment) { (void)wait_for_any({}, moment); }

}  // namespace netd::ctl
