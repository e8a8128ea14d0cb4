#include "daemon/protocols/smtp/command.h"

#include <algorithm>
#include <array>
#include <limits>

#include "daemon/base/text.h"

namespace netd::smtp {

namespace {

struct VerbRow {
  std::string_view name;
  Verb verb;
};

// RFC 5321 section 4.1.1, the commands that it retires (appendix F), and those of extensions that
// this server does not offer: a client that sends one hears that the command is right and absent.
constexpr std::array<VerbRow, 22> kVerbs = {{
    {"MAIL", Verb::mail},
    {"RCPT", Verb::rcpt},
    {"DATA", Verb::data},
    {"BDAT", Verb::bdat},
    {"EHLO", Verb::ehlo},
    {"HELO", Verb::helo},
    {"QUIT", Verb::quit},
    {"RSET", Verb::rset},
    {"NOOP", Verb::noop},
    {"VRFY", Verb::vrfy},
    {"EXPN", Verb::expn},
    {"HELP", Verb::help},
    {"STARTTLS", Verb::starttls},
    {"AUTH", Verb::not_implemented},
    {"ETRN", Verb::not_implemented},
    {"ATRN", Verb::not_implemented},
    {"BURL", Verb::not_implemented},
    {"TURN", Verb::not_implemented},
    {"SEND", Verb::not_implemented},
    {"SOML", Verb::not_implemented},
    {"SAML", Verb::not_implemented},
    {"LHLO", Verb::not_implemented},
}};

constexpr std::size_t kMaxEnvid = 100;      // RFC 3461, section 4.4
constexpr std::size_t kMaxOrcpt = 500;      // RFC 3461, section 4.2
constexpr std::size_t kMaxSizeDigits = 20;  // RFC 1870, section 4

constexpr bool is_blank(char c) { return c == ' ' || c == '\t'; }

struct Parameter {
  std::string_view keyword;
  std::optional<std::string_view> value;
};

bool is_keyword(std::string_view text) {
  if (text.empty() || text.front() == '-') return false;
  for (const char c : text) {
    if (!is_ascii_alpha(c) && !is_ascii_digit(c) && c != '-') return false;
  }
  return true;
}

/// esmtp-value: no space, no control and no "=" (RFC 5321, section 4.1.2; RFC 6531, section 3.3).
bool is_value(std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= ' ' || byte == '=' || byte == 0x7F) return false;
  }
  return !text.empty();
}

constexpr bool is_xtext_digit(char c) { return is_ascii_digit(c) || (c >= 'A' && c <= 'F'); }

/// RFC 3461, section 4: "+" introduces two upper-case hexadecimal digits.
bool is_xtext(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c < '!' || c > '~' || c == '=') return false;
    if (c != '+') continue;
    if (i + 2 >= text.size() || !is_xtext_digit(text[i + 1]) || !is_xtext_digit(text[i + 2]))
      return false;
    i += 2;
  }
  return true;
}

/// Takes the next parameter off `text`; false at the end.
bool next_parameter(std::string_view& text, Parameter& parameter) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  if (text.empty()) return false;
  std::size_t length = 0;
  while (length < text.size() && !is_blank(text[length])) ++length;
  const std::string_view word = text.substr(0, length);
  text.remove_prefix(length);
  const std::size_t equals = word.find('=');
  parameter.keyword = word.substr(0, equals);
  parameter.value.reset();
  if (equals != std::string_view::npos) parameter.value = word.substr(equals + 1);
  return true;
}

using Outcome = std::optional<ParameterError>;

Outcome take_size(const Parameter& parameter, MailParameters& parameters) {
  const std::string_view digits = parameter.value.value_or("");
  if (parameters.size || digits.empty() || digits.size() > kMaxSizeDigits) {
    return ParameterError::syntax;
  }
  for (const char c : digits) {
    if (!is_ascii_digit(c)) return ParameterError::syntax;
  }
  parameters.size = parse_decimal(digits).value_or(std::numeric_limits<std::uint64_t>::max());
  return {};
}

