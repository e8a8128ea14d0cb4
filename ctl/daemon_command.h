// Commands that are one request and one answer.
#pragma once

#include <vector>

#include "ctl/context.h"
#include "daemon/control/command_words.h"

namespace netd::ctl {

/// Sends the request that the words stand for and prints the answer. Returns the exit status.
[[nodiscard]] int run_daemon_command(const control::CommandWords& command,
                                     const std::vector<control::GivenArgument>& given,
                                     const Context& context);

}  // namespace netd::ctl
