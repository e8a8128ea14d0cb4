// The least that a TCP echo server can do: epoll, one read and one write an exchange. What netd's
// echo is measured against.
#include <sys/epoll.h>

#include <array>
#include <string>
#include <unordered_map>

#include "tests/bench/echo/bench_socket.h"

namespace netd::bench {
namespace {

class RawEcho {
 public:
  explicit RawEcho(std::uint16_t port)
      : listener_(bound_socket(SOCK_STREAM | SOCK_NONBLOCK, port)) {
    if (epoll_ < 0) die("epoll_create1");
    if (::listen(listener_, 4096) != 0) die("listen");
    watch(EPOLL_CTL_ADD, listener_, EPOLLIN);
  }

  [[noreturn]] void run() {
    std::array<epoll_event, 512> events;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled
    while (true) {
      const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      if (count < 0 && errno != EINTR) die("epoll_wait");
      for (int i = 0; i < count; ++i) serve(events.at(static_cast<std::size_t>(i)));
    }
  }

 private:
  void serve(const epoll_event& event) {
    const int fd = event.data.fd;
    if (fd == listener_) {
      accept_all();
    } else if ((event.events & EPOLLOUT) != 0) {
      send_rest(fd);
    } else {
      echo(fd);
    }
  }

  void accept_all() {
    while (true) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
      watch(EPOLL_CTL_ADD, fd, EPOLLIN);
    }
  }

  void echo(int fd) {
    const ssize_t got = ::recv(fd, buffer_.data(), buffer_.size(), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
      ::close(fd);
      return;
    }
    const auto size = static_cast<std::size_t>(got);
    const ssize_t put = ::send(fd, buffer_.data(), size, MSG_NOSIGNAL);
    if (put < 0 && errno != EAGAIN) {
      ::close(fd);
      return;
    }
    const auto sent = static_cast<std::size_t>(put < 0 ? 0 : put);
    if (sent == size) return;
    rest_[fd].assign(buffer_.data() + sent, size - sent);
    watch(EPOLL_CTL_MOD, fd, EPOLLOUT);
  }

  void send_rest(int fd) {
    std::string& rest = rest_[fd];
    const ssize_t put = ::send(fd, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (put < 0 && errno == EAGAIN) return;
    if (put < 0) {
      rest_.erase(fd);
      ::close(fd);
      return;
    }
    rest.erase(0, static_cast<std::size_t>(put));
    if (!rest.empty()) return;
    rest_.erase(fd);
    watch(EPOLL_CTL_MOD, fd, EPOLLIN);
  }

  void watch(int operation, int fd, std::uint32_t what) const {
    epoll_event event{};
    event.events = what;
    event.data.fd = fd;
    if (::epoll_ctl(epoll_, operation, fd, &event) != 0) die("epoll_ctl");
  }

  int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  int listener_;
  std::array<char, std::size_t{64} << 10> buffer_{};
  std::unordered_map<int, std::string> rest_;  // what the kernel did not take, by descriptor
};

}  // namespace
}  // namespace netd::bench

int main(int argc, char** argv) {
  if (argc != 2) {
    (void)std::fprintf(stderr, "usage: %s PORT\n", argv[0]);
    return 2;
  }
  netd::bench::RawEcho(netd::bench::port_argument(argv[1])).run();
}
