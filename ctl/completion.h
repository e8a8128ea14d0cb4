// What may stand in a place of the command line, for the shells' completion.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ctl/context.h"

namespace netd::ctl {

/// The values for an argument by its name in the help ("QUEUE", "--listener"), those of the running
/// daemon included; none when it cannot be reached. `command`: whose argument, as "task show".
[[nodiscard]] std::vector<std::string> values_of(std::string_view argument,
                                                 std::string_view command, const Context& context);

/// Those that begin with `prefix`, one a line, in order.
[[nodiscard]] std::string completion_lines(std::vector<std::string> candidates,
                                           std::string_view prefix);

}  // namespace netd::ctl
