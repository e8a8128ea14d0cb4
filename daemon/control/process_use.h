#pragma once

#include <cstdint>

namespace netd::control {

/// What the process as a whole uses; zeros where the system does not tell.
struct ProcessUse {
  double cpu_seconds = 0;          ///< user and system, since the start
  std::uint64_t memory_bytes = 0;  ///< resident now
};

[[nodiscard]] ProcessUse process_use();

}  // namespace netd::control
