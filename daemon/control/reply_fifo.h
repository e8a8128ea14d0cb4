#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "daemon/base/unique_fd.h"
#include "daemon/event/dispatcher.h"
#include "daemon/event/timer.h"

namespace netd::control {

/// The writing end of a FIFO whose readers come and go. Never blocks and never holds more than a
/// bound; lines that find no reader, or no room, are gone.
class ReplyFifo {
 public:
  /// Of lines that the pipe has no room for. One line alone may be longer.
  static constexpr std::size_t kMaxPending = std::size_t{1} << 20;

  /// `path` may be empty: nobody ever reads. `dispatcher` must outlive this.
  ReplyFifo(Dispatcher& dispatcher, std::string path);

  /// With its line end. False when it was dropped.
  bool write(std::string_view line);
  [[nodiscard]] bool has_reader();

 private:
  bool open();
  void send();
  void close();

  std::string path_;
  UniqueFd fd_;
  std::string pending_;
  Timer retry_;
  std::chrono::milliseconds retry_delay_;
};

}  // namespace netd::control
