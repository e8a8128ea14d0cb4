// One measurement of a round trip, again and again.
#pragma once

#include <memory>
#include <string>

#include "ctl/clients/dial.h"

namespace netd::ctl {

enum class ProbeKind : std::uint8_t { connect, echo, udp, http };

[[nodiscard]] std::string_view probe_name(ProbeKind kind);

struct ProbeTarget {
  ProbeKind kind = ProbeKind::connect;
  std::string text;   ///< as it was given
  Endpoint endpoint;  ///< unless http
};

/// A URL is HTTP; otherwise tcp:, echo: and udp: before the address choose the kind, else
/// `otherwise`.
[[nodiscard]] Result<ProbeTarget> parse_probe_target(std::string_view text, ProbeKind otherwise);

class Probe {
 public:
  virtual ~Probe() = default;
  /// The time of one round trip in milliseconds: of a connection from SYN to SYN ACK, of an echo
  /// from the first byte sent to the last received, of a request to the last byte of its answer.
  /// Looking up the name and, but for ProbeKind::connect, connecting do not count.
  [[nodiscard]] virtual ClientResult<double> measure(milliseconds timeout) = 0;
};

/// `size` is of the echo's messages, at least 16 bytes.
[[nodiscard]] std::unique_ptr<Probe> make_probe(const ProbeTarget& target, std::size_t size);

}  // namespace netd::ctl
