#pragma once

#include <functional>
#include <memory>

#include "daemon/base/error.h"
#include "daemon/event/event_ptr.h"

namespace netd {

class Dispatcher;

/// Calls a function while a descriptor is readable (level-triggered). For what is not a stream
/// connection: listening sockets, UDP sockets, FIFOs, signals.
class ReadWatch {
 public:
  /// The descriptor stays the caller's and must outlive the watch.
  [[nodiscard]] static Result<std::unique_ptr<ReadWatch>> create(Dispatcher& dispatcher, int fd,
                                                                 std::function<void()> callback);
  ReadWatch(const ReadWatch&) = delete;
  ReadWatch& operator=(const ReadWatch&) = delete;

  void pause();
  void resume();

 private:
  explicit ReadWatch(std::function<void()> callback) : callback_(std::move(callback)) {}

  std::function<void()> callback_;
  EventPtr event_;
};

}  // namespace netd
