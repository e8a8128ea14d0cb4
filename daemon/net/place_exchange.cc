#include "daemon/net/place_exchange.h"

#include <algorithm>

namespace netd {

void PlaceExchange::join(Listener& listener, Dispatcher& dispatcher) {
  const std::lock_guard lock(mutex_);
  members_.push_back({&listener, &dispatcher});
}

void PlaceExchange::leave(const Listener& listener) {
  const std::lock_guard lock(mutex_);
  std::erase_if(members_, [&](const Member& one) { return one.listener == &listener; });
}

bool PlaceExchange::has(const Listener* listener) const {
  const std::lock_guard lock(mutex_);
  return std::ranges::any_of(members_, [&](const Member& one) { return one.listener == listener; });
}

void PlaceExchange::ask_others(const Listener& except,
                               const std::function<void(Listener*)>& ask) const {
  // With the lock held no dispatcher goes: a listener leaves before its dispatcher ends.
  const std::lock_guard lock(mutex_);
  for (const Member& one : members_) {
    if (one.listener == &except) continue;
    one.dispatcher->post([ask, listener = one.listener] { ask(listener); });
  }
}

}  // namespace netd
