#include "daemon/base/unnamed_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace netd {

namespace {

/// proc(5): where every process finds its open files, unless it lives without /proc.
constexpr const char* kOpenFiles = "/proc/self/fd";

/// The way that takes no privilege on any kernel leads through /proc, which neither comes nor goes
/// while a process runs.
bool can_be_named() {
  static const bool can = ::access(kOpenFiles, X_OK) == 0;
  return can;
}

}  // namespace

UniqueFd open_unnamed(const std::string& folder, int access, mode_t mode) {
  if (!can_be_named()) {
    errno = EOPNOTSUPP;
    return {};
  }
  return UniqueFd(::open(folder.c_str(), O_TMPFILE | access | O_CLOEXEC, mode));
}

/// EISDIR comes from kernels, and EINVAL from file systems, that do not know the flag (open(2),
/// BUGS).
bool has_no_unnamed(int error) { return error == EOPNOTSUPP || error == EISDIR || error == EINVAL; }

int link_unnamed(int file, const std::string& to) {
  // linkat(2): before Linux 6.10 this took CAP_DAC_READ_SEARCH, and failed with ENOENT like a
  // missing folder does.
  if (::linkat(file, "", AT_FDCWD, to.c_str(), AT_EMPTY_PATH) == 0) return 0;
  if (errno != ENOENT) return errno;
  const std::string from = std::string(kOpenFiles) + '/' + std::to_string(file);
  const int result = ::linkat(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), AT_SYMLINK_FOLLOW);
  return result == 0 ? 0 : errno;
}

}  // namespace netd
