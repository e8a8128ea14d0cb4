#include "daemon/control/reply_fifo.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace netd::control {

namespace {

// A reader that stopped reading is asked again, ever more seldom.
constexpr std::chrono::milliseconds kFirstRetry{10};
constexpr std::chrono::milliseconds kLastRetry{500};

}  // namespace

ReplyFifo::ReplyFifo(Dispatcher& dispatcher, std::string path)
    : path_(std::move(path)), retry_(dispatcher, [this] { send(); }), retry_delay_(kFirstRetry) {}

/// Fails with ENXIO as long as nobody reads (fifo(7)). Kept open while somebody does, so that one
/// reader sees the answers of many commands.
bool ReplyFifo::open() {
  if (fd_) return true;
  if (path_.empty()) return false;
  UniqueFd fd(::open(path_.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
  struct stat status{};
  if (!fd || ::fstat(fd.get(), &status) != 0 || !S_ISFIFO(status.st_mode)) return false;
  fd_ = std::move(fd);
  return true;
}

bool ReplyFifo::has_reader() {
  if (!open()) return false;
  pollfd state{fd_.get(), POLLOUT, 0};
  if (::poll(&state, 1, 0) == 1 && (state.revents & POLLERR) != 0) {
    close();  // the last reader has gone
    return open();
  }
  return true;
}

bool ReplyFifo::write(std::string_view line) {
  if (!has_reader()) return false;
  if (!pending_.empty() && pending_.size() + line.size() > kMaxPending) return false;
  pending_ += line;
  if (!retry_.armed()) send();
  return true;
}

void ReplyFifo::send() {
  while (!pending_.empty()) {
    const ssize_t count = ::write(fd_.get(), pending_.data(), pending_.size());
    if (count > 0) {
      pending_.erase(0, static_cast<std::size_t>(count));
      retry_delay_ = kFirstRetry;
    } else if (count < 0 && errno == EAGAIN) {
      retry_.arm(retry_delay_);
      retry_delay_ = std::min(retry_delay_ * 2, kLastRetry);
      return;
    } else if (count == 0 || errno != EINTR) {
      close();
      return;
    }
  }
}

/// What the last reader has not read is not for the next.
void ReplyFifo::close() {
  fd_.reset();
  pending_.clear();
  retry_.cancel();
  retry_delay_ = kFirstRetry;
}

}  // namespace netd::control
