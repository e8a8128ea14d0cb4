// The bytes that a load sends, so that what comes back can be checked.
#pragma once

#include <cstddef>
#include <cstdint>

namespace netd::ctl {

/// So many bytes may be read from where load_pattern() points.
inline constexpr std::size_t kLoadChunk = std::size_t{128} << 10;

/// The endless pattern from its byte `at` on. Its period is a prime: bytes that were lost, doubled
/// or swapped do not fit again by chance of their place.
[[nodiscard]] const char* load_pattern(std::uint64_t at);

}  // namespace netd::ctl
