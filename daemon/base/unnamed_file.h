// Files that have no name until they are complete (O_TMPFILE, open(2)): whatever happens before,
// they leave nothing behind. Blocking; any thread.
#pragma once

#include <sys/types.h>

#include <string>

#include "daemon/base/unique_fd.h"

namespace netd {

/// Opens a new file in `folder` that has no name. `access` is O_WRONLY or O_RDWR; `mode` is less
/// the umask. None, and errno: see has_no_unnamed().
[[nodiscard]] UniqueFd open_unnamed(const std::string& folder, int access, mode_t mode);

/// Whether this error of open_unnamed() says that there are no such files here: the file system
/// has none, or the process has no way to give them names, and files have to have one from the
/// start.
[[nodiscard]] bool has_no_unnamed(int error);

/// Gives a file of open_unnamed() a name, the first or another, without replacing anything
/// (linkat(2)); 0 or errno.
[[nodiscard]] int link_unnamed(int file, const std::string& to);

}  // namespace netd
