// What changed between two answers to `stats`.
#pragma once

#include <string>

#include "ctl/json_access.h"
#include "ctl/table.h"

namespace netd::ctl {

/// Rates a second; without a `before` the averages since the daemon's start.
[[nodiscard]] std::string render_rates(const OrderedJson& before, const OrderedJson& now,
                                       const Terminal& terminal);

}  // namespace netd::ctl
