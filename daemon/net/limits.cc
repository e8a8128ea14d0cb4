#include "daemon/net/limits.h"

#include <functional>
#include <string_view>

namespace netd {

std::size_t PerClientLimit::Hash::operator()(const IpBytes& address) const {
  return std::hash<std::string_view>()(
      std::string_view(reinterpret_cast<const char*>(address.bytes), sizeof address.bytes));
}

bool PerClientLimit::take(const IpBytes& client) {
  const std::lock_guard lock(mutex_);
  std::uint64_t& taken = taken_[client];
  if (taken < maximum_) {
    ++taken;
    return true;
  }
  if (taken == 0) taken_.erase(client);
  return false;
}

void PerClientLimit::give_back(const IpBytes& client) {
  const std::lock_guard lock(mutex_);
  const auto found = taken_.find(client);
  if (found != taken_.end() && --found->second == 0) taken_.erase(found);
}

void PerClientLimit::set_maximum(std::uint64_t maximum) {
  const std::lock_guard lock(mutex_);
  maximum_ = maximum;
}

}  // namespace netd
