// From sections to the structs of settings.h. The sections have passed all checks; a value that was
// refused is its default, and the struct is thrown away in the end.
#pragma once

#include "daemon/config/loader.h"
#include "daemon/config/schema.h"
#include "daemon/config/settings.h"

namespace netd::config {

[[nodiscard]] NetdSettings make_netd(Section section, const Environment& environment);
[[nodiscard]] ControlSettings make_control(Section section);
[[nodiscard]] TaskSettings make_tasks(Section section);
[[nodiscard]] ListenerSettings make_listener(Section section);
[[nodiscard]] ServiceSettings make_service(Section section);

}  // namespace netd::config
