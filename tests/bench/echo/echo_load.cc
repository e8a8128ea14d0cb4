// Load for echo servers on 127.0.0.1, from one thread:
//
//   exchange PORT SECONDS CONNECTIONS SIZE   each connection sends SIZE bytes, waits for them,
//   again bulk     PORT SECONDS CONNECTIONS        each connection sends and receives as fast as it
//   can connect  PORT SECONDS CONCURRENT SIZE    connect, one exchange, close, again udp      PORT
//   SECONDS WINDOW SIZE        WINDOW datagrams under way at all times
//
// Prints one line of JSON. `operations` are exchanges, connections or datagrams; in bulk, bytes.
#include <netinet/udp.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/echo/bench_socket.h"

namespace netd::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

/// Times in buckets an eighth of a power of two wide: an error of at most 12 %.
class Histogram {
 public:
  void add(SteadyClock::duration time) {
    const auto ns = static_cast<std::uint64_t>(std::max<SteadyClock::rep>(time.count(), 8));
    const auto power = static_cast<std::size_t>(std::bit_width(ns)) - 1;
    const std::size_t eighth = (ns >> (power - 3)) & 7U;
    ++counts_.at(power * 8 + eighth);
    ++total_;
  }

  /// Microseconds that the given part of all times stayed within.
  [[nodiscard]] double quantile(double part) const {
    const auto wanted = static_cast<std::uint64_t>(part * static_cast<double>(total_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_.at(i);
      if (seen > wanted) {
        const auto low = static_cast<double>(std::uint64_t{1} << (i / 8));
        return low * (1.0 + static_cast<double>(i % 8 + 1) / 8.0) / 1000.0;
      }
    }
    return 0;
  }

 private:
  std::array<std::uint64_t, std::size_t{64} * 8> counts_{};
  std::uint64_t total_ = 0;
};

struct Outcome {
  std::uint64_t operations = 0;
  std::uint64_t errors = 0;
  Histogram times;
};

struct Arguments {
  std::string_view mode;
  std::uint16_t port = 0;
  SteadyClock::duration time{};
  std::size_t width = 0;  // connections, or datagrams under way
  std::size_t size = 64;  // bytes an exchange
  std::uint32_t sources = 1;
};

int connected_socket(std::uint16_t port, std::uint32_t source) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket");
  set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
  const sockaddr_in from = loopback(0, source);
  if (::bind(fd, generic(from), sizeof from) != 0) die("bind");
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  const sockaddr_in to = loopback(port);
  if (::connect(fd, generic(to), sizeof to) != 0) die("connect");
  return fd;
}

class TcpLoad {
 public:
  explicit TcpLoad(const Arguments& arguments)
      : arguments_(arguments), data_(std::max(arguments.size, kChunk), 'x'), buffer_(kChunk, 0) {
    if (epoll_ < 0) die("epoll_create1");
    connections_.resize(arguments.width);
    for (Connection& connection : connections_) open(connection);
  }

  const Outcome& run() {
    for (Connection& connection : connections_) send_more(connection);
    const auto end = SteadyClock::now() + arguments_.time;
    std::array<epoll_event, 512> events{};
    while (now_ < end) {
      const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 1000);
      if (count == 0) {
        ++outcome_.errors;  // the server has stopped answering
        break;
      }
      now_ = SteadyClock::now();
      for (int i = 0; i < count; ++i) {
        receive(*static_cast<Connection*>(events.at(static_cast<std::size_t>(i)).data.ptr));
      }
    }
    return outcome_;
  }

 private:
  static constexpr std::size_t kChunk = std::size_t{256} << 10;
  static constexpr std::size_t kBulkWindow = std::size_t{512} << 10;

  struct Connection {
    int fd = -1;
    std::size_t outstanding = 0;
    SteadyClock::time_point sent_at;
  };

  [[nodiscard]] bool is_bulk() const { return arguments_.mode == "bulk"; }

  void open(Connection& connection) {
    source_ = source_ % arguments_.sources + 1;
    connection = {};
    connection.fd = connected_socket(arguments_.port, source_);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &connection;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event) != 0) die("epoll_ctl");
  }

  void send_more(Connection& connection) {
    const std::size_t window = is_bulk() ? kBulkWindow : arguments_.size;
    connection.sent_at = SteadyClock::now();
    while (connection.outstanding < window) {
      const std::size_t size = std::min(window - connection.outstanding, kChunk);
      const ssize_t put = ::send(connection.fd, data_.data(), size, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (put < 0 && errno == EAGAIN && connection.outstanding > 0) return;
      if (put <= 0) die("send");
      connection.outstanding += static_cast<std::size_t>(put);
    }
  }

  void receive(Connection& connection) {
    const ssize_t got = ::recv(connection.fd, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
      ++outcome_.errors;
      reopen(connection);
      return;
    }
    connection.outstanding -= std::min(connection.outstanding, static_cast<std::size_t>(got));
    if (is_bulk()) {
      outcome_.operations += static_cast<std::uint64_t>(got);
    } else if (connection.outstanding == 0) {
      ++outcome_.operations;
      outcome_.times.add(SteadyClock::now() - connection.sent_at);
      if (arguments_.mode == "connect") {
        reopen(connection);
        return;
      }
    } else {
      return;  // a part of the answer
    }
    send_more(connection);
  }

  void reopen(Connection& connection) {
    ::close(connection.fd);
    open(connection);
    send_more(connection);
  }

  const Arguments& arguments_;
  std::string data_;
  std::string buffer_;
  int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  std::vector<Connection> connections_;
  std::uint32_t source_ = 0;
  SteadyClock::time_point now_ = SteadyClock::now();
  Outcome outcome_;
};

