// What the tests of the configuration share: a machine of fixed properties, and three protocols.
#pragma once

#include <array>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/config/loader.h"

namespace netd::config::test {

inline Result<void> check_even(std::string_view value) {
  if (value.size() % 2 == 0) return {};
  return fail("expected a text of even length");
}

inline void check_target(const Section& section, std::vector<Mistake>& mistakes) {
  if (section.text("target") == "tcp:nowhere:1") {
    mistakes.push_back(section.mistake("target", "found \"tcp:nowhere:1\", expected somewhere"));
  }
  for (const Value& value : section.list("via")) {
    if (!section.has_service(value.text)) {
      mistakes.push_back(section.mistake("via", value, "no service " + value.text));
    }
  }
}

inline constexpr std::array<std::string_view, 3> kModes = {"raw", "line", "timestamp"};
inline constexpr std::array kEchoRows = {
    SettingRow{.key = "mode", .kind = ValueKind::choice, .default_value = "raw", .choices = kModes},
};
inline constexpr std::array kForwardRows = {
    SettingRow{.key = "target", .kind = ValueKind::endpoint, .required = true},
    SettingRow{.key = "via", .list = true},
    SettingRow{.key = "even", .check = check_even},
    SettingRow{.key = "buffer",
               .kind = ValueKind::size,
               .default_value = "64K",
               .reloadable = false,
               .minimum = 1024,
               .maximum = 1 << 20},
    // The protocol's own default in the place of the common one.
    SettingRow{.key = "idle_timeout", .kind = ValueKind::duration, .default_value = "5min"},
};
inline constexpr std::array kProtocols = {
    ProtocolSchema{.name = "echo", .rows = kEchoRows, .datagram = true},
    ProtocolSchema{.name = "forward", .rows = kForwardRows, .check = check_target},
    ProtocolSchema{.name = "ticker", .stream = false, .datagram = true},
};

inline Environment environment(std::map<std::string, std::string> variables = {}) {
  return {
      .variable = [variables = std::move(variables)](
                      const std::string& name) -> std::optional<std::string> {
        const auto found = variables.find(name);
        if (found == variables.end()) return std::nullopt;
        return found->second;
      },
      .hostname = [] { return std::string("host.example"); },
      .processors = [] { return 3U; },
      .group_exists = [](const std::string& name) { return name == "staff"; },
  };
}

inline LoadResult load_text(std::string_view text, const Environment& machine = environment()) {
  const std::array sources = {SourceFile{"netd.conf", std::string(text)}};
  return load_sources(sources, kProtocols, machine);
}

/// "FILE:LINE: message" of each mistake.
inline std::vector<std::string> mistakes_of(const LoadResult& result) {
  std::vector<std::string> out;
  if (result) return out;
  for (const Mistake& mistake : result.error()) out.push_back(format(mistake));
  return out;
}

}  // namespace netd::config::test
