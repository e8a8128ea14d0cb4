// Full cycles (put, reserve, delete) a second through a local socket, with netd, beanstalkd or
// redis at the other end, in a closed loop.
//
//   bench_task_load netd|beanstalkd|redis SOCKET CONNECTIONS DEPTH SECONDS
//
// DEPTH requests are sent at once and answered before the next step begins; 1 is the plain loop.
// Redis has no reservation: its cycle is LPUSH and RPOP. Prints cycles a second.
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "bench_task_load: %s\n", what.c_str());
  std::exit(1);
}

enum class Step { put, reserve, remove };

/// What one server is asked and how it answers.
class Dialect {
 public:
  virtual ~Dialect() = default;
  virtual void request(Step step, std::string_view id, std::string& out) const = 0;
  /// The length of the answer at the front of `in`; 0: not whole yet. Sets `id` where the step
  /// hands a task out.
  virtual std::size_t answer(Step step, std::string_view in, std::string& id) const = 0;
  [[nodiscard]] virtual Step next(Step step) const {
    return step == Step::put ? Step::reserve : step == Step::reserve ? Step::remove : Step::put;
  }

 protected:
  const std::string data_ = std::string(100, 'x');

  static void expect(std::string_view line, std::string_view what) {
    if (line.find(what) == std::string_view::npos) die("unexpected answer: " + std::string(line));
  }
};

class Netd final : public Dialect {
 public:
  void request(Step step, std::string_view id, std::string& out) const override {
    if (step == Step::put) {
      out.append(R"({"type":"produce","task":{"data":")").append(data_).append("\"}}\n");
    } else if (step == Step::reserve) {
      out.append("{\"type\":\"consume\",\"wait\":10,\"lease\":60}\n");
    } else {
      out.append(R"({"type":"done","id":)").append(id).append("}\n");
    }
  }
  std::size_t answer(Step step, std::string_view in, std::string& id) const override {
    const std::size_t end = in.find('\n');
    if (end == std::string_view::npos) return 0;
    const std::string_view line = in.substr(0, end);
    static constexpr std::array<std::string_view, 3> kStatus{
        R"("status":"queued")", R"("status":"success")", R"("status":"ok")"};
    expect(line, kStatus.at(static_cast<std::size_t>(step)));
    if (step == Step::reserve) {
      static constexpr std::string_view kKey = "\"id\":";
      const std::size_t at = line.find(kKey) + kKey.size();
      id = line.substr(at, line.find_first_of(",}", at) - at);
    }
    return end + 1;
  }
};

class Beanstalkd final : public Dialect {
 public:
  void request(Step step, std::string_view id, std::string& out) const override {
    if (step == Step::put) {
      out.append("put 0 0 60 100\r\n").append(data_).append("\r\n");
    } else if (step == Step::reserve) {
      out.append("reserve\r\n");
    } else {
      out.append("delete ").append(id).append("\r\n");
    }
  }
  std::size_t answer(Step step, std::string_view in, std::string& id) const override {
    const std::size_t end = in.find("\r\n");
    if (end == std::string_view::npos) return 0;
    static constexpr std::array<std::string_view, 3> kWord{"INSERTED", "RESERVED", "DELETED"};
    expect(in.substr(0, end), kWord.at(static_cast<std::size_t>(step)));
    if (step != Step::reserve) return end + 2;
    const std::size_t whole = end + 2 + data_.size() + 2;
    if (in.size() < whole) return 0;
    const std::size_t at = in.find(' ') + 1;
    id = in.substr(at, in.find(' ', at) - at);
    return whole;
  }
};

