#include "daemon/protocols/smtp/client_limits.h"

#include <chrono>
#include <cstring>
#include <functional>
#include <string_view>

namespace netd::smtp {

namespace {

constexpr std::chrono::minutes kWindow{1};

IpBytes customer(IpBytes address) {
  if (!address.is_v4()) std::memset(address.bytes + 8, 0, 8);
  return address;
}

}  // namespace

std::size_t ClientLimits::Hash::operator()(const IpBytes& address) const {
  std::array<char, sizeof address.bytes> bytes{};
  std::memcpy(bytes.data(), address.bytes, bytes.size());
  return std::hash<std::string_view>()(std::string_view(bytes.data(), bytes.size()));
}

bool ClientLimits::admit_connection(const IpBytes& client, Monotonic now) {
  if (options_.connections == 0) return true;
  const std::lock_guard lock(mutex_);
  Count* count = find(client, now);
  return count == nullptr || ++count->connections <= options_.connections;
}

bool ClientLimits::admit_message(const IpBytes& client, Monotonic now) {
  if (options_.messages == 0) return true;
  const std::lock_guard lock(mutex_);
  Count* count = find(client, now);
  return count == nullptr || ++count->messages <= options_.messages;
}

ClientLimits::Count* ClientLimits::find(const IpBytes& client, Monotonic now) {
  const IpBytes key = customer(client);
  auto found = counts_.find(key);
  if (found == counts_.end()) {
    if (counts_.size() >= kMaxClients) {
      if (now < next_purge_) return nullptr;
      next_purge_ = now + std::chrono::seconds(1);
      std::erase_if(counts_,
                    [&](const auto& entry) { return entry.second.since + kWindow <= now; });
      if (counts_.size() >= kMaxClients) return nullptr;
    }
    found = counts_.emplace(key, Count{now, 0, 0}).first;
  } else if (found->second.since + kWindow <= now) {
    found->second = Count{now, 0, 0};
  }
  return &found->second;
}

}  // namespace netd::smtp
