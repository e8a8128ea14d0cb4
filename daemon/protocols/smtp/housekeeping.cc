#include "daemon/protocols/smtp/housekeeping.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "daemon/base/text.h"

namespace netd::smtp {

namespace {

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};
using Folder = std::unique_ptr<DIR, CloseFolder>;

WallTime wall_time(const timespec& time) {
  return WallTime(std::chrono::duration_cast<WallTime::duration>(
      std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec)));
}

/// Calls `each` with the folder and the name of everything in it.
void for_each_entry(const std::string& path, const std::stop_token& stop,
                    const std::function<void(int folder, const char* name)>& each) {
  // O_NOFOLLOW is not asked for: an administrator may keep a mailbox elsewhere.
  const Folder folder(::opendir(path.c_str()));
  if (!folder) return;
  while (!stop.stop_requested()) {
    // readdir is safe for threads that each have their own folder.
    const dirent* entry = ::readdir(folder.get());  // NOLINT(concurrency-mt-unsafe)
    if (entry == nullptr) return;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") each(::dirfd(folder.get()), entry->d_name);
  }
}

/// Calls `each` with the path of every ROOT/DOMAIN/USER.
void for_each_mailbox(const std::string& root, const std::stop_token& stop,
                      const std::function<void(const std::string& mailbox)>& each) {
  for_each_entry(root, stop, [&](int, const char* domain) {
    const std::string domain_path = root + '/' + domain;
    for_each_entry(domain_path, stop,
                   [&](int, const char* user) { each(domain_path + '/' + user); });
  });
}

std::optional<struct stat> regular_file(int folder, const char* name) {
  struct stat info{};
  if (::fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) != 0) return {};
  if (!S_ISREG(info.st_mode)) return {};
  return info;
}

struct Message {
  WallTime time;
  std::string name;
  std::string path;

  /// Of one microsecond the names end with a count, and a longer one is a later one.
  [[nodiscard]] auto order() const { return std::tuple(time, name.size(), std::string_view(name)); }
};

/// "1763827200.M250117P42..." is as old as it says: seconds, and microseconds where they are told.
std::optional<WallTime> time_in_name(std::string_view name) {
  const std::size_t dot = name.find('.');
  const auto seconds = parse_decimal(name.substr(0, dot));
  if (!seconds || *seconds >= (std::uint64_t{1} << 33)) return {};
  const WallTime time{std::chrono::seconds(*seconds)};
  if (dot == std::string_view::npos) return time;
  std::string_view rest = name.substr(dot + 1);
  if (!rest.starts_with('M')) return time;
  rest.remove_prefix(1);
  const auto micros = parse_decimal(rest.substr(0, rest.find_first_not_of("0123456789")));
  if (!micros || *micros >= 1'000'000) return time;
  return time + std::chrono::microseconds(*micros);
}

void collect(const std::string& folder, const std::stop_token& stop,
             std::vector<Message>& messages) {
  for_each_entry(folder, stop, [&](int fd, const char* name) {
    const auto info = regular_file(fd, name);
    if (!info) return;
    messages.push_back({.time = time_in_name(name).value_or(wall_time(info->st_mtim)),
                        .name = name,
                        .path = folder + '/' + name});
  });
}

}  // namespace

std::size_t sweep_tmp(const std::string& root, const UniqueNames& names,
                      const SweepOptions& options, WallTime now, const std::stop_token& stop) {
  std::size_t removed = 0;
  const auto is_abandoned = [&](std::string_view name, const struct stat& info) {
    const WallTime changed = std::max(wall_time(info.st_mtim), wall_time(info.st_ctim));
    if (names.is_of_this(name)) return false;
    if (options.alone && UniqueNames::is_of_netd(name)) return changed < options.started;
    return changed + kAbandoned < now;
  };
  for_each_mailbox(root, stop, [&](const std::string& mailbox) {
    for_each_entry(mailbox + "/tmp", stop, [&](int folder, const char* name) {
      const auto info = regular_file(folder, name);
      if (!info || !is_abandoned(name, *info)) return;
      if (::unlinkat(folder, name, 0) == 0) ++removed;
    });
  });
  return removed;
}

std::size_t apply_retention(const std::string& root, const Retention& retention, WallTime now,
                            const std::stop_token& stop) {
  std::size_t removed = 0;
  for_each_mailbox(root, stop, [&](const std::string& mailbox) {
    std::vector<Message> messages;
    collect(mailbox + "/new", stop, messages);
    collect(mailbox + "/cur", stop, messages);
    if (stop.stop_requested()) return;  // an incomplete list would make the wrong ones the oldest
    std::ranges::sort(messages, {}, &Message::order);
    std::size_t kept = messages.size();
    for (const Message& message : messages) {
      const bool too_old =
          retention.age != retention.age.zero() && message.time + retention.age < now;
      const bool too_many = retention.count != 0 && kept > retention.count;
      if (!too_old && !too_many) break;
      if (::unlink(message.path.c_str()) == 0) ++removed;
      --kept;
    }
  });
  return removed;
}

}  // namespace netd::smtp
