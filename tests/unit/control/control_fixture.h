// A control server over fakes, and clients of it in the same thread.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/base/clock.h"
#include "daemon/base/unique_fd.h"
#include "daemon/control/control_server.h"
#include "tests/support/log_capture.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/control/fake_daemon.h"
#include "tests/unit/control/fake_tasks.h"

namespace netd::control {

/// Nothing it does blocks.
class Client {
 public:
  explicit Client(const std::string& path)
      : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    connected_ =
        ::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  [[nodiscard]] bool connected() const { return connected_; }
  void send(std::string_view bytes) {
    const ssize_t count = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    ASSERT_EQ(count, static_cast<ssize_t>(bytes.size()));
  }
  /// As much as the socket takes.
  std::size_t send_some(std::string_view bytes) {
    const ssize_t count = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    return count < 0 ? 0 : static_cast<std::size_t>(count);
  }
  void finish_sending() { ::shutdown(fd_.get(), SHUT_WR); }
  void hang_up() { fd_.reset(); }
  /// What is there now; `ended` when the server has closed.
  std::string receive() {
    std::string all;
    std::array<char, 65536> buffer{};
    for (;;) {
      const ssize_t count = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
      if (count == 0) ended = true;
      if (count <= 0) return all;
      all.append(buffer.data(), static_cast<std::size_t>(count));
    }
  }
  bool ended = false;

 private:
  UniqueFd fd_;
  bool connected_ = false;
};

class ControlTest : public testing::Test {
 protected:
  ControlTest() {
    settings_.socket = (dir_.path() / "control.sock").string();
    settings_.group = "no-such-group";
    server_ = ControlServer::create(*io_, settings_, services_).value();
  }

  /// Lets the loop do all it has to do.
  void turn() {
    for (int i = 0; i < 8; ++i) dispatcher_->turn(false);
  }
  std::string ask(Client& client, std::string_view request) {
    client.send(request);
    turn();
    return client.receive();
  }
  std::string ask(std::string_view request) {
    Client client(settings_.socket);
    return ask(client, request);
  }

  test::LogCapture log_;
  test::TempDir dir_;
  SystemClock clock_;
  std::unique_ptr<Dispatcher> dispatcher_ = Dispatcher::create(clock_).value();
  std::unique_ptr<IoContext> io_ = std::make_unique<IoContext>(*dispatcher_);
  FakeDaemon daemon_;
  FakeTasks tasks_;
  EventHub events_{*dispatcher_, tasks_};
  Services services_{daemon_, tasks_, events_};
  config::ControlSettings settings_;
  std::unique_ptr<ControlServer> server_;
};

}  // namespace netd::control
