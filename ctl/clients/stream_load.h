// Streams that send and receive as fast as they go, and what they moved.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ctl/clients/dial.h"

namespace netd::ctl {

enum class LoadMode : std::uint8_t {
  echo,     ///< send, and check that the same comes back
  send,     ///< to a service that reads
  receive,  ///< from a service that writes
};

struct LoadFigures {
  std::uint64_t sent = 0;  ///< bytes that the peer's system has acknowledged
  std::uint64_t received = 0;
  double send_seconds = 0;  ///< from the first byte to the last
  double receive_seconds = 0;
  std::vector<double> rates;  ///< bytes per second, both ways together, of equal parts of the time
  bool verified = false;      ///< LoadMode::echo: all that was sent came back, unchanged
  std::optional<ClientError> error;

  [[nodiscard]] double send_rate() const { return rate(sent, send_seconds); }
  [[nodiscard]] double receive_rate() const { return rate(received, receive_seconds); }

 private:
  static double rate(std::uint64_t bytes, double seconds) {
    return seconds > 0 ? static_cast<double>(bytes) / seconds : 0;
  }
};

/// Told from time to time how it goes, in bytes per second. False ends the load early.
using LoadListener = std::function<bool(double rate)>;

/// Connects `streams` times and loads them for `time`; `patience` is for connecting, and for a peer
/// that stops.
[[nodiscard]] LoadFigures run_load(const Endpoint& target, LoadMode mode, std::size_t streams,
                                   milliseconds time, milliseconds patience,
                                   const LoadListener& listener);

}  // namespace netd::ctl
