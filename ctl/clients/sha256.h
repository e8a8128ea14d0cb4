// SHA-256 (FIPS 180-4), the checksum that `netctl connect` tells of a file.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace netd::ctl {

class Sha256 {
 public:
  void add(std::string_view data);
  /// 64 hexadecimal digits, as sha256sum(1) prints them. Nothing may be added afterwards.
  [[nodiscard]] std::string hex();

 private:
  static constexpr std::size_t kBlock = 64;
  void compress(const unsigned char* block);

  std::array<std::uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, kBlock> held_{};
  std::size_t held_size_ = 0;
  std::uint64_t length_ = 0;  // bytes
};

}  // namespace netd::ctl
