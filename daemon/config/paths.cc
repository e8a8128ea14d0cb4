#include "daemon/config/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string_view>

namespace netd::config {

namespace {

bool made_by_systemd(std::string_view path) {
  return path.starts_with("/run/netd/") || path.starts_with("/var/lib/netd/");
}

std::string parent_of(const std::string& path) {
  auto end = path.find_last_not_of('/');
  end = path.find_last_of('/', end);
  if (end == std::string::npos || end == 0) return "/";
  return path.substr(0, end);
}

/// errno of the question, or 0; with the effective user, as open(2) asks.
int denied(const std::string& path, int mode) {
  return ::faccessat(AT_FDCWD, path.c_str(), mode, AT_EACCESS) == 0 ? 0 : errno;
}

std::unexpected<Error> unusable(std::string_view wanted, const std::string& path, int code) {
  return fail("expected " + system_error(std::string(wanted) + " (" + path, code).what() + ")",
              code);
}

Result<void> check_parent(const std::string& path, std::string_view wanted) {
  const std::string parent = parent_of(path);
  struct stat status{};
  int code = ::stat(parent.c_str(), &status) == 0 ? 0 : errno;
  if (code == 0 && !S_ISDIR(status.st_mode)) code = ENOTDIR;
  if (made_by_systemd(path) && code != ENOTDIR && code != ELOOP) return {};
  if (code == 0) code = denied(parent, W_OK | X_OK);
  if (code != 0) return unusable(wanted, parent, code);
  return {};
}

/// Nothing at `path`, or a file of `type` (S_IFMT); and a parent that can be written to.
Result<void> check_place(const std::string& path, mode_t type, std::string_view type_name) {
  struct stat status{};
  if (::stat(path.c_str(), &status) == 0 && (status.st_mode & S_IFMT) != type) {
    return fail("expected a path of nothing or of " + std::string(type_name) +
                ": something else is there");
  }
  return check_parent(path, "a path in a folder that can be written to");
}

}  // namespace

Result<void> check_socket_place(const std::string& path) {
  return check_place(path, S_IFSOCK, "a socket");
}

Result<void> check_fifo_place(const std::string& path) {
  return check_place(path, S_IFIFO, "a FIFO");
}

Result<void> check_file_place(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) {
    return check_parent(path, "a file in a folder that can be written to");
  }
  if (S_ISDIR(status.st_mode)) return unusable("a file that can be written to", path, EISDIR);
  const int code = denied(path, W_OK);
  if (code != 0 && !made_by_systemd(path)) {
    return unusable("a file that can be written to", path, code);
  }
  return {};
}

Result<void> check_folder_place(const std::string& path) {
  constexpr std::string_view kWanted = "a folder that can be written to";
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return check_parent(path, "a folder, or one in which it can be made");
    if (made_by_systemd(path) && errno == EACCES) return {};
    return unusable(kWanted, path, errno);
  }
  if (!S_ISDIR(status.st_mode)) return unusable(kWanted, path, ENOTDIR);
  const int code = denied(path, W_OK | X_OK);
  if (code != 0 && !made_by_systemd(path)) return unusable(kWanted, path, code);
  return {};
}

Result<void> check_readable_folder(const std::string& path) {
  constexpr std::string_view kWanted = "a folder that can be read";
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return unusable(kWanted, path, errno);
  if (!S_ISDIR(status.st_mode)) return unusable(kWanted, path, ENOTDIR);
  const int code = denied(path, R_OK | X_OK);
  if (code != 0) return unusable(kWanted, path, code);
  return {};
}

}  // namespace netd::config