Outcome take_body(const Parameter& parameter, bool given_before, MailParameters& parameters) {
  const std::string_view value = parameter.value.value_or("");
  if (given_before) return ParameterError::syntax;
  if (iequals(value, "7BIT")) {
    parameters.body = Body::seven_bit;
  } else if (iequals(value, "8BITMIME")) {
    parameters.body = Body::eight_bit_mime;
  } else {
    return iequals(value, "BINARYMIME") ? ParameterError::not_implemented : ParameterError::syntax;
  }
  return {};
}

Outcome take_ret(const Parameter& parameter, MailParameters& parameters) {
  const std::string_view value = parameter.value.value_or("");
  if (parameters.ret != Return::unspecified) return ParameterError::syntax;
  if (iequals(value, "FULL")) {
    parameters.ret = Return::full;
  } else if (iequals(value, "HDRS")) {
    parameters.ret = Return::headers;
  } else {
    return ParameterError::syntax;
  }
  return {};
}

/// NEVER alone, or a list of the others, each once (RFC 3461, section 4.1).
bool is_notify(std::string_view value) {
  if (iequals(value, "NEVER")) return true;
  constexpr std::array<std::string_view, 3> kEvents = {"SUCCESS", "FAILURE", "DELAY"};
  std::array<bool, 3> seen{};
  for (const std::string_view word : split(value, ',')) {
    bool known = false;
    for (std::size_t i = 0; i < kEvents.size(); ++i) {
      if (!iequals(word, kEvents[i])) continue;
      if (seen[i]) return false;
      known = seen[i] = true;
    }
    if (!known) return false;
  }
  return true;
}

/// Takes "x{HEX}" off `text`: a character that is not written as itself (RFC 6533, section 3,
/// EmbeddedUnicodeChar), and behind a backslash.
bool take_embedded(std::string_view& text) {
  constexpr std::string_view kOpening = "x{";
  constexpr std::size_t kMaxDigits = 6;
  if (!text.starts_with(kOpening)) return false;
  const std::size_t end = text.find('}');
  if (end == std::string_view::npos) return false;
  const std::string_view digits = text.substr(kOpening.size(), end - kOpening.size());
  if (digits.size() < 2 || digits.size() > kMaxDigits) return false;
  std::uint32_t code = 0;
  for (const char c : digits) {
    if (!is_xtext_digit(c)) return false;
    code = code * 16 + static_cast<std::uint32_t>(is_ascii_digit(c) ? c - '0' : c - 'A' + 10);
  }
  // Each in one way only: without zeros in front, and nothing that can be written as itself.
  if (digits.size() > 2 && digits.front() == '0') return false;
  constexpr std::string_view kNotThemselves = "+=\\\x7F";
  const bool ascii = code < 0x80;
  if (ascii && code > ' ' && !kNotThemselves.contains(static_cast<char>(code))) return false;
  if (code == 0 || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return false;
  text.remove_prefix(end + 1);
  return true;
}

/// utf-8-addr-xtext, utf-8-addr-unitext (RFC 6533, section 3).
bool is_utf8_address(std::string_view text) {
  if (!is_utf8(text)) return false;
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    if (c == '+' || c == '=') return false;
    if (c == '\\' && !take_embedded(text)) return false;
  }
  return true;
}

/// addr-type ";" xtext. With SMTPUTF8 the address may be UTF-8 (RFC 6533, section 3).
bool is_orcpt(std::string_view value) {
  if (value.size() > kMaxOrcpt) return false;
  const std::size_t semicolon = value.find(';');
  if (semicolon == std::string_view::npos || !is_keyword(value.substr(0, semicolon))) return false;
  const std::string_view address = value.substr(semicolon + 1);
  if (address.empty()) return false;
  if (iequals(value.substr(0, semicolon), "utf-8")) return is_utf8_address(address);
  return is_xtext(address);
}

}  // namespace

