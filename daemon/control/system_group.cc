#include "daemon/control/system_group.h"

#include <grp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "daemon/base/text.h"

namespace netd::control {

std::optional<gid_t> find_group(const std::string& name_or_number) {
  group entry{};
  group* found = nullptr;
  std::vector<char> buffer(16384);
  while (::getgrnam_r(name_or_number.c_str(), &entry, buffer.data(), buffer.size(), &found) ==
             ERANGE &&
         buffer.size() < (std::size_t{1} << 20)) {
    buffer.resize(buffer.size() * 2);  // a group of very many members
  }
  if (found != nullptr) return entry.gr_gid;
  const auto number = parse_decimal(name_or_number);
  if (number && *number < static_cast<gid_t>(-1)) return static_cast<gid_t>(*number);
  return std::nullopt;
}

bool may_give_to(gid_t group) {
  if (::geteuid() == 0 || ::getegid() == group) return true;
  std::vector<gid_t> own(static_cast<std::size_t>(std::max(::getgroups(0, nullptr), 0)));
  const int count = ::getgroups(static_cast<int>(own.size()), own.data());
  own.resize(static_cast<std::size_t>(std::max(count, 0)));
  return std::ranges::find(own, group) != own.end();
}

}  // namespace netd::control
