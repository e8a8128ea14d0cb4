// The ordinary UDP echo server: one recvmsg(2) and one sendmsg(2) for each datagram. What netd's
// UDP service is measured against.
#include <array>

#include "tests/bench/echo/bench_socket.h"

namespace netd::bench {
namespace {

[[noreturn]] void serve(int fd) {
  std::array<char, 65536> buffer{};
  sockaddr_in peer{};
  iovec part{buffer.data(), buffer.size()};
  msghdr message{};
  message.msg_name = &peer;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  while (true) {
    message.msg_namelen = sizeof peer;
    part.iov_len = buffer.size();
    const ssize_t got = ::recvmsg(fd, &message, 0);
    if (got < 0) continue;
    part.iov_len = static_cast<std::size_t>(got);
    if (::sendmsg(fd, &message, 0) < 0 && errno != EAGAIN && errno != ECONNREFUSED) die("sendmsg");
  }
}

}  // namespace
}  // namespace netd::bench

int main(int argc, char** argv) {
  using namespace netd::bench;
  if (argc != 2) {
    (void)std::fprintf(stderr, "usage: %s PORT\n", argv[0]);
    return 2;
  }
  serve(bound_socket(SOCK_DGRAM, port_argument(argv[1])));
}
