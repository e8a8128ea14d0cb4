// Feeds every file below the given folders to a fuzz target once, in name order. An empty or
// missing folder is a failure: a corpus that got lost would pass for ever.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

std::vector<std::filesystem::path> files_below(const char* folder) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, error)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

bool replay(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
  if (!stream) {
    (void)std::fprintf(stderr, "%s: cannot be read\n", path.c_str());
    return false;
  }
  // Named before the call: when the target crashes, the last line says on what.
  (void)std::fprintf(stderr, "%s\n", path.c_str());
  // A copy of exactly this size, so that a sanitizer sees one byte read too far.
  const std::vector<std::uint8_t> exact(bytes.begin(), bytes.end());
  return LLVMFuzzerTestOneInput(exact.data(), exact.size()) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t fed = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& path : files_below(argv[i])) {
      if (!replay(path)) return 1;
      ++fed;
    }
  }
  (void)std::fprintf(stderr, "%zu inputs\n", fed);
  return fed == 0 ? 1 : 0;
}
