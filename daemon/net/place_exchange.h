// How a worker that has no place for a client, and nobody to let go, asks the others for one.
#pragma once

#include <functional>
#include <mutex>
#include <vector>

#include "daemon/event/dispatcher.h"

namespace netd {

class Listener;

/// The workers' listeners of one name. Any thread.
class PlaceExchange {
 public:
  /// By the listener's own thread; `dispatcher` is that thread's, and outlives the listener.
  void join(Listener& listener, Dispatcher& dispatcher);
  void leave(const Listener& listener);
  /// Whether it has joined and not left. Only its own thread can rely on the answer.
  [[nodiscard]] bool has(const Listener* listener) const;
  /// Has `ask` called for every other listener in that one's thread, later. It is for `ask` to find
  /// out with has() whether there still is one.
  void ask_others(const Listener& except, const std::function<void(Listener*)>& ask) const;

 private:
  struct Member {
    Listener* listener;
    Dispatcher* dispatcher;
  };

  mutable std::mutex mutex_;  // guards all below
  std::vector<Member> members_;
};

}  // namespace netd
