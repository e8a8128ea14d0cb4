// A file of lines beside the log (`access_log = PATH`).
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "daemon/base/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/line_writer.h"
#include "daemon/base/unique_fd.h"

namespace netd {

/// Whoever writes a line never waits for the file: a thread of the file's own gathers lines for a
/// moment and writes them together. Only when more than kMaxWaiting is still to be written are
/// lines dropped, and the log tells how many. Any thread.
class AccessLogFile {
 public:
  static constexpr std::size_t kMaxWaiting = std::size_t{8} << 20;  ///< bytes

  /// Appends to `path`, which need not be there yet, nor its folders. The log must be running as
  /// long as the file is.
  [[nodiscard]] static Result<std::shared_ptr<AccessLogFile>> open(const std::string& path);
  /// Writes what waits, but no longer than a second where nobody takes it.
  ~AccessLogFile();
  AccessLogFile(const AccessLogFile&) = delete;
  AccessLogFile& operator=(const AccessLogFile&) = delete;

  /// `line` comes without its line end. Control characters are escaped.
  void write(std::string_view line);
  /// Opens the path anew, for logrotate(8): no line is lost, doubled or split by it. On failure the
  /// old file stays in use.
  [[nodiscard]] Result<void> reopen();

 private:
  struct File {
    explicit File(UniqueFd descriptor) : fd(std::move(descriptor)), writer(fd.get()) {}
    UniqueFd fd;
    LineWriter writer;  // depends on: fd
  };
  static constexpr std::chrono::milliseconds kGather{5};

  AccessLogFile(std::string path, std::shared_ptr<File> file);
  [[nodiscard]] static Result<std::shared_ptr<File>> open_file(const std::string& path);
  void run();
  void write_batch(File& file, std::string_view batch, std::size_t dropped);
  void tell_lost(std::size_t lines, std::string_view why);

  const std::string path_;
  std::mutex mutex_;  // guards all up to the thread
  std::condition_variable wakeup_;
  std::string waiting_;  // whole lines
  std::size_t dropped_ = 0;
  std::shared_ptr<File> file_;  // shared: reopen() replaces it while the thread writes
  bool idle_ = false;           // the thread waits for the first line
  bool ending_ = false;
  std::size_t lost_ = 0;              // the thread's: lines, not told yet
  std::optional<Monotonic> told_at_;  // the thread's
  std::thread thread_;
};

}  // namespace netd
