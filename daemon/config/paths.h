// Whether paths of the configuration can be used, as far as looking tells. Nothing is made, opened
// or changed; who starts netd may still be refused what these checks allow.
//
// Below /run/netd and /var/lib/netd only what is in the way counts: systemd makes those folders
// when it starts netd, and gives them to netd's user, who is not the one that runs `netd --check`.
//
// Errors start with "expected".
#pragma once

#include <string>

#include "daemon/base/error.h"

namespace netd::config {

/// For a unix socket to be made: the folder is there and can be written to, and at the path is
/// nothing or a socket.
[[nodiscard]] Result<void> check_socket_place(const std::string& path);
/// The same for a FIFO.
[[nodiscard]] Result<void> check_fifo_place(const std::string& path);
/// For a file to be made or appended to.
[[nodiscard]] Result<void> check_file_place(const std::string& path);
/// For a folder that netd writes to: it is there, or can be made in the folder above.
[[nodiscard]] Result<void> check_folder_place(const std::string& path);
/// For a folder that netd reads: it is there and can be searched.
[[nodiscard]] Result<void> check_readable_folder(const std::string& path);

}  // namespace netd::config
