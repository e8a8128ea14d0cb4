#include "daemon/config/rows.h"

#include <array>

#include "daemon/base/endpoint.h"
#include "daemon/base/text.h"

namespace netd::config {

namespace {

constexpr std::uint64_t kSecond = 1000;
constexpr std::uint64_t kHour = 3600 * kSecond;
constexpr std::uint64_t kDay = 24 * kHour;

// sockaddr_un::sun_path, less the terminating zero (unix(7)).
constexpr std::size_t kMaxSocketPath = 107;

Result<void> check_workers(std::string_view value) {
  const auto number = parse_decimal(value);
  if (value == "auto" || (number && *number >= 1 && *number <= 64)) return {};
  return fail("expected auto or a number from 1 to 64");
}

Result<void> check_hostname(std::string_view value) {
  // RFC 1123, section 2.1, and the underscores that container managers put into names.
  bool good = value.size() <= 253;
  for (const std::string_view label : split(value, '.')) {
    good =
        good && !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-';
    for (const char c : label) {
      good = good && (is_ascii_alpha(c) || is_ascii_digit(c) || c == '-' || c == '_');
    }
  }
  if (good) return {};
  return fail("expected a host name such as mail.example.org");
}

Result<void> check_socket_path(std::string_view value) {
  if (value.size() <= kMaxSocketPath) return {};
  return fail("expected a path of at most 107 bytes (unix(7))");
}

Result<void> check_path_or_off(std::string_view value) {
  if (value == "off" || value.starts_with('/')) return {};
  return fail("expected an absolute path or off");
}

Result<void> check_group(std::string_view value) {
  for (const char c : value) {
    if (c == ':' || c == '/' || c == ' ' || c == '\t' || c == ',') {
      return fail("expected the name or number of a group");
    }
  }
  return {};
}

/// QUEUE TASKS BYTES: the number of tasks and the size of their data, 0 for no limit.
Result<void> check_queue_limit(std::string_view value) {
  const auto words = split_words(value);
  if (words.size() == 3 && words[0].size() <= 128 && parse_decimal(words[1]) &&
      parse_size(words[2])) {
    return {};
  }
  return fail("expected QUEUE TASKS BYTES such as mail 10000 1G, with 0 for no limit");
}

Result<void> check_socket_mode(std::string_view value) {
  const bool octal = value.find_first_not_of("01234567") == std::string_view::npos;
  if (octal && (value.size() == 3 || (value.size() == 4 && value.front() == '0'))) return {};
  return fail("expected an octal mode such as 0660");
}

Result<void> check_access_log(std::string_view value) {
  if (value == "journal" || value == "off" || value.starts_with('/')) return {};
  return fail("expected journal, off or an absolute path");
}

Result<void> check_instance(std::string_view value) {
  const bool bare = !value.starts_with("tcp:") && !value.starts_with("unix:");
  const auto endpoint = Endpoint::parse(bare ? "tcp:" + std::string(value) : std::string(value));
  const bool reachable = endpoint && (endpoint->transport == Transport::unix_stream
                                          ? endpoint->name.starts_with('/')
                                          : endpoint->host != "*" && endpoint->port != 0);
  if (reachable) return {};
  return fail("expected HOST:PORT or unix:PATH");
}

Result<void> check_health(std::string_view value) {
  if (value == "tcp" || value == "off") return {};
  if (value.starts_with('/') && value.find_first_of(" \t") == std::string_view::npos) return {};
  return fail("expected tcp, off or a path such as /healthz");
}

constexpr std::array<std::string_view, 4> kLogLevels = {"debug", "info", "warning", "error"};
constexpr std::array<std::string_view, 3> kSyncModes = {"always", "batch", "off"};

constexpr std::array kNetdRows = {
    SettingRow{.key = "workers",
               .default_value = "auto",
               .help = "event loops; auto: one for each CPU",
               .reloadable = false,
               .check = check_workers},
    SettingRow{.key = "log_level",
               .kind = ValueKind::choice,
               .default_value = "info",
               .help = "the least important entries that are logged",
               .choices = kLogLevels},
    SettingRow{.key = "hostname",
               .help = "the name netd gives itself; by default the system's",
               .check = check_hostname},
    SettingRow{.key = "drain_timeout",
               .kind = ValueKind::duration,
               .default_value = "30s",
               .help = "how long a stop waits for work in flight",
               .maximum = kHour},
    SettingRow{.key = "max_connections",
               .kind = ValueKind::integer,
               .default_value = "20000",
               .help = "connections over all listeners",
               .minimum = 1,
               .maximum = 1'000'000},
};

constexpr std::array kControlRows = {
    SettingRow{.key = "socket",
               .kind = ValueKind::path,
               .default_value = "/run/netd/control.sock",
               .help = "the socket that netctl talks to",
               .reloadable = false,
               .check = check_socket_path},
    SettingRow{.key = "fifo",
               .default_value = "/run/netd/control.fifo",
               .help = "takes commands, one a line; off: none; by default beside the socket",
               .reloadable = false,
               .check = check_path_or_off},
    SettingRow{.key = "reply_fifo",
               .default_value = "/run/netd/reply.fifo",
               .help = "answers to commands of the FIFO; off: none; by default beside the socket",
               .reloadable = false,
               .check = check_path_or_off},
    SettingRow{.key = "group",
               .default_value = "netd",
               .help = "who may steer, beside root and netd's own user",
               .reloadable = false,
               .check = check_group},
    SettingRow{.key = "public_status",
               .kind = ValueKind::boolean,
               .default_value = "no",
               .help = "whether every local user may read status",
               .reloadable = false},
};

constexpr std::array kTaskRows = {
    SettingRow{.key = "path",
               .kind = ValueKind::path,
               .default_value = "/var/lib/netd/tasks",
               .help = "the folder of the task store",
               .reloadable = false},
    SettingRow{
        .key = "sync",
        .kind = ValueKind::choice,
        .default_value = "always",
        .help = "always: acknowledged is on disk; batch: within sync_interval; off: whenever",
        .reloadable = false,
        .choices = kSyncModes},
    SettingRow{.key = "sync_interval",
               .kind = ValueKind::duration,
               .default_value = "100ms",
               .help = "the most that sync = batch may lose",
               .reloadable = false,
               .minimum = 1,
               .maximum = 60 * kSecond},
    SettingRow{.key = "memory_limit",
               .kind = ValueKind::size,
               .default_value = "512M",
               .help = "memory for tasks; data beyond three quarters of it stays on the disk alone",
               .minimum = 1U << 20U,
               .maximum = 1ULL << 40U},
    SettingRow{.key = "max_data",
               .kind = ValueKind::size,
               .default_value = "1M",
               .help = "the longest data of a task and result of a done",
               .minimum = 1024,
               .maximum = 64U << 20U},
    SettingRow{.key = "max_attempts",
               .kind = ValueKind::integer,
               .default_value = "20",
               .help = "after so many attempts a task is dead, where its producer says nothing; "
                       "0: never",
               .maximum = 1'000'000},
    SettingRow{.key = "retry_delay",
               .kind = ValueKind::duration,
               .default_value = "1s",
               .help = "before a failed task comes back; doubles with each attempt",
               .maximum = kDay},
    SettingRow{.key = "retry_delay_max",
               .kind = ValueKind::duration,
               .default_value = "1h",
               .help = "what retry_delay grows to",
               .maximum = 30 * kDay},
    SettingRow{.key = "result_ttl",
               .kind = ValueKind::duration,
               .default_value = "1d",
               .help = "how long the result of a task is kept",
               .maximum = 365 * kDay},
    SettingRow{.key = "result_limit",
               .kind = ValueKind::size,
               .default_value = "64M",
               .help = "what all results may take; the oldest make room",
               .reloadable = false,
               .minimum = 1U << 20U,
               .maximum = 1ULL << 40U},
    SettingRow{.key = "queue_max_tasks",
               .kind = ValueKind::integer,
               .default_value = "0",
               .help = "tasks of one queue; 0: no limit but memory_limit"},
    SettingRow{.key = "queue_max_bytes",
               .kind = ValueKind::size,
               .default_value = "0",
               .help = "bytes of the data of one queue; 0: no limit"},
    SettingRow{.key = "queue_limit",
               .help = "QUEUE TASKS BYTES: the limits of one queue in place of the two above",
               .list = true,
               .check = check_queue_limit},
};

constexpr std::array kListenerRows = {
    SettingRow{.key = "protocol",
               .help = "what the listener speaks",
               .required = true,
               .reloadable = true},
    SettingRow{.key = "listen",
               .kind = ValueKind::endpoint,
               .help = "tcp:HOST:PORT, udp:HOST:PORT, unix:PATH or fd:NAME",
               .list = true,
               .required = true},
    SettingRow{.key = "socket_mode",
               .default_value = "0660",
               .help = "permissions of unix: sockets",
               .check = check_socket_mode},
    SettingRow{.key = "idle_timeout",
               .kind = ValueKind::duration,
               .default_value = "30s",
               .help = "closes connections on which nothing moves; 0: never",
               .maximum = 7 * kDay},
    SettingRow{.key = "max_connections",
               .kind = ValueKind::integer,
               .default_value = "1000",
               .help = "connections of this listener",
               .minimum = 1,
               .maximum = 1'000'000},
    SettingRow{.key = "max_connections_per_client",
               .kind = ValueKind::integer,
               .default_value = "100",
               .help = "connections from one address",
               .minimum = 1,
               .maximum = 1'000'000},
    SettingRow{.key = "allow",
               .kind = ValueKind::network,
               .help = "who may connect; by default everybody",
               .list = true},
    SettingRow{.key = "deny",
               .kind = ValueKind::network,
               .help = "who may not connect; comes before allow",
               .list = true},
    SettingRow{.key = "access_log",
               .default_value = "journal",
               .help = "where opened and closed connections are noted: journal, off or a file",
               .check = check_access_log},
};

constexpr std::array kServiceRows = {
    SettingRow{.key = "instance",
               .help = "HOST:PORT or unix:PATH",
               .list = true,
               .required = true,
               .check = check_instance},
    SettingRow{.key = "health",
               .default_value = "tcp",
               .help = "tcp: a connection; /PATH: HTTP GET; off: always healthy",
               .check = check_health},
    SettingRow{.key = "health_interval",
               .kind = ValueKind::duration,
               .default_value = "5s",
               .help = "time between two checks of an instance",
               .minimum = 100,
               .maximum = kDay},
    SettingRow{.key = "health_timeout",
               .kind = ValueKind::duration,
               .default_value = "2s",
               .help = "how long a check may take",
               .minimum = 10,
               .maximum = kHour},
    SettingRow{.key = "connect_timeout",
               .kind = ValueKind::duration,
               .default_value = "5s",
               .help = "how long a client may wait for a connection to an instance",
               .minimum = 1,
               .maximum = kHour},
    SettingRow{.key = "answer_timeout",
               .kind = ValueKind::duration,
               .default_value = "1min",
               .help = "proxy: how long an instance that owes an answer may be silent; beyond: 504",
               .minimum = 1,
               .maximum = kDay},
    SettingRow{.key = "tunnel_timeout",
               .kind = ValueKind::duration,
               .default_value = "1h",
               .help = "proxy: how long an upgraded connection may be silent; 0: for ever",
               .maximum = kDay},
    SettingRow{.key = "idle_connections",
               .kind = ValueKind::integer,
               .default_value = "32",
               .help = "proxy: connections that each worker keeps open to each instance",
               .maximum = 4096},
};

}  // namespace

std::span<const SettingRow> netd_rows() { return kNetdRows; }
std::span<const SettingRow> control_rows() { return kControlRows; }
std::span<const SettingRow> task_rows() { return kTaskRows; }
std::span<const SettingRow> listener_rows() { return kListenerRows; }
std::span<const SettingRow> service_rows() { return kServiceRows; }

}  // namespace netd::config
