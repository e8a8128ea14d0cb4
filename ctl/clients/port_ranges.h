#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/base/error.h"

namespace netd::ctl {

/// "22", "8000-8010", "http", "22,80,8000-8010", "-" (all), in any number of words; without
/// doubles, in ascending order. `protocol` is "tcp" or "udp": whose services are named.
[[nodiscard]] Result<std::vector<std::uint16_t>> parse_ports(const std::vector<std::string>& words,
                                                             const char* protocol);

/// The name of a service (getservbyport(3)); empty when it has none.
[[nodiscard]] std::string service_name(std::uint16_t port, const char* protocol);

}  // namespace netd::ctl
