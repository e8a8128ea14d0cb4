#include "daemon/protocols/http/beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "daemon/base/unique_fd.h"

namespace netd::http {

namespace {

int failed(int error) {
  errno = error;
  return -1;
}

/// Where a symbolic link leads; nothing where `name` is none.
std::optional<std::string> read_link(int folder, const std::string& name) {
  std::array<char, PATH_MAX> target{};
  const ssize_t size = ::readlinkat(folder, name.c_str(), target.data(), target.size());
  if (size < 0) return std::nullopt;
  return std::string(target.data(), static_cast<std::size_t>(size));
}

/// Links are followed here and never by the kernel, and `..` goes to the folder that was come from:
/// nothing that is renamed meanwhile leads outside.
class Walk {
 public:
  Walk(int root, std::string_view path, int flags)
      : root_(root), rest_(path), flags_(flags | O_CLOEXEC) {}

  int run() {
    if (rest_.starts_with('/')) return failed(EXDEV);
    for (;;) {
      if (rest_.size() >= PATH_MAX) return failed(ENAMETOOLONG);
      const auto end = rest_.find('/');
      const bool last = end == std::string::npos;
      const std::string name = rest_.substr(0, end);
      rest_.erase(0, last ? end : end + 1);
      if (name == "..") {
        if (folders_.empty()) return failed(EXDEV);
        folders_.pop_back();
      }
      if (name.empty() || name == "." || name == "..") {
        if (last) return ::openat(here(), ".", flags_);
        continue;
      }
      const int fd = step(name, last);
      if (fd != kFollowed) return fd;
    }
  }

 private:
  static constexpr int kFollowed = -2;
  static constexpr int kMaxLinks = 40;  // the kernel's own: path_resolution(7)

  [[nodiscard]] int here() const { return folders_.empty() ? root_ : folders_.back().get(); }

  /// What is to be opened, -1, or kFollowed when the walk goes on.
  int step(const std::string& name, bool last) {
    const int how = last ? flags_ : O_PATH | O_DIRECTORY | O_CLOEXEC;
    UniqueFd fd(::openat(here(), name.c_str(), how | O_NOFOLLOW));
    const int error = fd ? 0 : errno;
    // O_PATH opens the link itself.
    if (error == ELOOP || error == ENOTDIR || (fd && last && (flags_ & O_PATH) != 0)) {
      if (const auto target = read_link(here(), name)) return follow(*target, last);
    }
    if (!fd) return failed(error);
    if (last) return fd.release();
    folders_.push_back(std::move(fd));
    return kFollowed;
  }

  int follow(const std::string& target, bool last) {
    if (++links_ > kMaxLinks) return failed(ELOOP);
    if (target.starts_with('/')) return failed(EXDEV);
    rest_ = last ? target : target + "/" + rest_;
    return kFollowed;
  }

  int root_;
  std::string rest_;
  int flags_;
  int links_ = 0;
  std::vector<UniqueFd> folders_;  // from the root to where the walk is
};

}  // namespace

int open_beneath_by_parts(int root, std::string_view path, int flags) {
  return Walk(root, path, flags).run();
}

int open_beneath(int root, const std::string& path, int flags) {
  static std::atomic<bool> refused{false};  // for the whole process, and for good
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags) | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  constexpr int kAttempts = 8;
  for (int attempt = 1; !refused.load(std::memory_order_relaxed); ++attempt) {
    const long fd = ::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how);
    if (fd < 0 && errno == ENOSYS) {
      refused.store(true, std::memory_order_relaxed);
      break;
    }
    // EAGAIN: something was renamed while the kernel looked, so it could not be sure.
    if (fd >= 0 || (errno != EAGAIN && errno != EINTR) || attempt == kAttempts) {
      return static_cast<int>(fd);
    }
  }
  return open_beneath_by_parts(root, path, flags);
}

}  // namespace netd::http
