#include "daemon/protocols/smtp/address.h"

#include <utility>

#include "daemon/base/endpoint.h"
#include "daemon/base/text.h"

namespace netd::smtp {

namespace {

constexpr bool is_beyond_ascii(char c) { return static_cast<unsigned char>(c) >= 0x80; }

/// RFC 5322, section 3.2.3, and RFC 6531, section 3.3.
constexpr bool is_atext(char c) {
  if (is_ascii_alpha(c) || is_ascii_digit(c) || is_beyond_ascii(c)) return true;
  return std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}

/// What may stand in quotes as it is: qtextSMTP (RFC 5321, section 4.1.2).
constexpr bool is_quoted_text(char c) {
  return is_beyond_ascii(c) || (c >= ' ' && c <= '~' && c != '"' && c != '\\');
}

constexpr bool is_label_character(char c) {
  return is_ascii_alpha(c) || is_ascii_digit(c) || c == '-' || c == '_' || is_beyond_ascii(c);
}

bool is_label(std::string_view label) {
  if (label.empty() || label.size() > kMaxLabel) return false;
  if (label.front() == '-' || label.back() == '-') return false;
  for (const char c : label) {
    if (!is_label_character(c)) return false;
  }
  return true;
}

bool is_dot_string(std::string_view text) {
  bool atom_is_empty = true;
  for (const char c : text) {
    if (c == '.') {
      if (atom_is_empty) return false;
      atom_is_empty = true;
    } else if (is_atext(c)) {
      atom_is_empty = false;
    } else {
      return false;
    }
  }
  return !atom_is_empty;
}

/// Takes the address apart from left to right; `text_` is what is still to be read.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  [[nodiscard]] std::string_view rest() const { return text_; }
  [[nodiscard]] bool at_end() const { return text_.empty(); }
  bool skip(char c) {
    if (!text_.starts_with(c)) return false;
    text_.remove_prefix(1);
    return true;
  }
  void skip_spaces() {
    while (skip(' ') || skip('\t')) {
    }
  }

  /// "@a,@b:" in front of a mailbox; nothing is kept of it.
  bool source_route() {
    if (!text_.starts_with('@')) return true;
    do {
      std::string ignored;
      if (!skip('@') || !domain(ignored)) return false;
    } while (skip(','));
    return skip(':');
  }

  bool mailbox(Address& address) {
    return local_part(address.local) && skip('@') && domain(address.domain);
  }

  bool local_part(std::string& local) {
    if (skip('"')) return quoted_string(local);
    std::size_t length = 0;
    while (length < text_.size() && (is_atext(text_[length]) || text_[length] == '.')) ++length;
    local = text_.substr(0, length);
    text_.remove_prefix(length);
    return is_dot_string(local);
  }

 private:
  bool quoted_string(std::string& local) {
    while (!text_.empty()) {
      char c = text_.front();
      text_.remove_prefix(1);
      if (c == '"') return true;
      if (c == '\\') {
        if (text_.empty()) return false;
        c = text_.front();
        if (c < ' ' || c > '~') return false;  // quoted-pairSMTP
        text_.remove_prefix(1);
      } else if (!is_quoted_text(c)) {
        return false;
      }
      local += c;
    }
    return false;
  }

  bool domain(std::string& domain) {
    std::size_t length = 0;
    if (text_.starts_with('[')) {
      length = text_.find(']');
      if (length == std::string_view::npos) return false;
      ++length;
      if (!is_address_literal(text_.substr(0, length))) return false;
    } else {
      while (length < text_.size() && (is_label_character(text_[length]) || text_[length] == '.')) {
        ++length;
      }
      if (!is_domain(text_.substr(0, length))) return false;
    }
    domain = text_.substr(0, length);
    text_.remove_prefix(length);
    return true;
  }

