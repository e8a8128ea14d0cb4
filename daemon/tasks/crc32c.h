// CRC-32C (Castagnoli, RFC 3720 appendix B.4): finds every burst of damage up to 32 bits, and the
// torn writes that a frame of the journal may meet.
#pragma once

#include <cstdint>
#include <string_view>

namespace netd::tasks {

/// Of `bytes` behind what `crc` is the sum of; 0 begins.
[[nodiscard]] std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc = 0);

}  // namespace netd::tasks
