// `netctl status`: one screen, and what is wrong comes first. For .cc files only.
#pragma once

#include <string>
#include <vector>

#include "ctl/json_access.h"
#include "ctl/table.h"

namespace netd::ctl {

[[nodiscard]] std::string render_status(const OrderedJson& status, const Terminal& terminal);

/// Whatever in a status a person should look at, the worst first.
[[nodiscard]] std::vector<std::string> problems_of(const OrderedJson& status);

/// The listeners of an answer that has them. On a terminal that is not wide enough for their
/// addresses these stand below each, one a line.
[[nodiscard]] std::string render_listeners(const OrderedJson& answer, const Terminal& terminal);

}  // namespace netd::ctl
