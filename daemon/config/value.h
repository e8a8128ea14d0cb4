// Single values against their rows.
#pragma once

#include <string>
#include <string_view>

#include "daemon/base/error.h"
#include "daemon/config/schema.h"

namespace netd::config {

/// Whether the row takes the value. The error starts with "expected".
[[nodiscard]] Result<void> check_value(const SettingRow& row, std::string_view text);

/// What the row takes, for people: "a duration such as 250ms, 30s, 5min or 2h, from 1s to 1h".
[[nodiscard]] std::string expectation(const SettingRow& row);

}  // namespace netd::config
