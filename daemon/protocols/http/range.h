// Range requests for bytes (RFC 9110, section 14).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace netd::http {

struct ByteRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;  ///< inclusive
  [[nodiscard]] std::uint64_t length() const { return last - first + 1; }
  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

enum class RangeOutcome : std::uint8_t {
  ignored,        ///< another unit, malformed, or more than a server should do: send the whole
  satisfiable,    ///< `ranges` holds one or more
  unsatisfiable,  ///< 416
};

inline constexpr std::size_t kMaxRanges = 32;

/// Reads a Range field for a representation of `size` bytes. Ranges come out in the order that was
/// asked for; where some overlap or touch they are coalesced and come out in ascending order, so
/// that no byte is sent twice (RFC 9110, section 14.2). More than kMaxRanges, or many that overlap,
/// are ignored as an attack.
[[nodiscard]] RangeOutcome parse_range(std::string_view field, std::uint64_t size,
                                       std::vector<ByteRange>& ranges);

}  // namespace netd::http
