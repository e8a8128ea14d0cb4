// The log: journal entries with structured fields under systemd, readable lines on standard error
// elsewhere.
//
// Logging never blocks a worker on the log's reader: entries go to bounded queues that one thread
// each empties. Entries below `warning` give way when their queue is full (the oldest are dropped,
// and the drop is reported with a count); warnings and errors wait for a place. Where standard
// error is not read, all entries are dropped after a second, until it is: netd goes on, and can
// end.
//
// All functions may be called from any thread between log_start() and log_stop().
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "daemon/base/clock.h"

namespace netd {

enum class LogLevel : std::uint8_t { debug, info, warning, error };

enum class LogTarget : std::uint8_t { standard_error, journal };

/// journal when standard error is connected to it (JOURNAL_STREAM in systemd.exec(5)).
[[nodiscard]] LogTarget detect_log_target();

void log_start(LogTarget target, LogLevel level);
/// Writes what is queued and ends the threads. Later entries are dropped.
void log_stop();
void set_log_level(LogLevel level);
[[nodiscard]] LogLevel log_level();
/// Ask before formatting anything on a path that runs for every connection.
[[nodiscard]] bool log_enabled(LogLevel level);
[[nodiscard]] std::string_view log_level_name(LogLevel level);

/// One entry. Make it, name its fields, and send() it once:
///   LogEntry(LogLevel::info, "connection_open").listener(name).send("...");
/// `event` becomes NETD_EVENT: a stable snake_case word. Values may be hostile bytes: control
/// characters are escaped on the way out.
class LogEntry {
 public:
  LogEntry(LogLevel level, std::string_view event);

  LogEntry& listener(std::string_view name) { return field("NETD_LISTENER", name); }
  LogEntry& protocol(std::string_view name) { return field("NETD_PROTOCOL", name); }
  LogEntry& connection(std::uint64_t id) { return field("NETD_CONNECTION", std::to_string(id)); }
  /// NETD_CLIENT, and NETD_CLIENT_ADDRESS without the port, to find all that one host did.
  LogEntry& client(std::string_view address);
  LogEntry& bytes(std::uint64_t in, std::uint64_t out);
  LogEntry& duration(std::chrono::milliseconds value);
  LogEntry& task(std::string_view id) { return field("NETD_TASK", id); }
  LogEntry& queue(std::string_view name) { return field("NETD_QUEUE", name); }
  /// One of the constants of message_ids.h.
  LogEntry& message_id(std::string_view id) { return field("MESSAGE_ID", id); }
  /// `name` as journald wants it: upper case, digits and underscores.
  LogEntry& field(std::string_view name, std::string_view value);

  void send(std::string_view message);

 private:
  LogLevel level_;
  std::string fields_;  // NAME=VALUE, each with a NUL in front
};

/// Hands every entry to `tap` as well, in a thread of the log, beside whatever the log writes it
/// to; null ends that, and when the call returns the old tap is not running any more. `fields`
/// holds NAME=VALUE strings, each with a NUL in front. The tap must not block and must not log.
void set_log_tap(
    std::function<void(LogLevel, WallTime time, std::string_view message, std::string_view fields)>
        tap);

/// For tests: every entry goes to `capture` in the caller's thread instead of anywhere else, until
/// log_stop(). `fields` holds NAME=VALUE strings, each with a NUL in front.
void log_start_capture(
    LogLevel level,
    std::function<void(LogLevel, std::string_view message, std::string_view fields)> capture);

}  // namespace netd
