#include "daemon/tasks/store_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "daemon/base/unique_fd.h"

namespace netd::tasks {

Result<void> sync_folder(const std::string& folder) {
  const UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0) return fail_system("sync " + folder, errno);
  return {};
}

Result<void> check_write_ahead_log(const std::string& database) {
  // https://www.sqlite.org/fileformat2.html#the_write_ahead_log: the last bit tells the order of
  // bytes in its sums.
  constexpr std::array<unsigned char, 4> kMagic{0x37, 0x7f, 0x06, 0x82};
  const std::string path = database + "-wal";
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && errno == ENOENT) return {};
  std::array<unsigned char, 4> magic{};
  const ssize_t got = fd ? ::pread(fd.get(), magic.data(), magic.size(), 0) : -1;
  if (got < 0) return fail_system("read " + path, errno);
  if (static_cast<std::size_t>(got) < magic.size() || magic == decltype(magic){}) return {};
  magic.back() &= 0xfeU;
  if (magic == kMagic) return {};
  return fail("damaged: " + path + " is not its write-ahead log");
}

StoreError store_error(const Error& error) {
  const bool full = error.code() == ENOSPC || error.code() == EDQUOT;
  return {full ? StoreError::Kind::full : StoreError::Kind::io, error.what()};
}

}  // namespace netd::tasks
