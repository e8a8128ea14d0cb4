#include "daemon/event/small_blocks.h"

#include <event2/event.h>

#include <cstdlib>
#include <cstring>
#include <functional>
#include <new>

namespace netd {

namespace {

constinit SmallBlocks small_blocks;

void* allocate(std::size_t size) {
  if (size <= SmallBlocks::kBlockSize) {
    if (void* const block = small_blocks.take()) return block;
  }
  return std::malloc(size);
}

void release(void* memory) {
  if (small_blocks.owns(memory)) {
    small_blocks.give_back(memory);
  } else {
    std::free(memory);
  }
}

/// What was small and has to grow moves; what grows anyway does not begin small.
void* reallocate(void* memory, std::size_t size) {
  if (!small_blocks.owns(memory)) return std::realloc(memory, size);
  if (size <= SmallBlocks::kBlockSize && size > 0) return memory;
  void* const moved = size > 0 ? std::malloc(size) : nullptr;
  if (moved != nullptr) std::memcpy(moved, memory, SmallBlocks::kBlockSize);
  if (moved != nullptr || size == 0) small_blocks.give_back(memory);
  return moved;
}

}  // namespace

void* SmallBlocks::take() {
  const std::lock_guard lock(mutex_);
  if (free_ != nullptr) {
    void* const block = free_;
    free_ = free_->next;
    return block;
  }
  if (used_ == store_.size()) return nullptr;
  return store_[used_++].bytes.data();
}

bool SmallBlocks::owns(const void* block) const {
  const void* const begin = store_.data();
  const void* const end = store_.data() + store_.size();
  return !std::less<>()(block, begin) && std::less<>()(block, end);
}

void SmallBlocks::give_back(void* block) {
  const std::lock_guard lock(mutex_);
  free_ = ::new (block) Free{free_};
}

void set_libevent_memory() {
  static const bool done = [] {
    ::event_set_mem_functions(allocate, reallocate, release);
    return true;
  }();
  (void)done;
}

}  // namespace netd
