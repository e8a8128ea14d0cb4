#include "daemon/net/stream.h"

#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include <cerrno>

namespace netd {

namespace {

IoResult failure(int error) {
  if (error == EAGAIN || error == EINTR) {
    return {.outcome = IoResult::Outcome::would_block};
  }
  return {.outcome = IoResult::Outcome::failed, .error = error};
}

// What may wait in the kernel that has not been sent once. What waits behind a congestion control
// that paces (BBR does) holds its estimate of the path down to what it has let through, and a timer
// interrupt is then spent on each segment. The kernel asks for more below half of it: push() comes
// before whoever waits for that, as TCP_CORK may hold back more.
constexpr int kMaxNotSent = 16 << 10;

void set_tcp(int fd, int option, int value) {
  (void)::setsockopt(fd, IPPROTO_TCP, option, &value, sizeof value);
}

IoResult moved(ssize_t count) {
  return {.outcome = IoResult::Outcome::done, .count = static_cast<std::size_t>(count)};
}

}  // namespace

IoResult Stream::read(std::span<char> into) {
  if (tls_) return tls_->read(into);
  const ssize_t count = ::recv(socket_.get(), into.data(), into.size(), 0);
  if (count < 0) return failure(errno);
  if (count == 0) return {.outcome = IoResult::Outcome::ended};
  return moved(count);
}

IoResult Stream::write(std::string_view bytes, bool more) {
  if (tls_) return tls_->write(bytes);
  const int flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0);
  const ssize_t count = ::send(socket_.get(), bytes.data(), bytes.size(), flags);
  return count < 0 ? failure(errno) : moved(count);
}

IoResult Stream::send_file(int file, std::uint64_t& offset, std::size_t length) {
  if (tls_) return {.outcome = IoResult::Outcome::failed, .error = EOPNOTSUPP};
  auto position = static_cast<off_t>(offset);
  const ssize_t count = ::sendfile(socket_.get(), file, &position, length);
  if (count < 0) return failure(errno);
  if (count == 0) return {.outcome = IoResult::Outcome::ended};
  offset = static_cast<std::uint64_t>(position);
  return moved(count);
}

void Stream::begin_bulk() {
  set_tcp(socket_.get(), TCP_NOTSENT_LOWAT, kMaxNotSent);
  set_tcp(socket_.get(), TCP_CORK, 1);
}

// Set once more, it sends what TCP_CORK holds back.
void Stream::push() { set_tcp(socket_.get(), TCP_NODELAY, 1); }

void Stream::end_bulk() { set_tcp(socket_.get(), TCP_CORK, 0); }

bool Stream::start_tls(const TlsContext& context) {
  tls_ = TlsChannel::open(context, socket_.get());
  return tls_ != nullptr;
}

bool Stream::has_unread() const {
  int bytes = 0;
  return tls_ || (::ioctl(socket_.get(), FIONREAD, &bytes) == 0 && bytes > 0);
}

std::uint64_t Stream::unsent() const {
  int bytes = 0;
  if (::ioctl(socket_.get(), SIOCOUTQ, &bytes) != 0 || bytes < 0) return 0;
  return static_cast<std::uint64_t>(bytes);
}

void Stream::shutdown_write() {
  if (tls_) tls_->shutdown_write();
  // The peer may have closed already: then there is nobody to tell.
  (void)::shutdown(socket_.get(), SHUT_WR);
}

void Stream::close() {
  tls_.reset();
  socket_.reset();
}

void Stream::reset() {
  const linger now{.l_onoff = 1, .l_linger = 0};
  (void)::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close();
}

SocketAddress Stream::local_address() const {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  if (::getsockname(socket_.get(), address, &size) != 0) return {};
  return {address, size};
}

}  // namespace netd
