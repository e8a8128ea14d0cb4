// Two listeners on one address.
#pragma once

#include <vector>

#include "daemon/config/mistakes.h"
#include "daemon/config/schema.h"

namespace netd::config {

inline constexpr std::size_t kMaxAddresses = 1024;

/// Whether two sockets could not both have what they ask for. netd binds with SO_REUSEPORT, so the
/// kernel would not refuse the second but share connections out, or starve one: it is up to us.
[[nodiscard]] bool overlap(const Endpoint& a, const Endpoint& b);

/// Reports every `listen` value of the sections that asks for the address of an earlier one, or
/// for a path of `control`.
void check_addresses(const Section& control, const std::vector<Section>& listeners,
                     MistakeList& mistakes);

}  // namespace netd::config
