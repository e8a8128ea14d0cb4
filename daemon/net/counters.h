#pragma once

#include <atomic>
#include <cstdint>

namespace netd {

/// A number that one thread changes and any thread reads. Cheaper than fetch_add: no bus lock.
class Counter {
 public:
  void add(std::uint64_t n) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void sub(std::uint64_t n) {
    value_.store(value_.load(std::memory_order_relaxed) - n, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// What one worker counts of one listener. On a cache line of its own: another worker counts
/// beside it.
struct alignas(64) TrafficCounters {
  Counter active;
  Counter accepted;
  Counter refused;  ///< by an access list or a limit
  Counter errors;   ///< connections that broke, datagrams that were not answered on purpose
  Counter bytes_in;
  Counter bytes_out;
};

/// The sum over workers.
struct TrafficTotals {
  std::uint64_t active = 0;
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;
  std::uint64_t errors = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;

  void add(const TrafficCounters& one) {
    active += one.active.get();
    accepted += one.accepted.get();
    refused += one.refused.get();
    errors += one.errors.get();
    bytes_in += one.bytes_in.get();
    bytes_out += one.bytes_out.get();
  }
};

}  // namespace netd