  std::string_view text_;
};

bool has_beyond_ascii(std::string_view text) {
  for (const char c : text) {
    if (is_beyond_ascii(c)) return true;
  }
  return false;
}

/// What holds for the address as a whole.
bool settle(Address& address) {
  address.utf8 = has_beyond_ascii(address.local) || has_beyond_ascii(address.domain);
  return !address.utf8 || (is_utf8(address.local) && is_utf8(address.domain));
}

/// The address itself, inside of the brackets or without any.
bool parse_inner(Parser& parser, PathKind kind, Address& address) {
  if (!parser.source_route()) return false;
  constexpr std::string_view kPostmaster = "postmaster";
  if (kind == PathKind::forward &&
      iequals(parser.rest().substr(0, kPostmaster.size()), kPostmaster)) {
    Parser ahead(parser.rest().substr(kPostmaster.size()));
    if (ahead.at_end() || ahead.rest().starts_with('>') || ahead.rest().starts_with(' ')) {
      address.local = kPostmaster;
      parser = ahead;
      return true;
    }
  }
  return parser.mailbox(address);
}

}  // namespace

std::string Address::text() const {
  if (null) return {};
  std::string result;
  if (is_dot_string(local)) {
    result = local;
  } else {
    result = '"';
    for (const char c : local) {
      if (c == '"' || c == '\\') result += '\\';
      result += c;
    }
    result += '"';
  }
  if (!domain.empty()) {
    result += '@';
    result += domain;
  }
  return result;
}

std::expected<ParsedPath, AddressError> parse_path(std::string_view text, PathKind kind) {
  Parser parser(text);
  parser.skip_spaces();
  const std::size_t before = parser.rest().size();
  const bool bracketed = parser.skip('<');
  ParsedPath parsed;
  Address& address = parsed.address;
  if (bracketed && kind == PathKind::reverse && parser.skip('>')) {
    address.null = true;
  } else {
    if (!parse_inner(parser, kind, address)) return std::unexpected(AddressError::syntax);
    if (bracketed && !parser.skip('>')) return std::unexpected(AddressError::syntax);
  }
  const std::size_t brackets = bracketed ? 0 : 2;
  if (before - parser.rest().size() + brackets > kMaxPath) {
    return std::unexpected(AddressError::too_long);
  }
  if (!parser.at_end() && !parser.skip(' ') && !parser.skip('\t')) {
    return std::unexpected(AddressError::syntax);
  }
  if (!settle(address)) return std::unexpected(AddressError::syntax);
  parser.skip_spaces();
  parsed.rest = parser.rest();
  return parsed;
}

std::expected<Address, AddressError> parse_mailbox(std::string_view text) {
  if (text.size() + 2 > kMaxPath) return std::unexpected(AddressError::too_long);
  Parser parser(text);
  Address address;
  if (!parser.mailbox(address) || !parser.at_end() || !settle(address)) {
    return std::unexpected(AddressError::syntax);
  }
  return address;
}

bool is_domain(std::string_view text) {
  if (text.empty() || text.size() > kMaxDomain) return false;
  while (true) {
    const std::size_t dot = text.find('.');
    if (!is_label(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

bool is_address_literal(std::string_view text) {
  if (!text.starts_with('[') || !text.ends_with(']')) return false;
  text = text.substr(1, text.size() - 2);
  constexpr std::string_view kIpv6 = "IPv6:";
  const bool ipv6 = iequals(text.substr(0, kIpv6.size()), kIpv6);
  if (ipv6) text.remove_prefix(kIpv6.size());
  for (const char c : text) {
    const char lower = ascii_lower(c);
    if (!is_ascii_digit(c) && (lower < 'a' || lower > 'f') && c != '.' && c != ':') return false;
  }
  // A colon tells the two families apart; a tag that is neither is registered for nobody.
  const bool has_colon = text.find(':') != std::string_view::npos;
  return ipv6 == has_colon && IpBytes::parse(text).has_value();
}

}  // namespace netd::smtp
