#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/net/stream.h"

namespace netd {

/// What the kernel has not taken yet of one connection's output, in order: bytes and parts of
/// files. Takes no memory while it is empty.
class OutputQueue {
 public:
  [[nodiscard]] bool empty() const { return segments_ == nullptr; }
  /// Bytes held in memory; files count nothing.
  [[nodiscard]] std::size_t memory() const { return memory_; }

  void append(std::string_view bytes);
  void append_file(SharedFile file, std::uint64_t offset, std::uint64_t length);

  /// Sends from the front. done with the count when something was sent and more may follow or the
  /// queue is empty now; ended when a file was shorter than promised. Sends at most about kMaxTurn
  /// bytes, so that one fast reader does not hold up the loop.
  [[nodiscard]] IoResult send(Stream& stream);

  void clear();

 private:
  // In one sendfile(2): one short segment at its end instead of one after each 64 KiB.
  static constexpr std::size_t kMaxTurn = std::size_t{512} << 10;

  struct Segment {
    std::string bytes;  // of a file segment: empty
    SharedFile file;
    std::uint64_t offset = 0;  // into bytes or the file
    std::uint64_t left = 0;
    bool bulk = false;  // Stream::begin_bulk() has been called for it
  };
  [[nodiscard]] IoResult send_front(Stream& stream);

  std::unique_ptr<std::deque<Segment>> segments_;
  std::size_t memory_ = 0;
};

}  // namespace netd
