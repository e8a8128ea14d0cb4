#include "daemon/protocols/smtp/disk_sync.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>

namespace netd::smtp {

namespace {

/// What may pass for a syncfs(2) of nothing but our files, on a slow disk.
constexpr std::chrono::milliseconds kTimeForOne{50};
constexpr std::chrono::milliseconds kTimeForEach{5};
/// How long fsync(2) alone is used after one that took longer, doubled each time.
constexpr std::chrono::seconds kFirstStayAway{1};
constexpr std::chrono::seconds kLongestStayAway{300};
/// A group over more file systems than this is synced file by file.
constexpr std::size_t kMaxFileSystems = 4;

/// Before Linux 5.8 syncfs(2) did not tell of data that could not be written.
bool tells_errors() {
  utsname name{};
  unsigned major = 0;
  unsigned minor = 0;
  if (::uname(&name) != 0) return false;
  const std::span<const char> release(name.release);
  if (std::sscanf(release.data(), "%u.%u", &major, &minor) != 2) return false;
  return major > 5 || (major == 5 && minor >= 8);
}

/// On these it does all that fsync(2) of each file does. (On FUSE and network file systems it may
/// not even reach the server.)
bool is_as_good_as_fsync(int file) {
  struct statfs info{};
  if (::fstatfs(file, &info) != 0) return false;
  constexpr std::array<decltype(info.f_type), 3> kTypes = {EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC,
                                                           BTRFS_SUPER_MAGIC};
  return std::ranges::find(kTypes, info.f_type) != kTypes.end();
}

int sync_one(int file) {
  // Some network file systems cannot sync a folder, and make no promise that it would strengthen.
  return ::fsync(file) == 0 || errno == EINVAL ? 0 : errno;
}

/// Whether all of the file system that `file` is on is on disk. `told` is what fsync(2) said of
/// `file`, where it was asked.
///
/// On ext4 without a journal syncfs(2) has the disk empty its cache, and writes the last blocks of
/// the folders behind that: they may be in the cache when it returns. The fsync(2) of a file that
/// has nothing to write any more empties it again, and costs nothing but that.
bool sync_file_system(int file, int& told) {
  if (::syncfs(file) != 0) return false;
  struct statfs info{};
  // On one that turned read-only after an error it does nothing, and says that it succeeded.
  if (::fstatfs(file, &info) != 0 || (info.f_flags & ST_RDONLY) != 0) return false;
  if (info.f_type == EXT4_SUPER_MAGIC) told = sync_one(file);
  return told == 0;
}

/// 0, or why something of the file could not be written. syncfs(2) tells only of what happened
/// since its own descriptor was opened; this is after it, waits for nothing, and tells it once.
int error_of(int file) {
  return ::sync_file_range(file, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE) == 0 ? 0 : errno;
}

}  // namespace

DiskSync::DiskSync(const Clock& clock)
    : clock_(clock), kernel_tells_errors_(tells_errors()), away_for_(kFirstStayAway) {}

void DiskSync::sync(std::span<const int> files, std::span<int> errors) {
  std::ranges::fill(errors, 0);
  const bool together =
      files.size() >= kMinFiles && kernel_tells_errors_ && sync_together(files, errors);
  if (!together && files.size() > 1) {
    // Only starts the writing, of all before the wait for the first; what fails shows in fsync.
    for (const int file : files) (void)::sync_file_range(file, 0, 0, SYNC_FILE_RANGE_WRITE);
  }
  for (std::size_t i = 0; i < files.size(); ++i) {
    // An error is told once: what is known of a file is all there is to know.
    if (errors[i] == 0) errors[i] = together ? error_of(files[i]) : sync_one(files[i]);
  }
}

/// False when it was not tried or failed: fsync(2) tells which file has what error, but for those
/// that have it in `errors` already.
bool DiskSync::sync_together(std::span<const int> files, std::span<int> errors) {
  {
    const std::lock_guard lock(mutex_);
    if (clock_.now() < away_until_) return false;
  }
  struct FileSystem {
    dev_t device;
    std::size_t file;  // one that it has: the place in `files`
  };
  std::array<FileSystem, kMaxFileSystems> systems{};
  std::size_t count = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    struct stat info{};
    if (::fstat(files[i], &info) != 0) return false;
    const auto known = std::span(systems).first(count);
    const auto is_same = [&](const FileSystem& one) { return one.device == info.st_dev; };
    if (std::ranges::any_of(known, is_same)) continue;
    if (count == kMaxFileSystems || !is_as_good_as_fsync(files[i])) return false;
    systems.at(count++) = {info.st_dev, i};
  }
  const Monotonic began = clock_.now();
  for (const FileSystem& system : std::span(systems).first(count)) {
    if (sync_file_system(files[system.file], errors[system.file])) continue;
    stay_away();
    return false;
  }
  note_time(clock_.now() - began, files.size());
  return true;
}

void DiskSync::note_time(Duration taken, std::size_t files) {
  if (taken > kTimeForOne + kTimeForEach * files) return stay_away();
  const std::lock_guard lock(mutex_);
  away_for_ = kFirstStayAway;
}

void DiskSync::stay_away() {
  const std::lock_guard lock(mutex_);
  away_until_ = clock_.now() + away_for_;
  away_for_ = std::min<Duration>(away_for_ * 2, kLongestStayAway);
}

}  // namespace netd::smtp
