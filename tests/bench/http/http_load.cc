// Keeps an HTTP server busy and says, as JSON, how many answers came and how long they took. All
// answers of one run have the same length, so that counting bytes is all the parsing there is.
#include <sys/epoll.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/echo/bench_socket.h"

namespace netd::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Plan {
  std::uint16_t port = 0;
  std::string path;
  double seconds = 1;
  std::size_t connections = 1;
  std::size_t depth = 1;  // requests that are sent at once
  bool reconnect = false;
};

struct Client {
  int fd = -1;
  std::size_t left = 0;  // bytes of answers that are to come
  Clock::time_point sent_at;
};

int connect_to(std::uint16_t port, std::size_t number) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket");
  // Several sources: one address has ports for some thousand connections a minute only.
  const sockaddr_in source = loopback(0, static_cast<std::uint32_t>(1 + number % 200));
  set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
  if (::bind(fd, generic(source), sizeof source) != 0) die("bind");
  const sockaddr_in address = loopback(port);
  if (::connect(fd, generic(address), sizeof address) != 0) die("connect");
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  return fd;
}

void send_all(int fd, std::string_view bytes) {
  if (::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size())) {
    die("send");
  }
}

/// The size of one answer, head and body.
std::size_t answer_size(const Plan& plan, const std::string& request) {
  const int fd = connect_to(plan.port, 0);
  send_all(fd, request);
  std::string head;
  std::array<char, 65536> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled
  std::size_t end = std::string::npos;
  while ((end = head.find("\r\n\r\n")) == std::string::npos) {
    const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (got <= 0) die("no answer");
    head.append(buffer.data(), static_cast<std::size_t>(got));
  }
  ::close(fd);
  std::string lower(head.substr(0, end + 2));
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  const std::size_t field = lower.find("\r\ncontent-length: ");
  if (!lower.starts_with("http/1.1 200") || field == std::string::npos) {
    std::fprintf(stderr, "unexpected answer: %s\n", lower.c_str());
    ::_exit(1);
  }
  return end + 4 + std::strtoul(lower.c_str() + field + 18, nullptr, 10);
}

class Load {
 public:
  explicit Load(Plan plan) : plan_(std::move(plan)) {
    const std::string request = "GET " + plan_.path + " HTTP/1.1\r\nHost: localhost\r\n" +
                                (plan_.reconnect ? "Connection: close\r\n" : "") + "\r\n";
    answer_ = answer_size(plan_, request);
    for (std::size_t i = 0; i < plan_.depth; ++i) requests_ += request;
    clients_.resize(plan_.connections);
    for (std::size_t i = 0; i < clients_.size(); ++i) begin(i);
  }

  void run() {
    const Clock::time_point start = Clock::now();
    const auto end = start + std::chrono::duration<double>(plan_.seconds);
    std::array<epoll_event, 512> events;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled
    Clock::time_point now = start;
    while (now < end) {
      const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 1000);
      now = Clock::now();
      for (int i = 0; i < count; ++i) receive(events.at(static_cast<std::size_t>(i)).data.u64);
    }
    report(std::chrono::duration<double>(now - start).count());
  }

  /// Connections that have had one answer each and wait, until standard input ends.
  void hold() {
    for (std::size_t i = 0; i < clients_.size(); ++i) {
      while (clients_[i].left > 0) take(clients_[i]);
    }
    std::puts("held");
    std::fflush(stdout);
    while (std::getchar() != EOF) {
    }
  }

 private:
  void begin(std::size_t index) {
    Client& client = clients_[index];
    client.fd = connect_to(plan_.port, ++connected_);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = index;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, client.fd, &event) != 0) die("epoll_ctl");
    ask(client);
  }

  void ask(Client& client) {
    client.left = answer_ * plan_.depth;
    client.sent_at = Clock::now();
    send_all(client.fd, requests_);
  }

  void take(Client& client) {
    // MSG_TRUNC: counted and dropped by the kernel, so that the load costs as little as it can.
    const ssize_t got =
        ::recv(client.fd, nullptr, std::min(client.left, std::size_t{1} << 20), MSG_TRUNC);
    if (got <= 0) die("an answer ended early");
    client.left -= static_cast<std::size_t>(got);
  }

  void receive(std::size_t index) {
    Client& client = clients_[index];
    take(client);
    if (client.left > 0) return;
    operations_ += plan_.depth;
    latencies_.push_back(
        std::chrono::duration<float, std::micro>(Clock::now() - client.sent_at).count());
    if (plan_.reconnect) {
      ::close(client.fd);
      begin(index);
    } else {
      ask(client);
    }
  }

  void report(double seconds) {
    std::ranges::sort(latencies_);
    const auto quantile = [this](double q) {
      return latencies_.empty() ? 0.0F
                                : latencies_[static_cast<std::size_t>(
                                      q * static_cast<double>(latencies_.size() - 1))];
    };
    std::printf(
        "{\"operations\": %zu, \"seconds\": %.3f, \"rate\": %.1f, \"bytes\": %zu, "
        "\"p50_us\": %.1f, \"p99_us\": %.1f}\n",
        operations_, seconds, static_cast<double>(operations_) / seconds, answer_,
        static_cast<double>(quantile(0.5)), static_cast<double>(quantile(0.99)));
  }

  Plan plan_;
  std::size_t answer_ = 0;
  std::string requests_;
  std::vector<Client> clients_;
  std::size_t connected_ = 0;
  std::size_t operations_ = 0;
  std::vector<float> latencies_;
  int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
};

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) die("getrlimit");
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) die("setrlimit");
}

}  // namespace
}  // namespace netd::bench

int main(int argc, char** argv) {
  using namespace netd::bench;
  const std::string_view mode = argc == 7 ? argv[1] : "";
  if (mode != "keep" && mode != "connect" && mode != "hold") {
    std::fprintf(stderr, "usage: %s keep|connect|hold PORT SECONDS PATH CONNECTIONS DEPTH\n",
                 argv[0]);
    return 2;
  }
  raise_descriptor_limit();
  Load load({.port = port_argument(argv[2]),
             .path = argv[4],
             .seconds = std::strtod(argv[3], nullptr),
             .connections = std::strtoul(argv[5], nullptr, 10),
             .depth = std::strtoul(argv[6], nullptr, 10),
             .reconnect = mode == "connect"});
  if (mode == "hold") {
    load.hold();
  } else {
    load.run();
  }
}
