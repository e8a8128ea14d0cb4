// The schema, the shipped netd.conf and netd.conf(5) say the same.
#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/text.h"
#include "daemon/config/loader.h"
#include "daemon/config/rows.h"
#include "daemon/config/value.h"
#include "daemon/protocols/protocol.h"

namespace netd::config {
namespace {

std::string read(const std::string& name) {
  std::ifstream stream(NETD_CONF_FOLDER "/" + name, std::ios::binary);
  EXPECT_TRUE(stream) << name;
  return {std::istreambuf_iterator<char>(stream), {}};
}

std::vector<std::string> lines_of(const std::string& name) {
  const std::string text = read(name);
  const auto lines = split(text, '\n');
  return {lines.begin(), lines.end()};
}

/// The protocols without their checks, which ask what the machine has.
std::vector<ProtocolSchema> schemas() {
  std::vector<ProtocolSchema> all;
  for (const Protocol* const protocol : protocols()) {
    all.push_back({.name = protocol->name,
                   .rows = protocol->rows,
                   .stream = protocol->make_stream != nullptr,
                   .datagram = protocol->make_datagram != nullptr});
  }
  return all;
}

LoadResult load_text(const std::string& text) {
  Environment machine = Environment::system();
  machine.hostname = [] { return std::string("host.example"); };
  const std::vector<SourceFile> sources = {{"netd.conf", text}};
  const auto protocols = schemas();
  return load_sources(sources, protocols, machine);
}

void expect_loaded(const LoadResult& result) {
  if (result) return;
  for (const Mistake& mistake : result.error()) ADD_FAILURE() << format(mistake);
}

/// netd.conf with every default, and every section that is not in use, in use.
std::string with_defaults() {
  std::string out;
  for (const std::string& line : lines_of("netd.conf")) {
    out.append(line.starts_with(';') ? line.substr(1) : line).append("\n");
  }
  return out;
}

/// Keys of a section in netd.conf, commented ones too, with their values.
std::multimap<std::string, std::string> keys_below(std::string_view header) {
  std::multimap<std::string, std::string> keys;
  bool inside = false;
  for (const std::string& text : lines_of("netd.conf")) {
    std::string_view line = text;
    const bool commented = line.starts_with(';') || line.starts_with('#');
    if (commented) line.remove_prefix(1);
    if (line.starts_with('[')) inside = line == header;
    const auto equals = line.find(" = ");
    if (!inside || line.starts_with(' ') || equals == std::string_view::npos) continue;
    keys.emplace(line.substr(0, equals), line.substr(equals + 3));
  }
  return keys;
}

TEST(NetdConf, IsGood) {
  const auto settings = load_text(read("netd.conf"));
  expect_loaded(settings);
  ASSERT_TRUE(settings);
  std::vector<std::string> addresses;
  for (const ListenerSettings& listener : (*settings)->listeners) {
    for (const Endpoint& endpoint : listener.listen) addresses.push_back(endpoint.text());
  }
  EXPECT_THAT(addresses, ::testing::ElementsAre("tcp:127.0.0.1:50007", "udp:127.0.0.1:50007",
                                                "tcp:127.0.0.1:8080", "tcp:127.0.0.1:2525"));
}

TEST(NetdConf, ShowsTheDefaultsThatHold) {
  const auto shipped = load_text(read("netd.conf"));
  const auto full = load_text(with_defaults());
  expect_loaded(full);
  ASSERT_TRUE(shipped && full);
  for (const Change& change : describe_changes(**shipped, **full)) {
    EXPECT_TRUE(change.text.ends_with(" added")) << change.text;
  }
}

TEST(NetdConf, ShowsEverySetting) {
  const auto expect_keys = [](std::string_view header, std::span<const SettingRow> rows) {
    const auto keys = keys_below(header);
    for (const SettingRow& row : rows) {
      EXPECT_TRUE(keys.contains(std::string(row.key))) << header << " lacks " << row.key;
    }
  };
  expect_keys("[netd]", netd_rows());
  expect_keys("[control]", control_rows());
  expect_keys("[tasks]", task_rows());
  expect_keys("[listener echo]", listener_rows());
  expect_keys("[service users]", service_rows());
  const std::map<std::string_view, std::string> headers = {{"http", "[listener web]"},
                                                           {"smtp", "[listener mail]"}};
  for (const Protocol* const protocol : protocols()) {
    const auto found = headers.find(protocol->name);
    const std::string header =
        found == headers.end() ? "[listener " + std::string(protocol->name) + "]" : found->second;
    EXPECT_TRUE(keys_below(header).contains("protocol")) << header;
    expect_keys(header, protocol->rows);
  }
}

/// The part of netd.conf(5) from a heading (.Sh or .Ss) to the next.
std::string manual_part(std::string_view heading) {
  std::string part;
  bool inside = false;
  for (const std::string& line : lines_of("netd.conf.5")) {
    if (line.starts_with(".Sh ") || line.starts_with(".Ss ")) {
      inside = line.substr(4).starts_with(heading);
    }
    if (inside) part.append(line).append("\n");
  }
  return part;
}

std::string roff(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '\\' ? std::string("\\e") : std::string(1, c);
  return out;
}

/// "from 1s to 1h" or "at least 1"; empty where every number goes.
std::string range_of(const SettingRow& row) {
  const bool is_number = row.kind == ValueKind::integer || row.kind == ValueKind::duration ||
                         row.kind == ValueKind::size;
  if (!is_number) return {};
  const std::string text = expectation(row);
  const auto start = std::min(text.rfind("from "), text.rfind("at least "));
  return start == std::string::npos ? std::string() : text.substr(start);
}

/// Settings that the manual explains below a heading.
std::vector<std::string> keys_explained(const std::string& part) {
  std::vector<std::string> keys;
  for (const std::string_view line : split(part, '\n')) {
    constexpr std::string_view kTag = ".It Ic ";
    if (!line.starts_with(kTag) || line.find(" No = ") == std::string_view::npos) continue;
    keys.emplace_back(line.substr(kTag.size(), line.find(' ', kTag.size()) - kTag.size()));
  }
  return keys;
}

void expect_explained(const std::string& heading, std::span<const SettingRow> rows) {
  const std::string part = manual_part(heading);
  EXPECT_FALSE(part.empty()) << heading;
  for (const SettingRow& row : rows) {
    const std::string tag = ".It Ic " + std::string(row.key) + " ";
    const auto start = part.find(tag);
    ASSERT_NE(start, std::string::npos) << heading << " lacks " << row.key;
    const auto end = std::min(part.find(".It Ic ", start + 1), part.size());
    const std::string item = part.substr(start, end - start);
    if (!row.default_value.empty()) {
      EXPECT_NE(item.find("Default:\n.Ql " + roff(row.default_value) + " "), std::string::npos)
          << heading << " " << row.key << ": " << row.default_value;
    }
    EXPECT_NE(item.find(range_of(row)), std::string::npos)
        << heading << "|" << row.key << "|" << range_of(row);
    EXPECT_EQ(item.find(".Em restart") == std::string::npos, row.reloadable) << row.key;
    EXPECT_EQ(item.find("equired.\n") == std::string::npos, !row.required) << row.key;
    EXPECT_EQ(item.find("A list") == std::string::npos, !row.list) << row.key;
  }
  for (const std::string& key : keys_explained(part)) {
    EXPECT_TRUE(std::ranges::any_of(rows, [&key](const auto& row) { return row.key == key; }))
        << heading << " explains " << key << ", which nobody reads";
  }
}

TEST(NetdConf5, ExplainsEverySetting) {
  expect_explained("[netd]", netd_rows());
  expect_explained("[control]", control_rows());
  expect_explained("[tasks]", task_rows());
  expect_explained("[listener NAME]", listener_rows());
  expect_explained("[service NAME]", service_rows());
  for (const Protocol* const protocol : protocols()) {
    if (protocol->rows.empty()) {
      EXPECT_NE(read("netd.conf.5").find(protocol->name), std::string::npos) << protocol->name;
    } else {
      expect_explained("protocol = " + std::string(protocol->name), protocol->rows);
    }
  }
}

}  // namespace
}  // namespace netd::config
