// Brings many files to disk at once.
#pragma once

#include <mutex>
#include <span>

#include "daemon/base/clock.h"

namespace netd::smtp {

/// One fsync(2) each has the disk empty its cache for each of them. One syncfs(2) does so once for
/// all, and everybody else's unwritten data with them: from a few files on it is the faster one,
/// unless another program writes a lot. Which it is shows in how long it takes. Blocking; any
/// thread.
class DiskSync {
 public:
  /// `clock` must outlive it.
  explicit DiskSync(const Clock& clock);

  /// Makes everything that was written to `files`, which may be folders too, last. `errors` has a
  /// place for each: 0 or what fsync(2) says of it.
  void sync(std::span<const int> files, std::span<int> errors);

  /// From so many files on one syncfs(2) is tried.
  static constexpr std::size_t kMinFiles = 4;

 private:
  [[nodiscard]] bool sync_together(std::span<const int> files, std::span<int> errors);
  void note_time(Duration taken, std::size_t files);
  void stay_away();

  const Clock& clock_;
  const bool kernel_tells_errors_;
  std::mutex mutex_;  // guards all below
  Monotonic away_until_ = Monotonic::min();
  Duration away_for_;
};

}  // namespace netd::smtp
