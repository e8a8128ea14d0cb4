#pragma once

#include <string>
#include <vector>

namespace netd::ctl {

/// All of netctl. Returns the exit status.
[[nodiscard]] int run(int argc, const char* const* argv);

/// What netctl can be told to do, as it is typed: "status", "task add"...; in alphabetical order.
[[nodiscard]] std::vector<std::string> all_commands();

/// "unknown command ..., did you mean ...?" when the words do not begin with a command; else empty.
[[nodiscard]] std::string unknown_command(const std::vector<std::string>& words);

}  // namespace netd::ctl
