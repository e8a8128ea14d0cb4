#include "daemon/tasks/room_reserve.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <utility>

namespace netd::tasks {

namespace {

/// It grows in steps: asking for more is not for every commit.
constexpr std::uint64_t kReserveStep = 1U << 20U;
constexpr std::chrono::milliseconds kAskAgain{500};

}  // namespace

RoomReserve::RoomReserve(std::string path)
    : path_(std::move(path)), fd_(::open(path_.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW)) {
  struct ::stat status{};
  if (!fd_ || ::fstat(fd_.get(), &status) != 0) return;
  // A copy of the folder may have brought a file of holes, which keeps nothing.
  const auto allocated = static_cast<std::uint64_t>(status.st_blocks) * S_BLKSIZE;
  if (allocated >= static_cast<std::uint64_t>(status.st_size)) {
    size_ = static_cast<std::uint64_t>(status.st_size);
  }
}

bool RoomReserve::ensure(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (size_ >= bytes) return true;
  const Monotonic now = std::chrono::steady_clock::now();
  if (refused_ != 0 && bytes >= refused_ && now < refused_at_ + kAskAgain) return !disk_is_full_;
  const std::uint64_t rounded = (bytes + kReserveStep - 1) / kReserveStep * kReserveStep;
  int error = grow_to(rounded);
  if (error != 0 && rounded != bytes) error = grow_to(bytes);
  refused_ = error == 0 ? 0 : bytes;
  refused_at_ = now;
  disk_is_full_ = error == ENOSPC || error == EDQUOT;
  return !disk_is_full_;
}

/// 0 or an errno.
int RoomReserve::grow_to(std::uint64_t bytes) {
  if (!fd_) {
    fd_.reset(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd_) return errno;
  }
  const int error = ::posix_fallocate(fd_.get(), 0, static_cast<off_t>(bytes));
  if (error == 0) {
    size_ = bytes;
  } else {
    // What was found of it is of no use here.
    (void)!::ftruncate(fd_.get(), static_cast<off_t>(size_));
  }
  return error;
}

void RoomReserve::release() {
  const std::lock_guard lock(mutex_);
  if (size_ == 0 || ::ftruncate(fd_.get(), 0) != 0) return;
  size_ = 0;
  refused_ = 0;
}

std::uint64_t RoomReserve::size() const {
  const std::lock_guard lock(mutex_);
  return size_;
}

}  // namespace netd::tasks
