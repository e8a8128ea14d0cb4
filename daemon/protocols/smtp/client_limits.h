// How many connections and messages a client address may have in a minute.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "daemon/base/clock.h"
#include "daemon/base/endpoint.h"

namespace netd::smtp {

/// Counts in windows of one minute. Any thread; only asked when a limit is set. An IPv6 client is
/// its /64: that is what one customer has.
class ClientLimits {
 public:
  struct Options {
    std::uint64_t connections = 0;  ///< a minute; 0: no limit
    std::uint64_t messages = 0;     ///< the same

    friend bool operator==(const Options&, const Options&) = default;
  };
  explicit ClientLimits(const Options& options) : options_(options) {}

  [[nodiscard]] const Options& options() const { return options_; }
  /// Counts one, and says whether it is within the limit.
  [[nodiscard]] bool admit_connection(const IpBytes& client, Monotonic now);
  [[nodiscard]] bool admit_message(const IpBytes& client, Monotonic now);

  /// Clients that are remembered; beyond that, those whose minute is over are forgotten, and when
  /// none is, newcomers are not counted.
  static constexpr std::size_t kMaxClients = 65'536;

 private:
  struct Count {
    Monotonic since;
    std::uint64_t connections = 0;
    std::uint64_t messages = 0;
  };
  struct Hash {
    std::size_t operator()(const IpBytes& address) const;
  };
  Count* find(const IpBytes& client, Monotonic now);

  const Options options_;
  std::mutex mutex_;  // guards counts_
  std::unordered_map<IpBytes, Count, Hash> counts_;
  Monotonic next_purge_;
};

}  // namespace netd::smtp
