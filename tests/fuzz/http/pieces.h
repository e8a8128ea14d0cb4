// What reads from a connection finds the same however the bytes were cut into reads.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace netd::http {

[[noreturn]] inline void broken(const char* what) {
  (void)std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

/// Offers `input` in a first piece and others of `step` bytes, each in memory of its own, so that a
/// sanitizer sees who looks beyond it; returns what a reader that `make` made has written down.
template <class MakeReader>
std::string read_in_pieces(std::string_view input, MakeReader make, std::size_t first,
                           std::size_t step) {
  auto reader = make();
  std::size_t consumed = 0;
  std::size_t offered = 0;
  while (offered < input.size() && !reader.refused()) {
    offered = std::min(input.size(), offered == 0 ? first : offered + step);
    const std::vector<char> copy(input.begin() + static_cast<std::ptrdiff_t>(consumed),
                                 input.begin() + static_cast<std::ptrdiff_t>(offered));
    consumed += reader.offer({copy.data(), copy.size()});
  }
  return reader.trace();
}

/// Byte by byte, and with every cut in two of what is up to `dense` bytes long, a few of what is
/// longer.
template <class MakeReader>
void check_every_cut(std::string_view input, MakeReader make, std::size_t dense) {
  const std::size_t size = input.size();
  const std::string whole = read_in_pieces(input, make, size, size);
  if (read_in_pieces(input, make, 1, 1) != whole) broken("byte by byte is not the same");
  const std::size_t step = size <= dense ? 1 : size * 8 / dense;
  for (std::size_t cut = step; cut < size; cut += step) {
    if (read_in_pieces(input, make, cut, size) != whole) broken("a cut changes the result");
  }
}

}  // namespace netd::http
