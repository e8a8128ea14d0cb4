// A binary heap whose elements know their place in it, so that any of them can be taken out in
// O(log n).
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace netd::tasks {

/// The number of a task's place in memory; used anew after the task is gone.
using Slot = std::uint32_t;
inline constexpr Slot kNoSlot = UINT32_MAX;

/// `Order` says which of two slots goes first, `before(a, b)`, and keeps the place of each,
/// `place(slot) -> std::uint32_t&`. It is given to every call instead of being kept: a heap is then
/// nothing but its vector.
template <class Order>
class IndexedHeap {
 public:
  [[nodiscard]] bool empty() const { return slots_.empty(); }
  [[nodiscard]] std::size_t size() const { return slots_.size(); }
  /// kNoSlot when empty.
  [[nodiscard]] Slot top() const { return slots_.empty() ? kNoSlot : slots_.front(); }
  /// In no particular order.
  [[nodiscard]] const std::vector<Slot>& slots() const { return slots_; }

  void push(Slot slot, Order order) {
    slots_.push_back(slot);
    sift_up(slots_.size() - 1, order);
  }

  void erase(Slot slot, Order order) {
    const std::size_t at = order.place(slot);
    assert(at < slots_.size() && slots_[at] == slot);
    const Slot last = slots_.back();
    slots_.pop_back();
    order.place(slot) = kNoSlot;
    if (last != slot) {
      put(at, last, order);
      sift_up(at, order);
      sift_down(order.place(last), order);
    }
    if (slots_.capacity() > kKeep && slots_.size() < slots_.capacity() / 4) slots_.shrink_to_fit();
  }

 private:
  static constexpr std::size_t kKeep = 1024;  // too little to give back

  void put(std::size_t at, Slot slot, Order order) {
    slots_[at] = slot;
    order.place(slot) = static_cast<std::uint32_t>(at);
  }

  void sift_up(std::size_t at, Order order) {
    const Slot moving = slots_[at];
    while (at > 0) {
      const std::size_t parent = (at - 1) / 2;
      if (!order.before(moving, slots_[parent])) break;
      put(at, slots_[parent], order);
      at = parent;
    }
    put(at, moving, order);
  }

  void sift_down(std::size_t at, Order order) {
    const Slot moving = slots_[at];
    for (;;) {
      std::size_t child = at * 2 + 1;
      if (child >= slots_.size()) break;
      if (child + 1 < slots_.size() && order.before(slots_[child + 1], slots_[child])) ++child;
      if (!order.before(slots_[child], moving)) break;
      put(at, slots_[child], order);
      at = child;
    }
    put(at, moving, order);
  }

  std::vector<Slot> slots_;
};

}  // namespace netd::tasks
