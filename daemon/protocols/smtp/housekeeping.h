// What keeps Maildir folders tidy: the sweep of tmp/ and the retention of old mail. Blocking; runs
// on a thread of its own.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stop_token>
#include <string>

#include "daemon/base/clock.h"
#include "daemon/protocols/smtp/maildir.h"

namespace netd::smtp {

/// The Maildir page: a file that has been in tmp/ for so long belongs to nobody.
inline constexpr std::chrono::hours kAbandoned{36};

struct SweepOptions {
  /// No other netd uses the root: what netd left in tmp/ before `started` is of a crash.
  bool alone = false;
  WallTime started;
};

/// Removes from every tmp/ below `root` what no delivery will finish, and returns how many files
/// that was. Ends early when asked to stop.
std::size_t sweep_tmp(const std::string& root, const UniqueNames& names,
                      const SweepOptions& options, WallTime now, const std::stop_token& stop);

struct Retention {
  std::chrono::milliseconds age{};  ///< zero: no limit
  std::uint64_t count = 0;          ///< messages of a mailbox; zero: no limit

  [[nodiscard]] bool any() const { return age != age.zero() || count != 0; }
  friend bool operator==(const Retention&, const Retention&) = default;
};

/// Removes the oldest messages of every mailbox, read or not, as far as `retention` asks, and
/// returns how many that was. A message is as old as the time in its name says, else its file.
std::size_t apply_retention(const std::string& root, const Retention& retention, WallTime now,
                            const std::stop_token& stop);

}  // namespace netd::smtp
