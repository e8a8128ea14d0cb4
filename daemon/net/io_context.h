#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "daemon/event/dispatcher.h"

namespace netd {

class Connection;
class Listener;

/// What all connections of one thread share: the loop and the scratch that bytes pass through on
/// their way, so that no connection needs buffers of its own.
struct IoContext {
  /// Large enough that bulk transfers are not bound by calls, small enough to stay in the cache.
  static constexpr std::size_t kInputSize = std::size_t{128} << 10;

  explicit IoContext(Dispatcher& loop)
      : dispatcher(loop), input_store(std::make_unique<char[]>(kInputSize)) {}

  [[nodiscard]] std::span<char> input() const { return {input_store.get(), kInputSize}; }

  Dispatcher& dispatcher;
  std::unique_ptr<char[]> input_store;
  std::string output;                ///< what `writer` has written in its callback so far
  std::size_t sent = 0;              ///< bytes that `writer` has sent in its callback so far
  std::vector<Listener*> listeners;  ///< all of the thread's: who share what there is of places
  Connection* writer = nullptr;      ///< in whose callback we are: the one that may use `output`
};

}  // namespace netd
