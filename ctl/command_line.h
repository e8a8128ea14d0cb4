#pragma once

#include <string>
#include <vector>

namespace netd::ctl {

/// All of netctl. Returns the exit status.
[[nodiscard]] int run(int argc, const char* const* argv);

/// What netctl can be told to do, as it is typed: "status", "task add"...; in alphabetical order.
[[nodiscard]] std::vector<std::string> all_commands();

/// What is wrong with the words behind "netctl", as far as that shows before they are acted on;
/// empty: nothing.
[[nodiscard]] std::string command_line_mistake(const std::vector<std::string>& words);

}  // namespace netd::ctl
