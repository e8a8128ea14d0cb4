// Ctrl-C ends a measurement, and what was measured is still shown.
#pragma once

#include "ctl/waiting.h"

namespace netd::ctl {

/// From now on the first SIGINT or SIGTERM is only noted; the next one ends netctl.
void note_interrupts();
[[nodiscard]] bool interrupted();
/// Until then, or until interrupted.
void sleep_unless_interrupted(Moment until);

}  // namespace netd::ctl
