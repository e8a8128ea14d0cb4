// The one seam between a connection and its socket: what stands between the two, as TLS does, goes
// in here, and nowhere else.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "daemon/base/unique_fd.h"
#include "daemon/net/io_result.h"
#include "daemon/net/socket_address.h"
#include "daemon/net/tls.h"

namespace netd {

/// An open file that several connections may be sending at once; closed when the last lets go.
/// shared_ptr because a cache and any number of transfers hold it, in no fixed order.
using SharedFile = std::shared_ptr<const UniqueFd>;

class Stream {
 public:
  explicit Stream(UniqueFd socket) : socket_(std::move(socket)) {}

  /// ended: the peer has finished sending. `into` has room for TlsChannel::kMaxRecord.
  [[nodiscard]] IoResult read(std::span<char> into);
  /// `more`: other bytes follow at once, so that the kernel may wait with a short segment.
  [[nodiscard]] IoResult write(std::string_view bytes, bool more);
  /// Advances `offset`. ended: the file is shorter than `offset + length`. Fails with EOPNOTSUPP
  /// under TLS, which has nothing to send from a file.
  [[nodiscard]] IoResult send_file(int file, std::uint64_t& offset, std::size_t length);
  /// For what takes many calls, until end_bulk(): short segments wait (tcp(7), TCP_CORK) until
  /// push(), and the kernel asks for more when it has sent nearly all that it has. Nothing under
  /// other transports.
  void begin_bulk();
  void push();
  void end_bulk();
  /// From here on all bytes pass through TLS; the handshake is part of the reads that follow. What
  /// was written before must have left. False when there is no memory for it.
  [[nodiscard]] bool start_tls(const TlsContext& context);
  /// Null without TLS.
  [[nodiscard]] const TlsChannel* tls() const { return tls_.get(); }
  /// The last read() waits until the socket takes output.
  [[nodiscard]] bool read_wants_write() const { return tls_ && tls_->read_wants_write(); }
  /// Bytes have come that nobody has read. Under TLS: they may have, whatever is in them.
  [[nodiscard]] bool has_unread() const;
  /// Bytes written that the peer's kernel has not acknowledged, or 0 where that is not known.
  [[nodiscard]] std::uint64_t unsent() const;
  void shutdown_write();
  void close();
  /// Closes with RST where the transport knows one.
  void reset();
  [[nodiscard]] SocketAddress local_address() const;
  [[nodiscard]] int fd() const { return socket_.get(); }

 private:
  UniqueFd socket_;
  std::unique_ptr<TlsChannel> tls_;  // depends on: socket_
};

}  // namespace netd
