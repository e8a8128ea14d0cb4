#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <unordered_map>

#include "daemon/base/endpoint.h"

namespace netd {

/// A bound on a number of things that several threads take and give back. Asked at accept and at
/// close only, never for bytes.
class SharedLimit {
 public:
  explicit SharedLimit(std::uint64_t maximum) : maximum_(maximum) {}

  [[nodiscard]] bool take() {
    if (taken_.fetch_add(1, std::memory_order_relaxed) < maximum_.load(std::memory_order_relaxed)) {
      return true;
    }
    give_back();
    return false;
  }
  void give_back() { taken_.fetch_sub(1, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t taken() const { return taken_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t maximum() const { return maximum_.load(std::memory_order_relaxed); }
  /// Takes effect for what is taken from now on.
  void set_maximum(std::uint64_t maximum) { maximum_.store(maximum, std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> taken_{0};
  std::atomic<std::uint64_t> maximum_;
};

/// The same for each client address. Holds an entry only for addresses that have something taken,
/// so it is bounded by the limit on connections.
class PerClientLimit {
 public:
  explicit PerClientLimit(std::uint64_t maximum) : maximum_(maximum) {}

  [[nodiscard]] bool take(const IpBytes& client);
  void give_back(const IpBytes& client);
  void set_maximum(std::uint64_t maximum);

 private:
  struct Hash {
    std::size_t operator()(const IpBytes& address) const;
  };

  std::mutex mutex_;  // guards all below
  std::uint64_t maximum_;
  std::unordered_map<IpBytes, std::uint64_t, Hash> taken_;
};

}  // namespace netd
