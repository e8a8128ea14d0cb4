#include "daemon/config/value.h"

#include <gmock/gmock.h>

#include <set>
#include <string>

#include "daemon/config/rows.h"

namespace netd::config {
namespace {

constexpr std::string_view kChoices[] = {"raw", "line", "timestamp"};

constexpr SettingRow kText{.key = "text"};
constexpr SettingRow kInteger{
    .key = "integer", .kind = ValueKind::integer, .minimum = 1, .maximum = 64};
constexpr SettingRow kAnyInteger{.key = "any", .kind = ValueKind::integer};
constexpr SettingRow kBoolean{.key = "boolean", .kind = ValueKind::boolean};
constexpr SettingRow kDuration{
    .key = "duration", .kind = ValueKind::duration, .minimum = 1000, .maximum = 3'600'000};
constexpr SettingRow kSize{.key = "size", .kind = ValueKind::size, .minimum = 512};
constexpr SettingRow kChoice{.key = "choice", .kind = ValueKind::choice, .choices = kChoices};
constexpr SettingRow kPath{.key = "path", .kind = ValueKind::path};
constexpr SettingRow kEndpoint{.key = "endpoint", .kind = ValueKind::endpoint};
constexpr SettingRow kNetwork{.key = "network", .kind = ValueKind::network};

TEST(CheckValue, TakesWhatTheKindAllows) {
  const struct {
    const SettingRow& row;
    const char* text;
  } cases[] = {
      {kText, "anything at all"},
      {kInteger, "1"},
      {kInteger, "64"},
      {kInteger, "007"},
      {kAnyInteger, "18446744073709551615"},
      {kBoolean, "yes"},
      {kBoolean, "no"},
      {kDuration, "1000ms"},
      {kDuration, "30s"},
      {kDuration, "5min"},
      {kDuration, "1h"},
      {kSize, "512"},
      {kSize, "64K"},
      {kSize, "10M"},
      {kSize, "1G"},
      {kChoice, "timestamp"},
      {kPath, "/"},
      {kPath, "/var/lib/with blank"},
      {kEndpoint, "tcp:*:0"},
      {kEndpoint, "tcp:[::1]:50007"},
      {kEndpoint, "udp:127.0.0.1:65535"},
      {kEndpoint, "unix:/run/netd/echo.sock"},
      {kEndpoint, "fd:web"},
      {kNetwork, "127.0.0.0/8"},
      {kNetwork, "::1"},
      {kNetwork, "0.0.0.0/0"},
  };
  for (const auto& test : cases) {
    const auto checked = check_value(test.row, test.text);
    EXPECT_TRUE(checked) << test.row.key << " " << test.text << ": " << checked.error().what();
  }
}

TEST(CheckValue, SaysWhatItExpects) {
  constexpr const char* kNumber = "expected a number from 1 to 64";
  constexpr const char* kTime = "expected a duration such as 250ms, 30s, 5min or 2h, from 1s to 1h";
  constexpr const char* kBytes = "expected a size such as 512, 64K, 10M or 1G, at least 512";
  constexpr const char* kNet = "expected an IPv4 or IPv6 address or network";
  const struct {
    const SettingRow& row;
    std::string text;
    const char* error;
  } cases[] = {
      {kText, "", "expected a value"},
      {kInteger, "", kNumber},
      {kInteger, "0", kNumber},
      {kInteger, "65", kNumber},
      {kInteger, "-1", kNumber},
      {kInteger, "+1", kNumber},
      {kInteger, "1.5", kNumber},
      {kInteger, "0x10", kNumber},
      {kInteger, "1 2", kNumber},
      {kInteger, "99999999999999999999", kNumber},
      {kAnyInteger, "18446744073709551616", "expected a number"},
      {kBoolean, "true", "expected yes or no"},
      {kBoolean, "Yes", "expected yes or no"},
      {kBoolean, "1", "expected yes or no"},
      {kDuration, "30", kTime},
      {kDuration, "30 s", kTime},
      {kDuration, "30S", kTime},
      {kDuration, "0", kTime},
      {kDuration, "999ms", kTime},
      {kDuration, "2h", kTime},
      {kDuration, "99999999999999999h", kTime},
      {kSize, "511", kBytes},
      {kSize, "64k", kBytes},
      {kSize, "64KB", kBytes},
      {kSize, "99999999999999999999G", kBytes},
      {kChoice, "RAW", "expected raw, line or timestamp"},
      {kPath, "relative/path", "expected an absolute path"},
      {kPath, "/" + std::string(4096, 'x'), "expected an absolute path"},
      {kEndpoint, "80", "expected tcp:HOST:PORT, udp:HOST:PORT, unix:PATH or fd:NAME"},
      {kEndpoint, "tcp:127.0.0.1", nullptr},
      {kEndpoint, "tcp:127.0.0.1:65536", "expected a port from 0 to 65535"},
      {kEndpoint, "tcp:::1:80", nullptr},
      {kEndpoint, "unix:relative", "expected an absolute path after unix:"},
      {kEndpoint, "unix:/" + std::string(107, 'x'), nullptr},
      {kNetwork, "localhost", kNet},
      {kNetwork, "10.0.0.1/8", nullptr},
      {kNetwork, "10.0.0.0/33", nullptr},
  };
  for (const auto& test : cases) {
    const auto checked = check_value(test.row, test.text);
    ASSERT_FALSE(checked) << test.row.key << " " << test.text;
    EXPECT_TRUE(checked.error().what().starts_with("expected")) << checked.error().what();
    if (test.error != nullptr) {
      EXPECT_EQ(checked.error().what(), test.error);
    }
  }
}

TEST(Rows, TakeTheirOwnDefaultsAndHelpPeople) {
  for (const auto rows :
       {netd_rows(), control_rows(), task_rows(), listener_rows(), service_rows()}) {
    std::set<std::string_view> keys;
    for (const SettingRow& row : rows) {
      EXPECT_TRUE(keys.insert(row.key).second) << row.key << " is there twice";
      EXPECT_FALSE(row.help.empty()) << row.key;
      EXPECT_TRUE(row.default_value.empty() || !row.required) << row.key;
      if (row.default_value.empty()) continue;
      const auto checked = check_value(row, row.default_value);
      EXPECT_TRUE(checked) << row.key << ": " << checked.error().what();
    }
  }
}

TEST(Rows, CheckWhatTheirKindsCannot) {
  const auto check = [](std::span<const SettingRow> rows, std::string_view key,
                        std::string_view text) {
    for (const SettingRow& row : rows) {
      if (row.key == key) return check_value(row, text).has_value();
    }
    ADD_FAILURE() << "no row " << key;
    return false;
  };
  const struct {
    std::span<const SettingRow> rows;
    const char* key;
    std::vector<std::string> good;
    std::vector<std::string> bad;
  } cases[] = {
      {netd_rows(), "workers", {"auto", "1", "64"}, {"0", "65", "Auto", "two"}},
      {netd_rows(),
       "hostname",
       {"a", "mail.example.org", "host_1", std::string(63, 'a')},
       {".", "a..b", "-a", "a-", "a b", "a.", std::string(64, 'a'), "caf\xC3\xA9"}},
      {control_rows(), "socket", {"/a"}, {"a", "off", "/" + std::string(107, 's')}},
      {control_rows(), "fifo", {"off", "/a"}, {"none", "a"}},
      {control_rows(), "group", {"netd", "0"}, {"a:b", "a b", "/a"}},
      {listener_rows(), "socket_mode", {"0660", "660", "0777"}, {"66", "1777", "0888", "rw"}},
      {listener_rows(), "access_log", {"journal", "off", "/a"}, {"syslog", "a"}},
      {service_rows(),
       "instance",
       {"127.0.0.1:9001", "[::1]:1", "tcp:name:80", "unix:/run/x"},
       {"127.0.0.1", "127.0.0.1:0", "*:80", "udp:a:1", "fd:x", "unix:x", ":80"}},
      {service_rows(), "health", {"tcp", "off", "/healthz"}, {"http", "healthz", "/a b"}},
  };
  for (const auto& test : cases) {
    for (const auto& text : test.good) {
      EXPECT_TRUE(check(test.rows, test.key, text)) << test.key << " = " << text;
    }
    for (const auto& text : test.bad) {
      EXPECT_FALSE(check(test.rows, test.key, text)) << test.key << " = " << text;
    }
  }
}

}  // namespace
}  // namespace netd::config
