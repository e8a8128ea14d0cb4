#include "daemon/protocols/smtp/housekeeper.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/prctl.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "daemon/base/log.h"

namespace netd::smtp {

namespace {

constexpr std::chrono::minutes kRetentionInterval{10};
/// Between two attempts to get the lock.
constexpr std::chrono::milliseconds kLockInterval{10};

}  // namespace

Housekeeper::Housekeeper(std::string root, std::string listener, const Retention& retention,
                         const UniqueNames& names, const Clock& clock)
    : root_(std::move(root)),
      listener_(std::move(listener)),
      retention_(retention),
      names_(names),
      clock_(clock),
      started_(clock.wall()),
      lock_(::open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  // Exclusive to find out, shared to tell others. Without locks in the file system: not alone.
  alone_ = take_lock(LOCK_EX);
  held_ = take_lock(LOCK_SH);
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void Housekeeper::run(const std::stop_token& stop) {
  ::prctl(PR_SET_NAME, "netd-mail-tidy");
  hold_lock(stop);
  sweep(stop);
  while (retention_.any() && !stop.stop_requested()) {
    retain(stop);
    pause(stop, kRetentionInterval);
  }
}

bool Housekeeper::take_lock(int how) { return lock_ && ::flock(lock_.get(), how | LOCK_NB) == 0; }

/// Another netd that starts may have been finding out just when we wanted to tell: without the lock
/// a third would take itself to be alone, and what we have in flight to be of a crash.
void Housekeeper::hold_lock(const std::stop_token& stop) {
  while (lock_ && !held_ && !stop.stop_requested()) {
    held_ = take_lock(LOCK_SH);
    if (held_ || errno != EWOULDBLOCK) return;
    pause(stop, kLockInterval);
  }
}

void Housekeeper::pause(const std::stop_token& stop, Duration time) {
  std::unique_lock lock(mutex_);
  wakeup_.wait_for(lock, stop, time, [] { return false; });
}

void Housekeeper::sweep(const std::stop_token& stop) {
  const SweepOptions options{.alone = alone_, .started = started_};
  const std::size_t removed = sweep_tmp(root_, names_, options, clock_.wall(), stop);
  if (removed == 0) return;
  LogEntry(LogLevel::info, "mail_tmp_swept")
      .listener(listener_)
      .protocol("smtp")
      .send("removed " + std::to_string(removed) + " unfinished messages from tmp/ below " + root_);
}

void Housekeeper::retain(const std::stop_token& stop) {
  const std::size_t removed = apply_retention(root_, retention_, clock_.wall(), stop);
  if (removed == 0) return;
  LogEntry(LogLevel::info, "mail_retention")
      .listener(listener_)
      .protocol("smtp")
      .send("removed " + std::to_string(removed) + " old messages below " + root_);
}

}  // namespace netd::smtp
