// What fails over and over, as a disk does for everybody who comes: how often the log is told.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/base/clock.h"

namespace netd {

/// The first failure is worth an entry, as is one for another reason, and the end of what was told.
/// But where it comes and goes, as on a disk that has room for small files only, each is told once
/// a minute: clients must not fill the log with it. Any thread.
class Trouble {
 public:
  /// `reason`: failures that share it are one trouble. `what` is for what(). True: tell it.
  [[nodiscard]] bool begins(std::string_view reason, std::string what, Monotonic now);
  /// Something went well. True: tell it.
  [[nodiscard]] bool ends();
  /// The last failure; empty when something went well since.
  [[nodiscard]] std::string what() const;

 private:
  std::atomic<bool> there_{false};  // so that those who do well take no lock
  mutable std::mutex mutex_;        // guards all below
  std::string what_;
  std::string reason_;  // that was told
  bool told_ = false;   // and its end was not
  std::optional<Monotonic> told_at_;
};

}  // namespace netd
