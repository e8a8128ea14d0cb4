#include "ctl/input.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "daemon/base/unique_fd.h"

namespace netd::ctl {

Result<std::string> read_input(const std::string& path) {
  const bool standard = path == "-";
  UniqueFd file(standard ? -1 : ::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!standard && !file) return fail_system("open " + path, errno);
  const int fd = standard ? STDIN_FILENO : file.get();
  std::string all;
  std::array<char, 65536> room{};
  for (;;) {
    const ssize_t count = ::read(fd, room.data(), room.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_system("read " + path, errno);
    if (count == 0) return all;
    all.append(room.data(), static_cast<std::size_t>(count));
  }
}

}  // namespace netd::ctl
