// A layer beneath SQLite and the journal that forgets what was not synced, and fails when it is
// told to.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "daemon/tasks/journal_medium.h"
#include "daemon/tasks/store.h"

namespace netd::tasks::test {

/// One at a time. Files are really written, through SQLite's default layer; beside that it is known
/// of each what would be there after a loss of power.
class FragileVfs {
 public:
  static constexpr const char* kName = "netd-fragile";

  explicit FragileVfs(std::uint64_t seed);
  ~FragileVfs();
  FragileVfs(const FragileVfs&) = delete;
  FragileVfs& operator=(const FragileVfs&) = delete;

  /// The power goes before the write or sync that is `count` away from now: from then on image()
  /// is what the disk holds. What was not synced is there, is not there, or is torn between
  /// sectors.
  void lose_power_after(std::uint64_t count) {
    countdown_ = count;
    image_.clear();
    lost_ = false;
  }
  /// The power goes at once.
  void lose_power() {
    countdown_ = 1;
    tick();
  }
  /// With no file open: what lies on the disk from now on has survived.
  void forget() { files_.clear(); }
  [[nodiscard]] bool power_lost() const { return lost_; }
  /// The files by their names without folders.
  [[nodiscard]] const std::map<std::string, std::string>& image() const { return image_; }

  /// Journal files on the same disk.
  [[nodiscard]] OpenMedium media();

  /// SQLITE_OK, or what the next writes and syncs answer instead of doing anything.
  int write_error = SQLITE_OK;
  int sync_error = SQLITE_OK;
  /// What the next writes of the journal answer, after having written nothing, a part or all.
  std::optional<StoreError> journal_error;
  /// The next syncs of the journal fail, and what was to be synced never will be.
  bool journal_sync_fails = false;

 private:
  struct Change {
    std::int64_t at = 0;  // -1: the file is cut to `size`
    std::string bytes;
    std::int64_t size = 0;
  };
  struct FileState {
    std::string synced;
    std::vector<Change> pending;
  };
  struct File;
  class Medium;

  static int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags);
  static int write(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 at);
  static int truncate(sqlite3_file* file, sqlite3_int64 size);
  static int sync(sqlite3_file* file, int flags);

  void tick();
  static void apply(std::string& contents, const Change& change);

  static FragileVfs* self;
  sqlite3_vfs vfs_{};
  sqlite3_vfs* real_;
  sqlite3_io_methods methods_{};
  std::mt19937_64 random_;
  std::map<std::string, FileState> files_;
  std::uint64_t countdown_ = 0;
  bool lost_ = false;
  std::map<std::string, std::string> image_;
};

}  // namespace netd::tasks::test
