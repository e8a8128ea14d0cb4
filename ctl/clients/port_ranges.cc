#include "ctl/clients/port_ranges.h"

#include <arpa/inet.h>
#include <netdb.h>

#include <algorithm>
#include <array>
#include <optional>

#include "daemon/base/text.h"

namespace netd::ctl {

namespace {

std::optional<std::uint16_t> port_of(std::string_view text, const char* protocol) {
  if (const auto number = parse_decimal(text)) {
    if (*number < 1 || *number > 65535) return std::nullopt;
    return static_cast<std::uint16_t>(*number);
  }
  servent entry{};
  servent* found = nullptr;
  std::array<char, 4096> buffer{};
  const std::string name(text);
  if (text.empty() ||
      ::getservbyname_r(name.c_str(), protocol, &entry, buffer.data(), buffer.size(), &found) !=
          0 ||
      found == nullptr) {
    return std::nullopt;
  }
  return ntohs(static_cast<std::uint16_t>(entry.s_port));
}

bool add_part(std::string_view part, const char* protocol, std::vector<std::uint16_t>& ports) {
  if (const auto one = port_of(part, protocol)) {  // first: names of services may have a dash
    ports.push_back(*one);
    return true;
  }
  const auto dash = part.find('-');
  if (dash == std::string_view::npos) return false;
  const std::string_view low = part.substr(0, dash);
  const std::string_view high = part.substr(dash + 1);
  const auto first = low.empty() ? std::optional<std::uint16_t>(1) : port_of(low, protocol);
  const auto last = high.empty() ? std::optional<std::uint16_t>(65535) : port_of(high, protocol);
  if (!first || !last || *first > *last) return false;
  for (unsigned port = *first; port <= *last; ++port) {
    ports.push_back(static_cast<std::uint16_t>(port));
  }
  return true;
}

}  // namespace

Result<std::vector<std::uint16_t>> parse_ports(const std::vector<std::string>& words,
                                               const char* protocol) {
  std::vector<std::uint16_t> ports;
  for (const auto& word : words) {
    for (const auto part : split(word, ',')) {
      if (!add_part(trim(part), protocol, ports)) {
        return fail("expected ports such as 22, http or 8000-8010, found \"" + printable(part, 40) +
                    "\"");
      }
    }
  }
  std::ranges::sort(ports);
  const auto twice = std::ranges::unique(ports);
  ports.erase(twice.begin(), twice.end());
  if (ports.empty()) return fail("expected at least one port");
  return ports;
}

std::string service_name(std::uint16_t port, const char* protocol) {
  servent entry{};
  servent* found = nullptr;
  std::array<char, 4096> buffer{};
  if (::getservbyport_r(htons(port), protocol, &entry, buffer.data(), buffer.size(), &found) != 0 ||
      found == nullptr) {
    return {};
  }
  return entry.s_name;
}

}  // namespace netd::ctl
