// Where libevent's smallest allocations come from.
#pragma once

#include <array>
#include <cstddef>
#include <mutex>

namespace netd {

/// libevent keeps a record of 16 bytes for each descriptor that it has ever watched, for as long as
/// its base lives. Allocated like everything else, they lie between the connections that come along
/// with them, and hold on to every page of a crowd that has left. Here they lie by themselves.
///
/// Any thread. Takes no memory before it is used, and never gives back what it has taken.
class SmallBlocks {
 public:
  static constexpr std::size_t kBlockSize = 16;
  static constexpr std::size_t kBlocks = std::size_t{1} << 18;

  /// Uninitialised, aligned for anything of its size. Null when all are taken.
  [[nodiscard]] void* take();
  [[nodiscard]] bool owns(const void* block) const;
  /// `block`: one that this owns and that is taken.
  void give_back(void* block);

 private:
  struct Free {
    Free* next;
  };
  struct alignas(kBlockSize) Block {
    std::array<std::byte, kBlockSize> bytes;
  };

  std::mutex mutex_;  // guards all below
  Free* free_ = nullptr;
  std::size_t used_ = 0;  // of store_, from its beginning: those behind were never touched
  std::array<Block, kBlocks> store_{};
};

/// Has libevent take its small blocks from one SmallBlocks of the process. Before libevent is first
/// called; calls after the first one do nothing. Any thread.
void set_libevent_memory();

}  // namespace netd
