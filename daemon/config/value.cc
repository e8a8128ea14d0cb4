#include "daemon/config/value.h"

#include <limits>
#include <optional>

#include "daemon/base/endpoint.h"
#include "daemon/base/text.h"
#include "daemon/config/mistakes.h"

namespace netd::config {

namespace {

constexpr auto kNoMaximum = std::numeric_limits<std::uint64_t>::max();
// PATH_MAX less the terminating zero.
constexpr std::size_t kMaxPath = 4095;

std::string in_kind(const SettingRow& row, std::uint64_t number) {
  if (row.kind == ValueKind::duration) {
    return format_duration(std::chrono::milliseconds(number));
  }
  return row.kind == ValueKind::size ? format_size(number) : std::to_string(number);
}

std::string range(const SettingRow& row) {
  // An example before it needs the comma.
  const std::string_view comma = row.kind == ValueKind::integer ? "" : ",";
  if (row.maximum == kNoMaximum) {
    return row.minimum == 0 ? "" : std::string(comma) + " at least " + in_kind(row, row.minimum);
  }
  return std::string(comma) + " from " + in_kind(row, row.minimum) + " to " +
         in_kind(row, row.maximum);
}

std::optional<std::uint64_t> number(const SettingRow& row, std::string_view text) {
  if (row.kind == ValueKind::integer) return parse_decimal(text);
  if (row.kind == ValueKind::size) return parse_size(text);
  const auto duration = parse_duration(text);
  if (!duration) return std::nullopt;
  return static_cast<std::uint64_t>(duration->count());
}

Result<void> check_number(const SettingRow& row, std::string_view text) {
  const auto value = number(row, text);
  if (value && *value >= row.minimum && *value <= row.maximum) return {};
  return fail("expected " + expectation(row));
}

Result<void> check_choice(const SettingRow& row, std::string_view text) {
  for (const std::string_view choice : row.choices) {
    if (choice == text) return {};
  }
  return fail("expected " + expectation(row));
}

Result<void> check_path(const SettingRow& row, std::string_view text) {
  if (text.starts_with('/') && text.size() <= kMaxPath) return {};
  return fail("expected " + expectation(row));
}

Result<void> check_endpoint(std::string_view text) {
  const auto endpoint = Endpoint::parse(text);
  if (!endpoint) return std::unexpected(endpoint.error());
  if (endpoint->transport == Transport::unix_stream && !endpoint->name.starts_with('/')) {
    return fail("expected an absolute path after unix:");
  }
  return {};
}

Result<void> check_kind(const SettingRow& row, std::string_view text) {
  switch (row.kind) {
    case ValueKind::text:
      return {};
    case ValueKind::integer:
    case ValueKind::duration:
    case ValueKind::size:
      return check_number(row, text);
    case ValueKind::boolean:
      if (text == "yes" || text == "no") return {};
      return fail("expected " + expectation(row));
    case ValueKind::choice:
      return check_choice(row, text);
    case ValueKind::path:
      return check_path(row, text);
    case ValueKind::endpoint:
      return check_endpoint(text);
    case ValueKind::network: {
      const auto network = IpNetwork::parse(text);
      if (!network) return std::unexpected(network.error());
      return {};
    }
  }
  return {};
}

}  // namespace

Result<void> check_value(const SettingRow& row, std::string_view text) {
  if (text.empty()) return fail("expected " + expectation(row));
  auto result = check_kind(row, text);
  if (result && row.check != nullptr) result = row.check(text);
  if (!result && !result.error().what().starts_with("expected")) {
    return fail("expected " + expectation(row) + ": " + result.error().what());
  }
  return result;
}

std::string expectation(const SettingRow& row) {
  switch (row.kind) {
    case ValueKind::text:
      return row.help.empty() ? "a value" : "a value: " + std::string(row.help);
    case ValueKind::integer:
      return "a number" + range(row);
    case ValueKind::boolean:
      return "yes or no";
    case ValueKind::duration:
      return "a duration such as 250ms, 30s, 5min or 2h" + range(row);
    case ValueKind::size:
      return "a size such as 512, 64K, 10M or 1G" + range(row);
    case ValueKind::choice:
      return join_or({row.choices.begin(), row.choices.end()});
    case ValueKind::path:
      return "an absolute path";
    case ValueKind::endpoint:
      return "tcp:HOST:PORT, udp:HOST:PORT, unix:PATH or fd:NAME";
    case ValueKind::network:
      return "an IPv4 or IPv6 address, or a network such as 10.0.0.0/8";
  }
  return "a value";
}

}  // namespace netd::config