class UdpLoad {
 public:
  explicit UdpLoad(const Arguments& arguments)
      : arguments_(arguments), fd_(bound_socket(SOCK_DGRAM, 0)) {
    const sockaddr_in to = loopback(arguments.port);
    if (::connect(fd_, generic(to), sizeof to) != 0) die("connect");
    const timeval patience{0, 20'000};  // what is lost after this is sent again
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const std::size_t width = std::min(arguments.width, kMaxWindow);
    // One call, and one way through the kernel, for many datagrams: the server is to be the limit.
    set_option(fd_, SOL_UDP, UDP_SEGMENT, static_cast<int>(arguments.size));
    per_call_ = std::clamp<std::size_t>(kMaxPayload / arguments.size, 1, kMaxSegments);
    data_.assign(arguments.size * per_call_, 'x');
    buffer_.assign(arguments.size * width, 0);
    for (std::size_t i = 0; i < width; ++i) {
      incoming_parts_.at(i) = {&buffer_.at(i * arguments.size), arguments.size};
      incoming_.at(i).msg_hdr.msg_iov = &incoming_parts_.at(i);
      incoming_.at(i).msg_hdr.msg_iovlen = 1;
    }
    width_ = static_cast<unsigned>(width);
  }

  const Outcome& run() {
    const auto end = SteadyClock::now() + arguments_.time;
    unsigned missing = width_;
    SteadyClock::time_point sent_at;
    while ((now_ = SteadyClock::now()) < end) {
      // Half a window at once: the server always has the other half to work on.
      if (missing >= width_ / 2) {
        sent_at = now_;
        send(missing);
        missing = 0;
      }
      const int got = ::recvmmsg(fd_, incoming_.data(), width_, MSG_WAITFORONE, nullptr);
      if (got <= 0) {
        ++outcome_.errors;
        missing = width_;
        continue;
      }
      outcome_.operations += static_cast<std::uint64_t>(got);
      outcome_.times.add(SteadyClock::now() - sent_at);
      missing = std::min(missing + static_cast<unsigned>(got), width_);
    }
    return outcome_;
  }

 private:
  static constexpr std::size_t kMaxWindow = 256;

  static constexpr std::size_t kMaxSegments = 64;  // of one call: UDP_MAX_SEGMENTS of Linux
  static constexpr std::size_t kMaxPayload = 65507;

  void send(std::size_t count) {
    while (count > 0) {
      const std::size_t now = std::min(count, per_call_);
      const ssize_t put = ::send(fd_, data_.data(), now * arguments_.size, 0);
      if (put < 0 && errno != ECONNREFUSED && errno != EAGAIN && errno != ENOBUFS) die("send");
      count -= now;
    }
  }

  const Arguments& arguments_;
  int fd_;
  SteadyClock::time_point now_;
  unsigned width_ = 0;
  std::size_t per_call_ = 1;
  std::string data_;
  std::string buffer_;
  std::array<iovec, kMaxWindow> incoming_parts_{};
  std::array<mmsghdr, kMaxWindow> incoming_{};
  Outcome outcome_;
};

void report(const Outcome& outcome, SteadyClock::duration time) {
  const double seconds = std::chrono::duration<double>(time).count();
  (void)std::printf(
      "{\"operations\":%llu,\"errors\":%llu,\"seconds\":%.3f,\"per_second\":%.1f,"
      "\"p50_us\":%.1f,\"p99_us\":%.1f}\n",
      static_cast<unsigned long long>(outcome.operations),
      static_cast<unsigned long long>(outcome.errors), seconds,
      static_cast<double>(outcome.operations) / seconds, outcome.times.quantile(0.5),
      outcome.times.quantile(0.99));
}

int run(const std::vector<std::string>& words) {
  Arguments arguments;
  arguments.mode = words.at(0);
  arguments.port = port_argument(words.at(1).c_str());
  arguments.time = std::chrono::duration_cast<SteadyClock::duration>(
      std::chrono::duration<double>(std::strtod(words.at(2).c_str(), nullptr)));
  arguments.width = std::strtoul(words.at(3).c_str(), nullptr, 10);
  if (words.size() > 4) arguments.size = std::strtoul(words.at(4).c_str(), nullptr, 10);
  if (words.size() > 5)
    arguments.sources = std::clamp<std::uint32_t>(port_argument(words.at(5).c_str()), 1, 250);
  if (arguments.width == 0 || arguments.size == 0) return 2;
  if (arguments.mode == "udp") {
    UdpLoad load(arguments);
    const auto start = SteadyClock::now();
    const Outcome& outcome = load.run();
    report(outcome, SteadyClock::now() - start);
  } else {
    TcpLoad load(arguments);
    const auto start = SteadyClock::now();
    const Outcome& outcome = load.run();
    report(outcome, SteadyClock::now() - start);
  }
  return 0;
}

}  // namespace
}  // namespace netd::bench

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() < 4) {
    (void)std::fprintf(stderr,
                       "usage: %s exchange|bulk|connect|udp PORT SECONDS WIDTH [SIZE [SOURCES]]\n",
                       argv[0]);
    return 2;
  }
  return netd::bench::run(words);
}
