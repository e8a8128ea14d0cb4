#include "daemon/base/line_writer.h"

#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

namespace netd {

bool LineWriter::write(std::string_view line) {
  std::string text = in_line_ ? "\n" : "";
  text += line;
  text += '\n';
  return put(text);
}

bool LineWriter::put(std::string_view text) {
  while (!text.empty()) {
    if (!wait_for_room()) return false;
    // poll(2) promises room for so much in a pipe: more would block until the rest fits.
    const ssize_t count = ::write(fd_, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) {  // somebody made it non-blocking, and took the room
      stalled_ = true;
      return false;
    }
    if (count <= 0) return true;
    stalled_ = false;
    text.remove_prefix(static_cast<std::size_t>(count));
    in_line_ = !text.empty();
  }
  return true;
}

bool LineWriter::wait_for_room() {
  pollfd state{fd_, POLLOUT, 0};
  const auto give_up_at = std::chrono::steady_clock::now() + patience();
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(give_up_at - std::chrono::steady_clock::now());
    const int timeout = static_cast<int>(std::max<std::int64_t>(left.count(), 0));
    const int result = ::poll(&state, 1, timeout);
    if (result < 0 && errno == EINTR) continue;
    if (result != 0) return true;  // also when the descriptor is bad: write(2) says so
    stalled_ = true;
    return false;
  }
}

std::chrono::milliseconds LineWriter::patience() {
  using std::chrono::milliseconds;
  if (stalled_) return milliseconds(0);
  if (!hurried_.load(std::memory_order_relaxed)) return kPatience;
  const auto now = std::chrono::steady_clock::now();
  if (give_up_at_ == std::chrono::steady_clock::time_point{}) give_up_at_ = now + kPatience;
  return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(give_up_at_ - now));
}

}  // namespace netd
