// Those who wait for something to happen, until they have waited long enough.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "daemon/base/clock.h"
#include "daemon/tasks/task.h"

namespace netd::tasks {

template <class Payload>
class WaitingRoom {
 public:
  struct Guest {
    std::uint64_t key = 0;  // what is waited for; a queue, a task
    Holder holder = 0;
    Monotonic deadline;
    Payload payload;
  };

  void add(Guest guest) {
    const std::uint64_t number = ++last_;
    by_key_.emplace(guest.key, number);
    by_deadline_.emplace(guest.deadline, number);
    if (guest.holder != 0) by_holder_.emplace(guest.holder, number);
    guests_.emplace(number, std::move(guest));
  }

  /// The one who has waited longest for `key`.
  std::optional<Guest> take_first(std::uint64_t key) {
    const auto found = by_key_.lower_bound({key, 0});
    if (found == by_key_.end() || found->first != key) return std::nullopt;
    return take(found->second);
  }

  std::optional<Guest> take_due(Monotonic now) {
    if (by_deadline_.empty() || by_deadline_.begin()->first > now) return std::nullopt;
    return take(by_deadline_.begin()->second);
  }

  std::optional<Guest> take_held_by(Holder holder) {
    const auto found = by_holder_.lower_bound({holder, 0});
    if (found == by_holder_.end() || found->first != holder) return std::nullopt;
    return take(found->second);
  }

  [[nodiscard]] bool has(std::uint64_t key) const {
    const auto found = by_key_.lower_bound({key, 0});
    return found != by_key_.end() && found->first == key;
  }
  [[nodiscard]] std::optional<Monotonic> next_deadline() const {
    if (by_deadline_.empty()) return std::nullopt;
    return by_deadline_.begin()->first;
  }
  [[nodiscard]] std::size_t size() const { return guests_.size(); }

 private:
  Guest take(std::uint64_t number) {
    auto node = guests_.extract(number);
    Guest guest = std::move(node.mapped());
    by_key_.erase({guest.key, number});
    by_deadline_.erase({guest.deadline, number});
    if (guest.holder != 0) by_holder_.erase({guest.holder, number});
    return guest;
  }

  // Numbers grow: among equals the first to come is the first to go.
  std::uint64_t last_ = 0;
  std::unordered_map<std::uint64_t, Guest> guests_;
  std::set<std::pair<std::uint64_t, std::uint64_t>> by_key_;
  std::set<std::pair<Monotonic, std::uint64_t>> by_deadline_;
  std::set<std::pair<Holder, std::uint64_t>> by_holder_;
};

}  // namespace netd::tasks
