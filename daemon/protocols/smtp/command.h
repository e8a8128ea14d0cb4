// SMTP command lines and their parameters (RFC 5321, section 4.1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>

namespace netd::smtp {

enum class Verb : std::uint8_t {
  helo,
  ehlo,
  mail,
  rcpt,
  data,
  bdat,
  rset,
  noop,
  quit,
  vrfy,
  expn,
  help,
  starttls,
  not_implemented,  ///< a command that SMTP has and this server has not
  unknown,
};

/// Views into the line.
struct Command {
  Verb verb = Verb::unknown;
  std::string_view argument;  ///< after the verb, without spaces at its ends
};

/// `line` comes without its line end. Verbs are read in any case.
[[nodiscard]] Command parse_command(std::string_view line);

/// Whether the line has octets that no command may have: controls other than a tab.
[[nodiscard]] bool has_control_characters(std::string_view line);

/// What follows `keyword` and a colon ("FROM:"), or nothing when that is not there.
[[nodiscard]] std::optional<std::string_view> after_keyword(std::string_view argument,
                                                            std::string_view keyword);

/// The reasons for which parameters are refused.
enum class ParameterError : std::uint8_t {
  syntax,           ///< 501: not KEYWORD[=value], a value that cannot be, one given twice
  unknown,          ///< 555: a parameter that this server does not know
  not_implemented,  ///< 504: a value that the standards know and this server does not
};

enum class Body : std::uint8_t { seven_bit, eight_bit_mime };
enum class Return : std::uint8_t { unspecified, full, headers };

/// Of MAIL. Views into the line.
struct MailParameters {
  /// RFC 1870; a number too large for 64 bits is the largest.
  std::optional<std::uint64_t> size;
  Body body = Body::seven_bit;            ///< RFC 6152
  bool smtputf8 = false;                  ///< RFC 6531
  Return ret = Return::unspecified;       ///< RFC 3461, section 4.3
  std::optional<std::string_view> envid;  ///< RFC 3461, section 4.4: xtext
};

/// Of RCPT. Views into the line.
struct RcptParameters {
  std::optional<std::string_view> notify;  ///< RFC 3461, section 4.1
  std::optional<std::string_view> orcpt;   ///< RFC 3461, section 4.2: type;xtext
  bool utf8 = false;                       ///< it has what takes SMTPUTF8 (RFC 6533, section 3)
};

[[nodiscard]] std::expected<MailParameters, ParameterError> parse_mail_parameters(
    std::string_view text);
[[nodiscard]] std::expected<RcptParameters, ParameterError> parse_rcpt_parameters(
    std::string_view text);

/// Of BDAT (RFC 3030, section 2).
struct Chunk {
  std::uint64_t size = 0;
  bool last = false;
};
[[nodiscard]] std::optional<Chunk> parse_chunk(std::string_view argument);

}  // namespace netd::smtp