Command parse_command(std::string_view line) {
  std::size_t length = 0;
  while (length < line.size() && !is_blank(line[length])) ++length;
  const std::string_view word = line.substr(0, length);
  Command command;
  command.argument = trim(line.substr(length));
  for (const VerbRow& row : kVerbs) {
    if (iequals(word, row.name)) {
      command.verb = row.verb;
      break;
    }
  }
  return command;
}

bool has_control_characters(std::string_view line) {
  for (const char c : line) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < ' ' && c != '\t') || byte == 0x7F) return true;
  }
  return false;
}

std::optional<std::string_view> after_keyword(std::string_view argument, std::string_view keyword) {
  if (argument.size() <= keyword.size() || argument[keyword.size()] != ':') return {};
  if (!iequals(argument.substr(0, keyword.size()), keyword)) return {};
  return argument.substr(keyword.size() + 1);
}

std::expected<MailParameters, ParameterError> parse_mail_parameters(std::string_view text) {
  MailParameters parameters;
  bool has_body = false;
  Parameter parameter;
  while (next_parameter(text, parameter)) {
    if (!is_keyword(parameter.keyword) || (parameter.value && !is_value(*parameter.value))) {
      return std::unexpected(ParameterError::syntax);
    }
    Outcome refused;
    if (iequals(parameter.keyword, "SIZE")) {
      refused = take_size(parameter, parameters);
    } else if (iequals(parameter.keyword, "BODY")) {
      refused = take_body(parameter, has_body, parameters);
      has_body = true;
    } else if (iequals(parameter.keyword, "SMTPUTF8")) {
      if (parameter.value || parameters.smtputf8) refused = ParameterError::syntax;
      parameters.smtputf8 = true;
    } else if (iequals(parameter.keyword, "RET")) {
      refused = take_ret(parameter, parameters);
    } else if (iequals(parameter.keyword, "ENVID")) {
      if (parameters.envid || !parameter.value || parameter.value->size() > kMaxEnvid ||
          !is_xtext(*parameter.value)) {
        refused = ParameterError::syntax;
      }
      parameters.envid = parameter.value;
    } else {
      refused = ParameterError::unknown;
    }
    if (refused) return std::unexpected(*refused);
  }
  return parameters;
}

std::expected<RcptParameters, ParameterError> parse_rcpt_parameters(std::string_view text) {
  RcptParameters parameters;
  Parameter parameter;
  while (next_parameter(text, parameter)) {
    if (!is_keyword(parameter.keyword) || (parameter.value && !is_value(*parameter.value))) {
      return std::unexpected(ParameterError::syntax);
    }
    if (iequals(parameter.keyword, "NOTIFY")) {
      if (parameters.notify || !parameter.value || !is_notify(*parameter.value)) {
        return std::unexpected(ParameterError::syntax);
      }
      parameters.notify = parameter.value;
    } else if (iequals(parameter.keyword, "ORCPT")) {
      if (parameters.orcpt || !parameter.value || !is_orcpt(*parameter.value)) {
        return std::unexpected(ParameterError::syntax);
      }
      parameters.orcpt = parameter.value;
      parameters.utf8 = std::ranges::any_of(
          *parameter.value, [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
    } else {
      return std::unexpected(ParameterError::unknown);
    }
  }
  return parameters;
}

std::optional<Chunk> parse_chunk(std::string_view argument) {
  const std::size_t space = argument.find_first_of(" \t");
  const std::optional<std::uint64_t> size = parse_decimal(argument.substr(0, space));
  if (!size) return {};
  Chunk chunk{*size, false};
  if (space == std::string_view::npos) return chunk;
  if (!iequals(trim(argument.substr(space)), "LAST")) return {};
  chunk.last = true;
  return chunk;
}

}  // namespace netd::smtp