class Redis final : public Dialect {
 public:
  void request(Step step, std::string_view, std::string& out) const override {
    if (step == Step::put) {
      out.append("*3\r\n$5\r\nLPUSH\r\n$1\r\nq\r\n$100\r\n").append(data_).append("\r\n");
    } else {
      out.append("*2\r\n$4\r\nRPOP\r\n$1\r\nq\r\n");
    }
  }
  std::size_t answer(Step step, std::string_view in, std::string&) const override {
    const std::size_t end = in.find("\r\n");
    if (end == std::string_view::npos) return 0;
    expect(in.substr(0, end), step == Step::put ? ":" : "$100");
    if (step == Step::put) return end + 2;
    const std::size_t whole = end + 2 + data_.size() + 2;
    return in.size() < whole ? 0 : whole;
  }
  [[nodiscard]] Step next(Step step) const override {
    return step == Step::put ? Step::reserve : Step::put;
  }
};

class Connection {
 public:
  Connection(const Dialect& dialect, const std::string& path, std::size_t depth)
      : dialect_(dialect), ids_(depth), fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      die("connect " + path + ": " + std::strerror(errno));
    }
  }

  [[nodiscard]] int fd() const { return fd_; }

  void send_step() {
    out_.clear();
    for (const std::string& id : ids_) dialect_.request(step_, id, out_);
    answered_ = 0;
    std::string_view left = out_;
    while (!left.empty()) {
      const ssize_t sent = ::send(fd_, left.data(), left.size(), MSG_NOSIGNAL);
      if (sent < 0) die(std::string("send: ") + std::strerror(errno));
      left.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  /// Returns the cycles that ended.
  std::uint64_t on_readable() {
    std::array<char, 65536> buffer;
    const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (got <= 0) die("the server closed the connection");
    in_.append(buffer.data(), static_cast<std::size_t>(got));
    std::string_view left = in_;
    while (answered_ < ids_.size()) {
      const std::size_t used = dialect_.answer(step_, left, ids_[answered_]);
      if (used == 0) break;
      left.remove_prefix(used);
      ++answered_;
    }
    in_.erase(0, in_.size() - left.size());
    if (answered_ < ids_.size()) return 0;
    step_ = dialect_.next(step_);
    send_step();
    return step_ == Step::put ? ids_.size() : 0;
  }

 private:
  const Dialect& dialect_;
  Step step_ = Step::put;
  std::vector<std::string> ids_;
  std::size_t answered_ = 0;
  std::string out_;
  std::string in_;
  int fd_;
};

int run(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr,
                 "usage: bench_task_load netd|beanstalkd|redis SOCKET CONNECTIONS DEPTH SECONDS\n");
    return 2;
  }
  const std::string_view name = argv[1];
  std::unique_ptr<Dialect> dialect;
  if (name == "netd") dialect = std::make_unique<Netd>();
  if (name == "beanstalkd") dialect = std::make_unique<Beanstalkd>();
  if (name == "redis") dialect = std::make_unique<Redis>();
  if (!dialect) die("no such server");
  const int poller = ::epoll_create1(EPOLL_CLOEXEC);
  std::vector<std::unique_ptr<Connection>> all;
  for (int i = std::atoi(argv[3]); i > 0; --i) {
    all.push_back(std::make_unique<Connection>(*dialect, argv[2],
                                               static_cast<std::size_t>(std::atoi(argv[4]))));
    epoll_event event{.events = EPOLLIN, .data = {.ptr = all.back().get()}};
    if (::epoll_ctl(poller, EPOLL_CTL_ADD, all.back()->fd(), &event) != 0) die("epoll_ctl");
  }
  const double seconds = std::atof(argv[5]);
  const auto begin = std::chrono::steady_clock::now();
  std::chrono::duration<double> took{};
  for (auto& one : all) one->send_step();
  std::uint64_t cycles = 0;
  std::array<epoll_event, 256> events;
  while ((took = std::chrono::steady_clock::now() - begin).count() < seconds) {
    const int count = ::epoll_wait(poller, events.data(), static_cast<int>(events.size()), 1000);
    for (int i = 0; i < count; ++i) {
      cycles +=
          static_cast<Connection*>(events.at(static_cast<std::size_t>(i)).data.ptr)->on_readable();
    }
  }
  std::printf("%.0f\n", static_cast<double>(cycles) / took.count());
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return run(argc, argv); }
