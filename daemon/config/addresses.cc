#include "daemon/config/addresses.h"

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/base/text.h"

namespace netd::config {

namespace {

enum class Family : std::uint8_t { v4, v6, both };

bool is_wildcard(std::string_view host) {
  const auto ip = IpBytes::parse(host);
  return host == "*" || (ip && (*ip == IpBytes{} || *ip == *IpBytes::parse("0.0.0.0")));
}

Family family_of(std::string_view host) {
  const auto ip = IpBytes::parse(host);
  if (!ip) return Family::both;
  // Written with a colon it binds an IPv6 socket, even as ::ffff:127.0.0.1.
  return host.find(':') == std::string_view::npos ? Family::v4 : Family::v6;
}

bool same_host(std::string_view a, std::string_view b) {
  const auto loopback = [](std::string_view name, std::string_view literal) {
    return iequals(name, "localhost") && (literal == "127.0.0.1" || literal == "::1");
  };
  if (iequals(a, b) || loopback(a, b) || loopback(b, a)) return true;
  const auto ip_a = IpBytes::parse(a);
  const auto ip_b = IpBytes::parse(b);
  return ip_a && ip_b && *ip_a == *ip_b;
}

std::string normal_path(const std::string& path) {
  return std::filesystem::path(path).lexically_normal().string();
}

bool hosts_overlap(std::string_view a, std::string_view b) {
  if (is_wildcard(a) || is_wildcard(b)) {
    const Family family_a = family_of(a);
    const Family family_b = family_of(b);
    return family_a == family_b || family_a == Family::both || family_b == Family::both;
  }
  return same_host(a, b);
}

struct Taken {
  Endpoint endpoint;
  std::string owner;  ///< "[listener echo] at FILE:LINE"
};

std::string owner_of(const Section& section, const Value& value) {
  const std::string place =
      value.line == 0 ? "" : " at " + value.file + ":" + std::to_string(value.line);
  return section.title() + place;
}

std::vector<Taken> taken_by(const Section& control) {
  std::vector<Taken> taken;
  for (const char* const key : {"socket", "fifo", "reply_fifo"}) {
    const auto& values = control.list(key);
    if (values.empty() || values.front().text == "off") continue;
    Endpoint endpoint;
    endpoint.transport = Transport::unix_stream;
    endpoint.name = values.front().text;
    taken.push_back({std::move(endpoint), owner_of(control, values.front())});
  }
  return taken;
}

}  // namespace

bool overlap(const Endpoint& a, const Endpoint& b) {
  if (a.transport != b.transport) return false;
  switch (a.transport) {
    case Transport::unix_stream:
      return normal_path(a.name) == normal_path(b.name);
    case Transport::inherited:
      return a.name == b.name;
    case Transport::tcp:
    case Transport::udp:
      return a.port == b.port && a.port != 0 && hosts_overlap(a.host, b.host);
  }
  return false;
}

void check_addresses(const Section& control, const std::vector<Section>& listeners,
                     MistakeList& mistakes) {
  std::vector<Taken> taken = taken_by(control);
  const std::size_t limit = kMaxAddresses + taken.size();
  for (const Section& section : listeners) {
    for (const Value& value : section.list("listen")) {
      const auto endpoint = Endpoint::parse(value.text);
      if (!endpoint) continue;
      if (taken.size() == limit) {
        mistakes.add(section.mistake(
            "listen", value,
            "expected at most " + std::to_string(kMaxAddresses) + " addresses over all listeners"));
        return;
      }
      for (const Taken& other : taken) {
        if (!overlap(*endpoint, other.endpoint)) continue;
        mistakes.add(section.refusal(
            "listen", value,
            "an address of its own: " + other.endpoint.text() + " belongs to " + other.owner));
        break;
      }
      taken.push_back({*endpoint, owner_of(section, value)});
    }
  }
}

}  // namespace netd::config
