// Ids of which some may be there, in memory that does not grow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace netd::tasks {

/// One bit for each hash: what was added may be there; others may be taken for it, more of them the
/// more were added.
class IdFilter {
 public:
  void add(std::string_view id) {
    if (bits_.empty()) bits_.resize(kBits / kWord);
    const std::size_t bit = bit_of(id);
    bits_[bit / kWord] |= std::uint64_t{1} << (bit % kWord);
  }
  [[nodiscard]] bool may_have(std::string_view id) const {
    if (bits_.empty()) return false;
    const std::size_t bit = bit_of(id);
    return ((bits_[bit / kWord] >> (bit % kWord)) & 1U) != 0;
  }

 private:
  static constexpr std::size_t kBits = std::size_t{1} << 20U;  // 128 KiB, with the first id
  static constexpr std::size_t kWord = 64;

  static std::size_t bit_of(std::string_view id) {
    return std::hash<std::string_view>{}(id) % kBits;
  }

  std::vector<std::uint64_t> bits_;
};

}  // namespace netd::tasks
