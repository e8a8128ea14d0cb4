// Mail addresses as SMTP commands carry them (RFC 5321, section 4.1.2; RFC 6531, section 3.3).
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace netd::smtp {

/// A path with its brackets (RFC 5321, section 4.5.3.1.3).
inline constexpr std::size_t kMaxPath = 256;
/// RFC 5321, section 4.5.3.1.2.
inline constexpr std::size_t kMaxDomain = 255;
inline constexpr std::size_t kMaxLabel = 63;

/// A mailbox, the null reverse-path `<>` (both parts empty), or `<Postmaster>` (no domain).
struct Address {
  std::string local;   ///< without quotes and backslashes
  std::string domain;  ///< as it was written; a literal keeps its brackets
  bool null = false;
  bool utf8 = false;  ///< has characters beyond ASCII: needs SMTPUTF8

  /// local@domain, with quotes where the local part needs them; empty for the null path.
  [[nodiscard]] std::string text() const;
  [[nodiscard]] bool is_literal() const { return domain.starts_with('['); }

  friend bool operator==(const Address&, const Address&) = default;
};

enum class AddressError : std::uint8_t { syntax, too_long };

/// An address and what follows it in the command line.
struct ParsedPath {
  Address address;
  std::string_view rest;  ///< the parameters, without the spaces in front
};

enum class PathKind : std::uint8_t {
  reverse,  ///< of MAIL: may be null
  forward,  ///< of RCPT: may be Postmaster without a domain
};

/// Reads what follows "FROM:" or "TO:". A source route is read and dropped (RFC 5321, appendix C).
/// People who type by hand may leave the brackets out, and put spaces after the colon.
[[nodiscard]] std::expected<ParsedPath, AddressError> parse_path(std::string_view text,
                                                                 PathKind kind);

/// A mailbox alone: user@example.org, "a b"@[192.0.2.1].
[[nodiscard]] std::expected<Address, AddressError> parse_mailbox(std::string_view text);

/// A domain name or an address literal. Underscores pass: container hosts are named with them.
[[nodiscard]] bool is_domain(std::string_view text);
[[nodiscard]] bool is_address_literal(std::string_view text);

}  // namespace netd::smtp
