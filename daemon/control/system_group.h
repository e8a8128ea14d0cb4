#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace netd::control {

/// The group that may steer, by name or number; nothing when this system does not know it.
[[nodiscard]] std::optional<gid_t> find_group(const std::string& name_or_number);

/// Whether this process may give its files to the group (chown(2)).
[[nodiscard]] bool may_give_to(gid_t group);

}  // namespace netd::control
