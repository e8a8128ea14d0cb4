#include "ctl/clients/load_pattern.h"

#include <string>

namespace netd::ctl {

namespace {

constexpr std::size_t kPeriod = 65521;

const std::string& pattern() {
  static const std::string text = [] {
    std::string made(kPeriod + kLoadChunk, '\0');
    std::uint32_t state = 2463534242;
    for (std::size_t i = 0; i < made.size(); ++i) {
      state ^= state << 13;  // Marsaglia's xorshift
      state ^= state >> 17;
      state ^= state << 5;
      made[i] = i < kPeriod ? static_cast<char>(state) : made[i - kPeriod];
    }
    return made;
  }();
  return text;
}

}  // namespace

const char* load_pattern(std::uint64_t at) { return pattern().data() + at % kPeriod; }

}  // namespace netd::ctl
