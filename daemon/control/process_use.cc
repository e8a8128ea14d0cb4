#include "daemon/control/process_use.h"

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

namespace netd::control {

ProcessUse process_use() {
  ProcessUse use;
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) == 0) {
    const auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    use.cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  }
  std::uint64_t pages = 0;
  std::uint64_t resident = 0;
  std::ifstream statm("/proc/self/statm");
  if (statm >> pages >> resident) {
    use.memory_bytes = resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  }
  return use;
}

}  // namespace netd::control
