#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "daemon/base/error.h"
#include "daemon/base/unique_fd.h"
#include "daemon/event/read_watch.h"

namespace netd {

/// In the calling thread, and so in every thread that it starts later.
[[nodiscard]] Result<void> block_signals(const std::vector<int>& numbers);

/// Delivers signals as ordinary callbacks of one dispatcher, through signalfd(2).
class Signals {
 public:
  /// Blocks the signals; threads that run already must have them blocked, too.
  [[nodiscard]] static Result<std::unique_ptr<Signals>> create(
      Dispatcher& dispatcher, const std::vector<int>& numbers,
      std::function<void(int number)> callback);

 private:
  explicit Signals(std::function<void(int)> callback) : callback_(std::move(callback)) {}
  void read();

  std::function<void(int)> callback_;
  UniqueFd fd_;
  std::unique_ptr<ReadWatch> watch_;  // depends on: fd_
};

}  // namespace netd
