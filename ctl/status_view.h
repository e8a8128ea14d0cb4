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

[[nodiscard]] Table listener_table(const OrderedJson& answer);

}  // namespace netd::ctl
