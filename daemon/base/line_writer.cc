#include "daemon/base/line_writer.h"

#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

namespace netd {

namespace {

/// poll(2) promises room for so much in a pipe: more would block until the rest fits. It ends with
/// a line where it can, as nothing that others write at the same time comes between its bytes.
std::string_view first_piece(std::string_view text) {
  if (text.size() <= PIPE_BUF) return text;
  const std::size_t end = text.rfind('\n', PIPE_BUF - 1);
  return text.substr(0, end == std::string_view::npos ? PIPE_BUF : end + 1);
}

bool is_no_room(int error) {
  return error == ENOSPC || error == EDQUOT || error == EFBIG || error == EIO;
}

}  // namespace

bool LineWriter::write(std::string_view line) {
  std::string text = in_line_ ? "\n" : "";
  text += line;
  text += '\n';
  return put(text) == text.size();
}

std::size_t LineWriter::write_lines(std::string_view lines) {
  if (in_line_ && put("\n") == 0) return 0;
  return put(lines);
}

/// Returns how much of it was written, or need not be.
std::size_t LineWriter::put(std::string_view text) {
  std::size_t done = 0;
  error_ = 0;
  while (done < text.size()) {
    if (!wait_for_room()) break;
    const std::string_view piece = first_piece(text.substr(done));
    const ssize_t count = ::write(fd_, piece.data(), piece.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) {  // somebody made it non-blocking, and took the room
      stalled_ = true;
      break;
    }
    if (count < 0 && is_no_room(errno)) {
      error_ = errno;
      break;
    }
    if (count <= 0) return text.size();
    stalled_ = false;
    done += static_cast<std::size_t>(count);
    in_line_ = text[done - 1] != '\n';
  }
  return done;
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
