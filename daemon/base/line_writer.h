// Lines to a descriptor whose reader may have stopped reading, or whose disk may be full.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <string_view>

namespace netd {

/// Standard error is somebody else's: a pipe that nobody empties, a terminal that has been stopped.
/// A daemon must neither stand still nor fail to end because of that, and must not make the
/// descriptor non-blocking either, as others write to it, too. Not thread-safe but for hurry().
class LineWriter {
 public:
  /// How long a reader that has stopped is waited for, once, before lines are dropped.
  static constexpr std::chrono::milliseconds kPatience{1000};

  /// `fd` must stay open while the writer lives; it is not closed.
  explicit LineWriter(int fd) : fd_(fd) {}

  /// Writes `line`, which comes without its end, whole. False: dropped, because the reader does not
  /// read. When there is no reader any more the line counts as written: nobody is left to be told.
  [[nodiscard]] bool write(std::string_view line);
  /// Writes whole lines, each with its end, and returns how many bytes of them were: less than all
  /// when the rest was dropped. Others who append to the same file see no line split by theirs,
  /// unless it is longer than PIPE_BUF.
  [[nodiscard]] std::size_t write_lines(std::string_view lines);
  /// After a drop: the errno of the write that failed, or 0 for a reader who does not read.
  [[nodiscard]] int error() const { return error_; }
  /// From now on all writes together wait for the reader only once. Any thread.
  void hurry() { hurried_.store(true, std::memory_order_relaxed); }

 private:
  std::size_t put(std::string_view text);
  [[nodiscard]] bool wait_for_room();
  [[nodiscard]] std::chrono::milliseconds patience();

  int fd_;
  std::atomic<bool> hurried_{false};
  std::chrono::steady_clock::time_point give_up_at_{};  // zero until a write after hurry()
  int error_ = 0;
  bool stalled_ = false;  // the reader has been waited for in vain
  bool in_line_ = false;  // a dropped line has left its beginning
};

}  // namespace netd
