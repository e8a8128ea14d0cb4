#include "daemon/base/trouble.h"

#include <chrono>
#include <utility>

namespace netd {

namespace {

constexpr std::chrono::minutes kInterval{1};

}  // namespace

bool Trouble::begins(std::string_view reason, std::string what, Monotonic now) {
  const std::lock_guard lock(mutex_);
  there_.store(true, std::memory_order_relaxed);
  what_ = std::move(what);
  if (told_ && reason_ == reason) return false;
  if (told_at_ && now - *told_at_ < kInterval) return false;
  reason_ = reason;
  told_ = true;
  told_at_ = now;
  return true;
}

bool Trouble::ends() {
  if (!there_.load(std::memory_order_relaxed)) return false;
  const std::lock_guard lock(mutex_);
  there_.store(false, std::memory_order_relaxed);
  what_.clear();
  return std::exchange(told_, false);
}

std::string Trouble::what() const {
  const std::lock_guard lock(mutex_);
  return what_;
}

}  // namespace netd
