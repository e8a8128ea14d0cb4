#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/base/error.h"

namespace netd::ctl {

/// "22", "8000-8010", "http", "22,80,8000-8010", "-" (all), in any number of words; without
/// doubles, in ascending order.
[[nodiscard]] Result<std::vector<std::uint16_t>> parse_ports(const std::vector<std::string>& words);

/// The name of a TCP service (getservbyport(3)); empty when it has none.
[[nodiscard]] std::string service_name(std::uint16_t port);

}  // namespace netd::ctl
