// Addresses as configuration writes them, without any system call.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/base/error.h"

namespace netd {

enum class Transport : std::uint8_t { tcp, udp, unix_stream, inherited };

/// One `listen =` or `target =` value: tcp:HOST:PORT, udp:HOST:PORT, unix:PATH or fd:NAME.
struct Endpoint {
  Transport transport = Transport::tcp;
  std::string host;        ///< tcp, udp: an IPv4 or IPv6 literal without brackets, a name, or "*"
  std::uint16_t port = 0;  ///< tcp, udp: 0 lets the kernel choose
  std::string name;        ///< unix: the path; fd: the descriptor's name

  /// Reads the written form. IPv6 literals stand in brackets.
  [[nodiscard]] static Result<Endpoint> parse(std::string_view text);

  /// The written form, the same that parse() reads.
  [[nodiscard]] std::string text() const;

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

/// An address of 16 bytes: IPv4 as IPv4-mapped IPv6 (RFC 4291, section 2.5.5.2), so that one
/// comparison serves both.
struct IpBytes {
  unsigned char bytes[16] = {};

  [[nodiscard]] static std::optional<IpBytes> parse(std::string_view literal);
  [[nodiscard]] static IpBytes from_v4(const void* four_bytes);
  [[nodiscard]] static IpBytes from_v6(const void* sixteen_bytes);
  [[nodiscard]] bool is_v4() const;

  friend bool operator==(const IpBytes&, const IpBytes&) = default;
};

/// A network in CIDR form ("127.0.0.0/8", "::1", "10.1.2.3").
class IpNetwork {
 public:
  /// Bits beyond the prefix must be zero, so that a typing error does not widen a rule.
  [[nodiscard]] static Result<IpNetwork> parse(std::string_view text);
  [[nodiscard]] bool contains(const IpBytes& address) const;

 private:
  IpBytes network_;
  unsigned prefix_ = 0;  // 0 to 128, counted on the mapped form
};

}  // namespace netd
