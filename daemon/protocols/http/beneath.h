// Files below a folder, and none outside of it.
#pragma once

#include <string>
#include <string_view>

namespace netd::http {

/// Opens `path`, which is relative, beneath the folder `root`, wherever symbolic links in it point:
/// what would leave the folder fails with EXDEV. `flags` are those of open(2); O_CLOEXEC is added.
/// -1 with errno on failure. Any thread.
[[nodiscard]] int open_beneath(int root, const std::string& path, int flags);

/// The same, one part of the path after the other. For where openat2(2) is refused: a unit with
/// RestrictSUIDSGID= (systemd.exec(5)) has none, as a filter of system calls cannot look into it.
[[nodiscard]] int open_beneath_by_parts(int root, std::string_view path, int flags);

}  // namespace netd::http
