// What the user names to be read whole.
#pragma once

#include <string>

#include "daemon/base/error.h"

namespace netd::ctl {

/// All of a file; "-" is standard input. The error names the file.
[[nodiscard]] Result<std::string> read_input(const std::string& path);

}  // namespace netd::ctl
