// Room on the disk that is kept for what must still be possible when there is no other: bringing
// what was acknowledged into the database, and ending tasks.
//
// It lies in a file of its own, which is emptied when the database finds the disk full. Blocks
// behind the database's own end would be safer from other programs, but SQLite cuts its file to its
// size with every checkpoint, and they go with that.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>

#include "daemon/base/clock.h"
#include "daemon/base/unique_fd.h"

namespace netd::tasks {

/// Any thread.
class RoomReserve {
 public:
  /// What a process before this one has set aside is there still.
  explicit RoomReserve(std::string path);

  /// Whether at least so many bytes are set aside; where they are not, they are asked for. An
  /// attempt that failed is not repeated at once for as many bytes or more. Where something else
  /// than a full disk is in the way, the answer is true: that shows when the database is written.
  [[nodiscard]] bool ensure(std::uint64_t bytes);
  /// Gives all of it to whoever needs it.
  void release();
  [[nodiscard]] std::uint64_t size() const;

 private:
  [[nodiscard]] int grow_to(std::uint64_t bytes);

  const std::string path_;
  mutable std::mutex mutex_;
  // Guarded by mutex_:
  UniqueFd fd_;
  std::uint64_t size_ = 0;
  std::uint64_t refused_ = 0;  // so many bytes could not be had; 0: all could
  bool disk_is_full_ = false;  // which was why
  Monotonic refused_at_{};
};

}  // namespace netd::tasks
