// Words and limits that both ends of the control channels agree on.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace netd::control {

inline constexpr std::string_view kDefaultSocket = "/run/netd/control.sock";

/// `code` of an answer with the status "error". Stable: programs compare them. The task queue adds
/// its own (tasks::error_code_name).
namespace code {
inline constexpr std::string_view kInvalidJson = "invalid_json";
inline constexpr std::string_view kInvalidRequest = "invalid_request";  ///< JSON, but no request
inline constexpr std::string_view kUnknownType = "unknown_type";
inline constexpr std::string_view kMissingMember = "missing_member";
inline constexpr std::string_view kBadValue = "bad_value";
inline constexpr std::string_view kForbidden = "forbidden";
inline constexpr std::string_view kTooLarge = "too_large";
inline constexpr std::string_view kNotFound = "not_found";
inline constexpr std::string_view kConfigInvalid = "config_invalid";
inline constexpr std::string_view kBusy = "busy";
inline constexpr std::string_view kStopping = "stopping";
inline constexpr std::string_view kUnreachable = "unreachable";  ///< no reader for the answer
}  // namespace code

/// The kinds of events, by which `subscribe` picks: the first word of each one's name. Sorted. That
/// no entry of the daemon's log is of another kind: tests/lint/test_events.py.
inline constexpr auto kEventKinds = std::to_array<std::string_view>(
    {"access", "capture",  "config",  "connection", "control",  "descriptor", "fifo",   "forward",
     "http",   "instance", "limit",   "listener",   "log",      "mail",       "reload", "reloaded",
     "smtp",   "start",    "started", "stopped",    "stopping", "store",      "stored", "task"});

/// Requests of one connection that may wait for their answers at a time; the next is read when the
/// first of them is answered.
inline constexpr std::size_t kMaxRequestsInFlight = 64;
/// One line of the FIFO, its line end not counted.
inline constexpr std::size_t kMaxFifoLine = std::size_t{64} << 10;

}  // namespace netd::control
