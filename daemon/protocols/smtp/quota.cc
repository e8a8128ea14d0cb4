#include "daemon/protocols/smtp/quota.h"

#include <chrono>
#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>

#include "daemon/base/text.h"

namespace netd::smtp {

namespace {

/// How long a count holds when there is room, and when there is none.
constexpr std::chrono::minutes kCountHolds{1};
constexpr std::chrono::seconds kFullHolds{5};
/// Mailboxes whose size is remembered.
constexpr std::size_t kMaxEntries = 65'536;

/// The size in a name as maildir++ has it: "...,S=1234" or "...,S=1234:2,S".
std::optional<std::uint64_t> size_in_name(std::string_view name) {
  const std::size_t at = name.find(",S=");
  if (at == std::string_view::npos) return {};
  name.remove_prefix(at + 3);
  return parse_decimal(name.substr(0, name.find_first_not_of("0123456789")));
}

}  // namespace

std::uint64_t QuotaBook::measure(const std::string& path) {
  namespace fs = std::filesystem;
  std::uint64_t total = 0;
  for (const char* folder : {"/new", "/cur"}) {
    std::error_code error;
    for (fs::directory_iterator entry(path + folder, error), end; !error && entry != end;
         entry.increment(error)) {
      const std::string name = entry->path().filename().string();
      if (const auto size = size_in_name(name)) {
        total += *size;
        continue;
      }
      std::error_code gone;
      const std::uintmax_t size = entry->file_size(gone);
      if (!gone) total += size;
    }
  }
  return total;
}

bool QuotaBook::fits(const Entry& entry, std::uint64_t size) const {
  const std::uint64_t taken = entry.used + entry.reserved;
  return taken <= limit_ && size <= limit_ - taken;
}

bool QuotaBook::reserve_in(Entry& entry, std::uint64_t size) const {
  entry.full = !fits(entry, size);
  if (entry.full) return false;
  entry.reserved += size;
  return true;
}

bool QuotaBook::reserve(const std::string& mailbox, std::uint64_t size, Monotonic now) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(mailbox);
    if (found != entries_.end()) {
      const Duration age = now - found->second.counted;
      const bool holds = age < kFullHolds || (age < kCountHolds && fits(found->second, size));
      if (holds) return reserve_in(found->second, size);
    }
  }
  const std::uint64_t used = measure(root_ + '/' + mailbox);  // without the lock: it may take long
  const std::lock_guard lock(mutex_);
  if (entries_.size() >= kMaxEntries) {
    std::erase_if(entries_, [](const auto& entry) { return entry.second.reserved == 0; });
  }
  Entry& entry = entries_[mailbox];
  entry.used = used;
  entry.counted = now;
  return reserve_in(entry, size);
}

void QuotaBook::settle(const std::string& mailbox, std::uint64_t size, bool stored) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(mailbox);
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  entry.reserved -= size;
  if (stored) entry.used += size;
}

void QuotaBook::recount(const std::string& mailbox, Monotonic now) {
  const std::uint64_t used = measure(root_ + '/' + mailbox);
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(mailbox);
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  entry.full = entry.full && used >= entry.used;
  entry.used = used;
  entry.counted = now;
}

bool QuotaBook::was_full(const std::string& mailbox, std::uint64_t size, Monotonic now) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(mailbox);
  if (found == entries_.end()) return false;
  const Entry& entry = found->second;
  if (size == 0) return entry.full;
  return !fits(entry, size) && (entry.full || now - entry.counted < kCountHolds);
}

bool QuotaBook::is_stale(const std::string& mailbox, Monotonic now) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(mailbox);
  return found != entries_.end() && now - found->second.counted >= kFullHolds;
}

}  // namespace netd::smtp
