// One protocol on one end of a socket pair, driven turn by turn.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/config/loader.h"
#include "daemon/net/connection.h"
#include "daemon/protocols/protocol.h"
#include "tests/support/fake_clock.h"

namespace netd::test {

/// The settings of a [listener test] section of `protocol`, or the mistakes in them.
inline config::LoadResult load_listener(const Protocol& protocol, const std::string& lines) {
  const config::ProtocolSchema schema = {.name = protocol.name,
                                         .rows = protocol.rows,
                                         .check = protocol.check,
                                         .stream = protocol.make_stream != nullptr,
                                         .datagram = protocol.make_datagram != nullptr};
  const std::array sources = {
      config::SourceFile{"netd.conf", "[listener test]\nprotocol = " + std::string(protocol.name) +
                                          "\nlisten = tcp:127.0.0.1:0\n" + lines}};
  const config::Environment machine = {
      .variable = [](const std::string&) { return std::optional<std::string>(); },
      .hostname = [] { return std::string("host.example"); },
      .processors = [] { return 1U; },
      .group_exists = [](const std::string&) { return true; }};
  return config::load_sources(sources, {&schema, 1}, machine);
}

inline std::vector<std::string> mistakes_in(const Protocol& protocol, const std::string& lines) {
  const auto loaded = load_listener(protocol, lines);
  std::vector<std::string> messages;
  if (loaded) return messages;
  for (const config::Mistake& mistake : loaded.error()) messages.push_back(config::format(mistake));
  return messages;
}

class NoQueries final : public DaemonQueries {
 public:
  void ask(Document, Dispatcher&, std::function<void(std::string)>) override {}
};

class ProtocolFixture : public ::testing::Test, public ConnectionOwner {
 public:
  ~ProtocolFixture() override {
    if (connection_) connection_->abort();
    dispatcher_->turn(false);
  }
  void on_connection_closed(Connection&) noexcept override {
    dispatcher_->defer(std::move(connection_));
  }

 protected:
  ProtocolFixture() {
    auto made = Dispatcher::create(clock_);
    if (!made) throw std::runtime_error(made.error().what());
    dispatcher_ = std::move(*made);
    io_ = std::make_unique<IoContext>(*dispatcher_);
  }

  /// Makes the stream protocol from lines of configuration.
  void configure(const Protocol& protocol, const std::string& lines = {}) {
    auto loaded = load_listener(protocol, lines);
    ASSERT_TRUE(loaded) << config::format(loaded.error().at(0));
    settings_ = std::move(*loaded);
    const config::ListenerSettings& listener = settings_->listeners.at(0);
    if (protocol.make_shared_state != nullptr) {
      auto shared = protocol.make_shared_state(*settings_, listener, nullptr);
      ASSERT_TRUE(shared) << shared.error().what();
      shared_ = std::move(*shared);
    }
    auto stream = protocol.make_stream(context());
    ASSERT_TRUE(stream) << stream.error().what();
    stream_ = std::move(*stream);
  }

  [[nodiscard]] ProtocolContext context() {
    return {.settings = settings_,
            .listener = settings_->listeners.at(0),
            .io = *io_,
            .daemon = queries_,
            .shared = shared_};
  }

  /// A client connects: its end is client_.
  void open() {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
    client_.reset(ends[0]);
    connection_ = std::make_unique<Connection>(*io_, *this, counters_, UniqueFd(ends[1]),
                                               SocketAddress::unix_peer(7, 8));
    connection_->start(stream_->open(*connection_));
  }

  [[nodiscard]] bool closed() const { return connection_ == nullptr; }

  void turn(int times = 5) {
    for (int i = 0; i < times; ++i) dispatcher_->turn(false);
  }
  /// For what other threads do: turns until it is so, or too long has passed.
  [[nodiscard]] bool turn_until(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!done()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      dispatcher_->turn(false);
      ::poll(nullptr, 0, 1);
    }
    return true;
  }

  void send(std::string_view text) {
    ASSERT_EQ(::send(client_.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }
  void send_all(std::string_view text) {
    while (!text.empty()) {
      const ssize_t count = ::send(client_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (count > 0) text.remove_prefix(static_cast<std::size_t>(count));
      turn();
      collect();
    }
  }
  void send_end() { ASSERT_EQ(::shutdown(client_.get(), SHUT_WR), 0); }

  /// Keeps what has arrived at the client in received_.
  void collect() {
    std::array<char, 65536> buffer{};
    for (;;) {
      const ssize_t count = ::recv(client_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (count < 0) return;
      if (count == 0) {
        ended_ = true;
        return;
      }
      received_.append(buffer.data(), static_cast<std::size_t>(count));
    }
  }
  /// All that comes until nothing more does.
  std::string answer() {
    std::size_t before = 0;
    do {
      before = received_.size();
      turn();
      collect();
    } while (received_.size() != before);
    return std::exchange(received_, {});
  }

  FakeClock clock_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::unique_ptr<IoContext> io_;
  NoQueries queries_;
  TrafficCounters counters_;
  // shared_ptr: as the server hands them out.
  std::shared_ptr<const config::Settings> settings_;
  std::shared_ptr<SharedState> shared_;
  std::unique_ptr<StreamProtocol> stream_;
  UniqueFd client_;
  std::unique_ptr<Connection> connection_;
  std::string received_;
  bool ended_ = false;
};

/// Makes the UDP protocol from lines of configuration and asks it one thing. `room` as the UDP
/// service allows for a question over IPv4: 2 * (28 + size) - 28.
inline std::string ask_datagram(DatagramProtocol& protocol, std::string_view question) {
  std::vector<char> room(2 * question.size() + 28);
  const std::ptrdiff_t size = protocol.answer(question, room);
  return size == DatagramProtocol::kNoAnswer
             ? "<none>"
             : std::string(room.data(), static_cast<std::size_t>(size));
}

}  // namespace netd::test
