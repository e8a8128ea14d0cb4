// The thread that tidies one Maildir root.
#pragma once

#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

#include "daemon/base/clock.h"
#include "daemon/base/unique_fd.h"
#include "daemon/protocols/smtp/housekeeping.h"

namespace netd::smtp {

/// Sweeps tmp/ once at the start, off the path of the mail, and applies the retention again and
/// again. A lock on the root (flock(2), shared) tells whether another netd delivers there, whose
/// unfinished files are not ours to remove. While a program holds the root exclusively nothing is
/// tidied; mail is delivered all the same.
class Housekeeper {
 public:
  /// All references must outlive it.
  Housekeeper(std::string root, std::string listener, const Retention& retention,
              const UniqueNames& names, const Clock& clock);
  /// Does not wait for the end of a sweep, only for the file that it looks at.
  ~Housekeeper() = default;
  Housekeeper(const Housekeeper&) = delete;
  Housekeeper& operator=(const Housekeeper&) = delete;

 private:
  void run(const std::stop_token& stop);
  bool take_lock(int how);
  void hold_lock(const std::stop_token& stop);
  void pause(const std::stop_token& stop, Duration time);
  void sweep(const std::stop_token& stop);
  void retain(const std::stop_token& stop);

  const std::string root_;
  const std::string listener_;
  const Retention retention_;
  const UniqueNames& names_;
  const Clock& clock_;
  const WallTime started_;
  UniqueFd lock_;
  bool alone_ = false;
  bool held_ = false;  // the lock, shared; after the constructor only the thread looks
  std::mutex mutex_;   // guards nothing but the wait
  std::condition_variable_any wakeup_;
  std::jthread thread_;  // depends on: everything above
};

}  // namespace netd::smtp
