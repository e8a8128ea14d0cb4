// A connection over one end of a socket pair, and a session that does what a test says.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/net/connection.h"
#include "tests/support/fake_clock.h"

namespace netd::test {

/// A session that does what the test says and writes down what happens to it.
class ScriptedSession final : public Session {
 public:
  struct Script {
    std::function<void(Connection&)> on_open = [](Connection&) {};
    std::function<std::size_t(Connection&, std::string_view)> on_data =
        [](Connection&, std::string_view input) { return input.size(); };
    std::function<void(Connection&)> on_end = [](Connection& c) { c.close(); };
    std::function<void(Connection&)> on_drained = [](Connection&) {};
    std::function<void(Connection&, Timeout)> on_timeout = [](Connection& c, Timeout) {
      c.abort();
    };
    std::function<void(Connection&)> on_displaced = [](Connection&) {};
    std::vector<std::string> events;
  };

  ScriptedSession(Connection& connection, Script& script) : Session(connection), script_(script) {}
  void on_open() override {
    script_.events.emplace_back("open");
    script_.on_open(connection());
  }
  std::size_t on_data(std::string_view input) override {
    script_.events.push_back("data:" + std::string(input.substr(0, 40)));
    return script_.on_data(connection(), input);
  }
  void on_end() override {
    script_.events.emplace_back("end");
    script_.on_end(connection());
  }
  void on_drained() override {
    script_.events.emplace_back("drained");
    script_.on_drained(connection());
  }
  void on_timeout(Timeout which) override {
    script_.events.emplace_back(which == Timeout::idle ? "idle" : "deadline");
    script_.on_timeout(connection(), which);
  }
  void on_displaced() override {
    script_.events.emplace_back("displaced");
    script_.on_displaced(connection());
  }
  void on_closed() noexcept override { script_.events.emplace_back("closed"); }

 private:
  Script& script_;
};

class ConnectionTest : public ::testing::Test, public ConnectionOwner {
 protected:
  void SetUp() override {
    auto made = Dispatcher::create(clock_);
    ASSERT_TRUE(made);
    dispatcher_ = std::move(*made);
    io_ = std::make_unique<IoContext>(*dispatcher_);
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    peer_ = UniqueFd(ends[0]);
    connection_ = std::make_unique<Connection>(*io_, *this, counters_, UniqueFd(ends[1]),
                                               SocketAddress::unix_peer(0, 1));
    raw_ = connection_.get();
  }
  void TearDown() override {
    if (connection_) connection_->abort();
    dispatcher_->turn(false);
  }
  void on_connection_closed(Connection&) noexcept override {
    closed_ = true;
    dispatcher_->defer(std::move(connection_));
  }

  void start() { raw_->start(std::make_unique<ScriptedSession>(*raw_, script_)); }
  void turn(int times = 5) {
    for (int i = 0; i < times; ++i) dispatcher_->turn(false);
  }
  void send(std::string_view text) {
    ASSERT_EQ(::send(peer_.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }
  /// What has arrived at the peer; "<EOF>" at the end when the connection has ended.
  std::string received() {
    std::string all;
    char buffer[65536];
    for (;;) {
      const ssize_t count = ::recv(peer_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
      if (count < 0) return all;
      if (count == 0) return all + "<EOF>";
      all.append(buffer, static_cast<std::size_t>(count));
    }
  }
  void fill_kernel_buffer() {
    script_.on_open = [](Connection& c) {
      while (!c.backlogged()) c.write_through(std::string(65536, 'x'));
    };
  }

  FakeClock clock_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::unique_ptr<IoContext> io_;
  TrafficCounters counters_;
  UniqueFd peer_;
  std::unique_ptr<Connection> connection_;
  Connection* raw_ = nullptr;
  ScriptedSession::Script script_;
  bool closed_ = false;
};

}  // namespace netd::test
