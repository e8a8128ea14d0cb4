#include <grp.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <thread>
#include <vector>

#include "daemon/base/text.h"
#include "daemon/config/loader.h"

namespace netd::config {

namespace {

std::string system_hostname() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return {};
  return name.data();
}

unsigned usable_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  // More CPUs than the set has room for: then the count of all is near enough.
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return std::thread::hardware_concurrency();
  return static_cast<unsigned>(CPU_COUNT(&set));
}

bool system_group_exists(const std::string& name_or_number) {
  if (parse_decimal(name_or_number)) return true;
  group entry{};
  group* result = nullptr;
  std::vector<char> buffer(std::size_t{1} << 16);
  return ::getgrnam_r(name_or_number.c_str(), &entry, buffer.data(), buffer.size(), &result) == 0 &&
         result != nullptr;
}

}  // namespace

Environment Environment::system() {
  return {
      .variable = [](const std::string& name) -> std::optional<std::string> {
        // Nothing in netd changes its environment.
        const char* const value = ::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe)
        if (value == nullptr) return std::nullopt;
        return value;
      },
      .hostname = system_hostname,
      .processors = usable_processors,
      .group_exists = system_group_exists,
  };
}

}  // namespace netd::config
