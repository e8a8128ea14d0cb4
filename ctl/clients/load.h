// Streams and datagrams that go as fast as they can, and what they moved.
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

/// What became of datagrams. `lost` did not come back in time; `reordered` came behind one that was
/// sent later (RFC 4737, section 3); `duplicated` are those that came once more.
struct DatagramFigures {
  std::size_t size = 0;  ///< of each, bytes
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  std::uint64_t reordered = 0;
  std::uint64_t duplicated = 0;

  [[nodiscard]] std::uint64_t lost() const { return sent - received; }
  [[nodiscard]] double loss_percent() const {
    return sent > 0 ? 100.0 * static_cast<double>(lost()) / static_cast<double>(sent) : 0;
  }
};

struct LoadFigures {
  std::uint64_t sent = 0;  ///< bytes; of a stream those that the peer's system has acknowledged
  std::uint64_t received = 0;
  double send_seconds = 0;  ///< from the first byte to the last
  double receive_seconds = 0;
  std::vector<double> rates;  ///< bytes per second, both ways together, of equal parts of the time
  bool verified = false;      ///< LoadMode::echo: all that was sent came back, unchanged; of
                              ///< datagrams: all that came back
  std::optional<DatagramFigures> datagrams;
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

struct DatagramLoad {
  std::size_t streams = 1;
  std::size_t size = 1400;      ///< bytes of each datagram, kLeastDatagram to 65507
  double bytes_per_second = 0;  ///< over all streams; zero: as fast as they come back
  milliseconds time{0};
  milliseconds patience{0};  ///< for the name, and for the last datagrams; zero: a second
};
/// A datagram holds its number.
inline constexpr std::size_t kLeastDatagram = 16;

/// Sends datagrams to an echo service over udp. Without a rate few are under way at a time, so that
/// they fill no buffer on the way; with one they leave at that pace, whatever comes back.
[[nodiscard]] LoadFigures run_datagrams(const Endpoint& target, const DatagramLoad& load,
                                        const LoadListener& listener);

}  // namespace netd::ctl
