// Where tasks outlive the process.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "daemon/base/error.h"
#include "daemon/tasks/record.h"

namespace netd::tasks {

struct StoreError {
  enum class Kind : std::uint8_t {
    full,     // no room on the disk
    io,       // the disk fails, or the file went read-only
    damaged,  // what was read is not what was written
  };
  Kind kind;
  std::string what;
};

/// Whether an operation takes room that only others give back. On a disk that gets full these are
/// refused first, so that what makes room can still be done.
[[nodiscard]] constexpr bool grows(StoreOp::Kind kind) {
  return kind == StoreOp::Kind::put || kind == StoreOp::Kind::probe;
}

/// Belongs to one thread at a time.
class Store {
 public:
  Store() = default;
  virtual ~Store() = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  struct Visitor {
    std::function<Result<void>(const Record&)> task;  // in the order of seq
    std::function<void(std::string_view)> paused_queue;
    /// The ids of results, those that expired or are gone perhaps included. May be empty.
    std::function<void(std::string_view)> result{};
  };
  /// Shows all that is stored, once, before the first commit. Stops at the visitor's first error.
  [[nodiscard]] virtual Result<void> load(const Visitor& visitor) = 0;

  /// All of the changes or none. Returns when they are as durable as the store was opened for.
  /// StoreError::Kind::full of operations of which some grow(): without those it may succeed.
  [[nodiscard]] virtual std::optional<StoreError> commit(std::span<StoreOp> ops) = 0;

  /// What was committed now survives the loss of power.
  [[nodiscard]] virtual std::optional<StoreError> sync() = 0;

  /// House-keeping between commits. `idle`: nobody waits. Returns whether there is more to do.
  virtual bool maintain(bool idle) = 0;

  /// For people: what keeps the store from its ordinary course although commits succeed; empty
  /// where nothing does. Any thread.
  [[nodiscard]] virtual std::string trouble() const { return {}; }

  /// What the store's files take.
  [[nodiscard]] virtual std::uint64_t disk_bytes() const = 0;
};

}  // namespace netd::tasks
