// The least that an HTTP server can do: epoll, one read, and one write of the same prepared answer
// for each empty line that was read. It parses nothing. What netd's HTTP is measured against.
#include <sys/epoll.h>

#include <array>
#include <string>
#include <string_view>

#include "tests/bench/echo/bench_socket.h"

namespace netd::bench {
namespace {

class RawHttp {
 public:
  RawHttp(std::uint16_t port, std::size_t size)
      : answer_(
            "HTTP/1.1 200 OK\r\nServer: raw\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
            "Content-Type: text/plain\r\nContent-Length: " +
            std::to_string(size) + "\r\n\r\n" + std::string(size, 'x')),
        listener_(bound_socket(SOCK_STREAM | SOCK_NONBLOCK, port)) {
    if (epoll_ < 0) die("epoll_create1");
    if (::listen(listener_, 4096) != 0) die("listen");
    watch(listener_);
  }

  [[noreturn]] void run() {
    std::array<epoll_event, 512> events;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled
    while (true) {
      const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      if (count < 0 && errno != EINTR) die("epoll_wait");
      for (int i = 0; i < count; ++i) {
        const int fd = events.at(static_cast<std::size_t>(i)).data.fd;
        if (fd == listener_) {
          accept_all();
        } else {
          serve(fd);
        }
      }
    }
  }

 private:
  void accept_all() {
    while (true) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
      watch(fd);
    }
  }

  void serve(int fd) {
    const ssize_t got = ::recv(fd, buffer_.data(), buffer_.size(), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
      ::close(fd);
      return;
    }
    const std::string_view input(buffer_.data(), static_cast<std::size_t>(got));
    output_.clear();
    for (std::size_t at = input.find("\r\n\r\n"); at != std::string_view::npos;
         at = input.find("\r\n\r\n", at + 4)) {
      output_ += answer_;
    }
    const ssize_t put = ::send(fd, output_.data(), output_.size(), MSG_NOSIGNAL);
    const bool last = input.find("Connection: close") != std::string_view::npos;
    if (last || put != static_cast<ssize_t>(output_.size())) ::close(fd);
  }

  void watch(int fd) const {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
  }

  std::string answer_;
  std::string output_;
  int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  int listener_;
  std::array<char, std::size_t{64} << 10> buffer_{};
};

}  // namespace
}  // namespace netd::bench

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s PORT BODY_SIZE\n", argv[0]);
    return 2;
  }
  netd::bench::RawHttp(netd::bench::port_argument(argv[1]), std::strtoul(argv[2], nullptr, 10))
      .run();
}
