// One HTTP connection over a socket pair, with the site behind it and time moved by hand.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/config/loader.h"
#include "daemon/net/connection.h"
#include "daemon/protocols/http/http.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temp_dir.h"

namespace netd::http::test {

/// Keeps what is asked until the test answers.
class FakeDaemon final : public DaemonQueries {
 public:
  struct Question {
    Document document;
    std::function<void(std::string)> reply;
  };
  void ask(Document document, Dispatcher&, std::function<void(std::string)> reply) override {
    questions.push_back({document, std::move(reply)});
  }
  std::vector<Question> questions;
};

class HttpRig : public ::testing::Test, public ConnectionOwner {
 protected:
  void SetUp() override {
    auto made = Dispatcher::create(clock_);
    ASSERT_TRUE(made);
    dispatcher_ = std::move(*made);
    io_ = std::make_unique<IoContext>(*dispatcher_);
  }
  void TearDown() override {
    if (connection_) connection_->abort();
    turn();
  }

  /// Makes the site from the lines of a [listener] section and opens a connection to it.
  void open(const std::string& lines) {
    const std::string text =
        "[listener web]\nprotocol = http\nlisten = tcp:127.0.0.1:0\nidle_timeout = 30s\n"
        "access_log = off\n" +
        lines;
    const std::array sources = {config::SourceFile{.name = "netd.conf", .text = text}};
    const std::array schemas = {config::ProtocolSchema{
        .name = "http", .rows = kHttpProtocol.rows, .check = kHttpProtocol.check}};
    auto loaded = config::load_sources(sources, schemas, config::Environment::system());
    if (!loaded) {
      for (const auto& mistake : loaded.error()) ADD_FAILURE() << config::format(mistake);
      FAIL();
    }
    settings_ = *loaded;
    const ProtocolContext context{settings_, settings_->listeners[0], *io_, daemon_, nullptr,
                                  nullptr};
    auto site = kHttpProtocol.make_stream(context);
    ASSERT_TRUE(site) << site.error().what();
    site_ = std::move(*site);
    connect();
  }
  /// Another connection to the same site.
  void connect() {
    if (connection_) connection_->abort();
    turn();
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
    peer_ = UniqueFd(ends[0]);
    connection_ = std::make_unique<Connection>(*io_, *this, counters_, UniqueFd(ends[1]),
                                               SocketAddress::unix_peer(0, 1));
    connection_->start(site_->open(*connection_));
  }
  void on_connection_closed(Connection&) noexcept override {
    dispatcher_->defer(std::move(connection_));
  }

  void turn(int times = 5) {
    for (int i = 0; i < times; ++i) dispatcher_->turn(false);
  }
  void advance(std::chrono::milliseconds time) {
    clock_.advance(time);
    dispatcher_->run_due_timers();
    turn();
  }
  /// Sends and lets the site work.
  void send(std::string_view text) {
    ASSERT_EQ(::send(peer_.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
    turn();
  }
  void end_sending() {
    ASSERT_EQ(::shutdown(peer_.get(), SHUT_WR), 0);
    turn();
  }
  /// What has arrived since the last call; "<EOF>" at its end when the other side is done.
  std::string receive() {
    std::string all;
    std::array<char, 65536> buffer;
    for (;;) {
      turn(1);
      const ssize_t count = ::recv(peer_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (count < 0) return all;
      if (count == 0) return all + "<EOF>";
      all.append(buffer.data(), static_cast<std::size_t>(count));
    }
  }
  std::string exchange(std::string_view request) {
    send(request);
    return receive();
  }

  ::netd::test::FakeClock clock_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::unique_ptr<IoContext> io_;
  TrafficCounters counters_;
  FakeDaemon daemon_;
  std::shared_ptr<const config::Settings> settings_;
  std::unique_ptr<StreamProtocol> site_;
  UniqueFd peer_;
  std::unique_ptr<Connection> connection_;
  ::netd::test::TempDir dir_;
};

}  // namespace netd::http::test
