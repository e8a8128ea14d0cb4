// How much mail a mailbox may hold.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>

#include "daemon/base/clock.h"

namespace netd::smtp {

/// Knows the size of mailboxes: counted once, kept up to date with what is delivered, and counted
/// anew when it may be wrong, because readers delete mail without telling. Any thread.
class QuotaBook {
 public:
  /// `limit` in octets, not zero. `root` is the Maildir root.
  QuotaBook(std::string root, std::uint64_t limit) : root_(std::move(root)), limit_(limit) {}

  /// Keeps `size` octets of "DOMAIN/USER" for a message on its way, so that those that come at once
  /// do not get the same room; false when they do not fit. Each that is kept is settled. Reads the
  /// mailbox's folders when it has to.
  [[nodiscard]] bool reserve(const std::string& mailbox, std::uint64_t size, Monotonic now);
  /// The message is in the mailbox now, or will never be.
  void settle(const std::string& mailbox, std::uint64_t size, bool stored);
  /// Counts a full mailbox anew: it stays full unless something was removed. Reads its folders.
  void recount(const std::string& mailbox, Monotonic now);
  /// Whether a message of `size` octets has no room beside what was counted; one of unknown size,
  /// 0, is taken to be like the last that was asked for. Never blocks on a disk.
  [[nodiscard]] bool was_full(const std::string& mailbox, std::uint64_t size, Monotonic now) const;
  /// Whether that is long ago, and asking again may help.
  [[nodiscard]] bool is_stale(const std::string& mailbox, Monotonic now) const;

  /// Octets of a mailbox's new/ and cur/: what the names say (",S="), else what the files have.
  [[nodiscard]] static std::uint64_t measure(const std::string& path);

 private:
  struct Entry {
    std::uint64_t used = 0;
    std::uint64_t reserved = 0;
    Monotonic counted;
    bool full = false;
  };
  [[nodiscard]] bool fits(const Entry& entry, std::uint64_t size) const;
  bool reserve_in(Entry& entry, std::uint64_t size) const;

  const std::string root_;
  const std::uint64_t limit_;
  mutable std::mutex mutex_;  // guards entries_
  std::unordered_map<std::string, Entry> entries_;
};

}  // namespace netd::smtp
