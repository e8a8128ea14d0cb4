#pragma once

#include <chrono>
#include <string_view>

#include "daemon/base/error.h"

namespace netd::ctl {

/// "1.5" (seconds) or "250ms", "30s", "5min".
[[nodiscard]] Result<std::chrono::milliseconds> parse_seconds(std::string_view text);

}  // namespace netd::ctl
