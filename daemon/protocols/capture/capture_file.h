// One capture on its way from the socket to the disk.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/base/error.h"
#include "daemon/base/thread_pool.h"
#include "daemon/protocols/capture/folder.h"

namespace netd::capture {

/// Takes bytes in a worker's thread and writes them in the pool's, in order. Whatever arrives
/// while a write runs goes into the next one.
// shared_ptr: the session lets go when its connection closes, the last job when all is written.
class CaptureFile final : public std::enable_shared_from_this<CaptureFile> {
 public:
  enum class Ending : std::uint8_t {
    complete,    ///< kept under its name
    incomplete,  ///< kept as NAME.incomplete
    discarded,
  };
  struct Progress {
    std::size_t backlog = 0;     ///< bytes taken and not yet written
    bool finished = false;       ///< the ending has been carried out, or there was an error
    std::optional<Error> error;  ///< nothing is left of the file
  };

  /// `on_progress` is called in the store's threads after each write, under a lock: it may only
  /// post.
  CaptureFile(ThreadPool& pool, std::shared_ptr<Folder> folder, std::string name,
              std::function<void()> on_progress);
  ~CaptureFile();
  CaptureFile(const CaptureFile&) = delete;
  CaptureFile& operator=(const CaptureFile&) = delete;

  /// False when the pool is too busy to take the job; the file is then lost.
  [[nodiscard]] bool append(std::string_view bytes);
  /// Nothing may be appended after it. Without it, what was written is discarded.
  [[nodiscard]] bool end(Ending ending);
  /// No call of `on_progress` from now on.
  void detach();

  [[nodiscard]] Progress progress() const;

 private:
  [[nodiscard]] bool schedule();
  void work();
  [[nodiscard]] Result<void> write(std::string_view bytes);
  [[nodiscard]] Result<void> finish(Ending ending);
  void settle(const Result<void>& result);

  ThreadPool& pool_;
  const std::shared_ptr<Folder> folder_;
  const std::string name_;
  std::optional<Draft> draft_;  // the running job's

  mutable std::mutex mutex_;  // guards all below
  std::function<void()> on_progress_;
  std::string pending_;
  std::size_t writing_ = 0;  // bytes in the running job's hands
  std::optional<Ending> ending_;
  std::optional<Error> error_;
  bool finished_ = false;
  bool scheduled_ = false;  // a job waits or runs
};

}  // namespace netd::capture
