// The one seam between a connection and its socket: whatever stands between the two later (TLS)
// goes in here, and nowhere else.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "daemon/base/unique_fd.h"
#include "daemon/net/socket_address.h"

namespace netd {

/// An open file that several connections may be sending at once; closed when the last lets go.
/// shared_ptr because a cache and any number of transfers hold it, in no fixed order.
using SharedFile = std::shared_ptr<const UniqueFd>;

/// How an operation on a non-blocking socket went.
struct IoResult {
  enum class Outcome : std::uint8_t { done, would_block, ended, failed };
  Outcome outcome = Outcome::done;
  std::size_t count = 0;  ///< bytes moved, when done
  int error = 0;          ///< errno, when failed
};

class Stream {
 public:
  explicit Stream(UniqueFd socket) : socket_(std::move(socket)) {}

  /// ended: the peer has finished sending.
  [[nodiscard]] IoResult read(std::span<char> into);
  /// `more`: other bytes follow at once, so that the kernel may wait with a short segment.
  [[nodiscard]] IoResult write(std::string_view bytes, bool more);
  /// Advances `offset`. ended: the file is shorter than `offset + length`.
  [[nodiscard]] IoResult send_file(int file, std::uint64_t& offset, std::size_t length);
  void shutdown_write();
  void close() { socket_.reset(); }
  /// Closes with RST where the transport knows one.
  void reset();
  [[nodiscard]] SocketAddress local_address() const;
  [[nodiscard]] int fd() const { return socket_.get(); }

 private:
  UniqueFd socket_;
};

}  // namespace netd
