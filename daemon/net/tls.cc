#include "daemon/net/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cerrno>
#include <limits>

namespace netd {

namespace {

/// What OpenSSL has to say about the call that failed last, and a clean slate for the next. Of
/// several reasons the first is the cause.
std::string last_openssl_error() {
  const unsigned long code = ::ERR_get_error();
  ::ERR_clear_error();
  if (ERR_SYSTEM_ERROR(code)) return system_error("read", ERR_GET_REASON(code)).what();
  const char* const reason = code != 0 ? ::ERR_reason_error_string(code) : nullptr;
  return reason != nullptr ? reason : "not usable";
}

int length_of(std::size_t size) {
  return static_cast<int>(std::min<std::size_t>(size, std::numeric_limits<int>::max()));
}

/// A key with a passphrase would have OpenSSL ask for it at the terminal.
int no_passphrase(char*, int, int, void*) { return 0; }

}  // namespace

Result<std::shared_ptr<const TlsContext>> TlsContext::load(const std::string& certificate_file,
                                                           const std::string& key_file) {
  ::ERR_clear_error();
  ssl_ctx_st* const raw = ::SSL_CTX_new(::TLS_server_method());
  if (raw == nullptr) return netd::fail("TLS: " + last_openssl_error());
  std::shared_ptr<const TlsContext> context(new TlsContext(raw));
  if (::SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION) != 1) {
    return netd::fail("TLS 1.2: " + last_openssl_error());
  }
  // A client that closes without close_notify has ended, no more: what it sends ends as its own
  // protocol says, never by the end of the connection.
  ::SSL_CTX_set_options(raw, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
  ::SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  (void)::SSL_CTX_set_num_tickets(raw, 0);
  // What the socket did not take is offered again from a queue, at another address; and an idle
  // client costs no record buffers.
  ::SSL_CTX_set_mode(raw, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
  ::SSL_CTX_set_default_passwd_cb(raw, no_passphrase);
  if (::SSL_CTX_use_certificate_chain_file(raw, certificate_file.c_str()) != 1) {
    return netd::fail(certificate_file + ": no certificate: " + last_openssl_error());
  }
  if (::SSL_CTX_use_PrivateKey_file(raw, key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    return netd::fail(key_file + ": no key: " + last_openssl_error());
  }
  if (::SSL_CTX_check_private_key(raw) != 1) {
    return netd::fail(key_file + ": not the key of " + certificate_file + ": " +
                      last_openssl_error());
  }
  return context;
}

TlsContext::~TlsContext() { ::SSL_CTX_free(context_); }

std::unique_ptr<TlsChannel> TlsChannel::open(const TlsContext& context, int socket) {
  ssl_st* const raw = ::SSL_new(context.context_);
  if (raw == nullptr || ::SSL_set_fd(raw, socket) != 1) {
    ::SSL_free(raw);
    ::ERR_clear_error();
    return nullptr;
  }
  ::SSL_set_accept_state(raw);
  return std::unique_ptr<TlsChannel>(new TlsChannel(raw));
}

TlsChannel::~TlsChannel() { ::SSL_free(channel_); }

IoResult TlsChannel::failure(int result) {
  const int saved = errno;
  const int error = ::SSL_get_error(channel_, result);
  ::ERR_clear_error();
  switch (error) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return {.outcome = IoResult::Outcome::would_block};
    case SSL_ERROR_ZERO_RETURN:
      return {.outcome = IoResult::Outcome::ended};
    case SSL_ERROR_SYSCALL:
      broken_ = true;
      return {.outcome = IoResult::Outcome::failed, .error = saved != 0 ? saved : ECONNRESET};
    default:
      broken_ = true;
      return {.outcome = IoResult::Outcome::failed, .error = EPROTO};
  }
}

IoResult TlsChannel::read(std::span<char> into) {
  if (broken_) return {.outcome = IoResult::Outcome::failed, .error = EPROTO};
  ::ERR_clear_error();
  errno = 0;
  const int count = ::SSL_read(channel_, into.data(), length_of(into.size()));
  read_wants_write_ = count <= 0 && ::SSL_want(channel_) == SSL_WRITING;
  if (count <= 0) return failure(count);
  return {.outcome = IoResult::Outcome::done, .count = static_cast<std::size_t>(count)};
}

IoResult TlsChannel::write(std::string_view bytes) {
  if (broken_) return {.outcome = IoResult::Outcome::failed, .error = EPROTO};
  if (::SSL_is_init_finished(channel_) != 1) {
    return {.outcome = IoResult::Outcome::failed, .error = ENOTCONN};
  }
  if (bytes.empty()) return {.outcome = IoResult::Outcome::done};
  ::ERR_clear_error();
  errno = 0;
  const int count = ::SSL_write(channel_, bytes.data(), length_of(bytes.size()));
  if (count <= 0) return failure(count);
  return {.outcome = IoResult::Outcome::done, .count = static_cast<std::size_t>(count)};
}

void TlsChannel::shutdown_write() {
  if (broken_ || ::SSL_is_init_finished(channel_) != 1) return;
  ::ERR_clear_error();
  (void)::SSL_shutdown(channel_);
  ::ERR_clear_error();
}

std::string TlsChannel::description() const {
  if (broken_ || ::SSL_is_init_finished(channel_) != 1) return {};
  return std::string(::SSL_get_version(channel_)) + ' ' + ::SSL_get_cipher_name(channel_);
}

}  // namespace netd
