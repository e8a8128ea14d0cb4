// How an operation on a non-blocking socket went.
#pragma once

#include <cstddef>
#include <cstdint>

namespace netd {

struct IoResult {
  enum class Outcome : std::uint8_t { done, would_block, ended, failed };
  Outcome outcome = Outcome::done;
  std::size_t count = 0;  ///< bytes moved, when done
  int error = 0;          ///< errno, when failed
};

}  // namespace netd
