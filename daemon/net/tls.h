// TLS between a stream and its socket (RFC 8446, RFC 5246), by OpenSSL.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "daemon/base/error.h"
#include "daemon/net/io_result.h"

// OpenSSL's own names, so that its headers stay out of ours.
struct ssl_ctx_st;
struct ssl_st;

namespace netd {

/// A server's certificate chain and key with what it offers: TLS 1.2 and 1.3 with the ciphers of
/// the system's policy, no compression, no renegotiation, no resumption. Immutable once loaded; any
/// thread may open channels with it.
class TlsContext {
 public:
  /// Both files are PEM, the certificate's own first in its chain; one file may hold both. Errors
  /// name the file, also when the key is another certificate's.
  [[nodiscard]] static Result<std::shared_ptr<const TlsContext>> load(
      const std::string& certificate_file, const std::string& key_file);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

 private:
  friend class TlsChannel;
  explicit TlsContext(ssl_ctx_st* context) : context_(context) {}

  ssl_ctx_st* const context_;
};

/// The server's end of one TLS connection over a non-blocking socket, from the handshake on, which
/// read() carries out. One thread at a time. Borrows the socket.
class TlsChannel {
 public:
  /// Plaintext of one record (RFC 8446, section 5.1). A read with room for it leaves nothing behind
  /// in the channel that the socket would not announce.
  static constexpr std::size_t kMaxRecord = 16'384;

  /// Null when there is no memory for it.
  [[nodiscard]] static std::unique_ptr<TlsChannel> open(const TlsContext& context, int socket);
  ~TlsChannel();
  TlsChannel(const TlsChannel&) = delete;
  TlsChannel& operator=(const TlsChannel&) = delete;

  /// At most one record; `into` must have room for kMaxRecord.
  [[nodiscard]] IoResult read(std::span<char> into);
  /// Fails with ENOTCONN before the end of the handshake: there is nobody yet who could read it.
  [[nodiscard]] IoResult write(std::string_view bytes);
  /// The last read() would go on if the socket took output.
  [[nodiscard]] bool read_wants_write() const { return read_wants_write_; }
  /// Tells the peer that nothing follows (close_notify), if the socket takes it.
  void shutdown_write();

  /// "TLSv1.3 TLS_AES_256_GCM_SHA384"; empty before the end of the handshake.
  [[nodiscard]] std::string description() const;

 private:
  explicit TlsChannel(ssl_st* channel) : channel_(channel) {}
  [[nodiscard]] IoResult failure(int result);

  ssl_st* const channel_;
  bool read_wants_write_ = false;
  bool broken_ = false;  // after a fatal error OpenSSL must not be called for this channel again
};

}  // namespace netd
