// The server's life, with a service manager that writes down what it is told. What clients see of
// it is tested from outside, in tests/integration/.
#include "daemon/server/server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <span>
#include <sstream>
#include <thread>
#include <utility>

#include "tests/support/log_capture.h"
#include "tests/support/temp_dir.h"

namespace netd {
namespace {

using namespace std::chrono_literals;

class RecordingManager final : public ServiceManager {
 public:
  void ready(std::string_view) override { record("ready"); }
  void reloading() override { record("reloading"); }
  void stopping(std::string_view) override { record("stopping"); }
  void store(std::string_view name, std::span<const int> descriptors) override {
    for (const int fd : descriptors)
      stored.emplace(name, UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0)));
  }
  void remove_stored(std::string_view name) override { stored.erase(std::string(name)); }
  void wait_until_done() override {}
  [[nodiscard]] bool is_there() const override { return true; }
  void keep_alive() override { record("alive"); }
  [[nodiscard]] std::chrono::microseconds watchdog_interval() const override { return interval; }

  [[nodiscard]] std::size_t count(const std::string& what) const {
    return static_cast<std::size_t>(std::ranges::count(told, what));
  }

  /// What the next process gets.
  [[nodiscard]] std::vector<InheritedSocket> returned() const {
    std::vector<InheritedSocket> sockets;
    for (const auto& [name, fd] : stored) {
      sockets.push_back({name, UniqueFd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0))});
    }
    return sockets;
  }

  std::function<void(const std::string&)> on_told = [](const std::string&) {};
  std::vector<std::string> told;
  std::chrono::microseconds interval{0};
  std::multimap<std::string, UniqueFd> stored;

 private:
  void record(const std::string& what) {
    told.push_back(what);
    on_told(what);
  }
};

class ServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    configure("[listener echo]\nprotocol = echo\nlisten = tcp:127.0.0.1:0\n");
  }

  void configure(const std::string& listeners) const {
    std::ofstream file(path());
    const std::string dir = dir_.path();
    file << "[netd]\nworkers = 2\ndrain_timeout = 5s\n[control]\nsocket = " << dir
         << "/control.sock\nfifo = " << dir << "/control.fifo\nreply_fifo = " << dir
         << "/reply.fifo\n[tasks]\npath = " << dir << "/tasks\n"
         << listeners;
  }
  [[nodiscard]] std::string path() const { return dir_.path() / "netd.conf"; }

  void create() {
    const auto schemas = protocol_schemas();
    auto settings = config::load(path(), schemas, config::Environment::system());
    ASSERT_TRUE(settings) << config::format(settings.error().front());
    auto made = Server::create(
        {.config_path = path(), .settings = *settings, .inherited = manager_.returned()}, clock_,
        manager_);
    ASSERT_TRUE(made) << made.error().front();
    server_ = std::move(*made);
  }
  /// Creates the server and runs it until something stops it, at the latest after 30 s.
  void run() {
    create();
    std::jthread guard([this](const std::stop_token& stop) {
      std::mutex mutex;
      std::condition_variable_any wakeup;
      std::unique_lock lock(mutex);
      wakeup.wait_for(lock, stop, 30s, [] { return false; });
      if (!stop.stop_requested()) {
        timed_out_ = true;
        ::kill(::getpid(), SIGTERM);
      }
    });
    server_->run();
    EXPECT_FALSE(timed_out_);
  }
  [[nodiscard]] control::StatusReport status() const {
    control::StatusReport report;
    server_->status([&](const control::StatusReport& one) { report = one; });
    return report;
  }
  /// One that nothing listens on at this moment.
  static std::string free_address() {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    socklen_t size = sizeof address;
    EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
    ::close(fd);
    return "tcp:127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  static int connect_to(const std::string& address) {
    sockaddr_in target{};
    target.sin_family = AF_INET;
    target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    target.sin_port = htons(Endpoint::parse(address)->port);
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(fd, reinterpret_cast<sockaddr*>(&target), sizeof target) != 0) {
      ::close(fd);
      return -1;
    }
    return fd;
  }

  test::TempDir dir_;
  SystemClock clock_;
  RecordingManager manager_;
  std::atomic<bool> timed_out_ = false;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, SaysReadyWhenItServesAndStoppingWhenItStops) {
  manager_.on_told = [&](const std::string& what) {
    if (what != "ready") return;
    const auto report = status();
    ASSERT_EQ(report.listeners.size(), 1U);
    const int client = connect_to(report.listeners[0].addresses[0]);
    EXPECT_GE(client, 0);
    ::close(client);
    server_->stop();
  };
  run();
  EXPECT_EQ(manager_.told, (std::vector<std::string>{"ready", "stopping"}));
  EXPECT_FALSE(std::filesystem::exists(dir_.path() / "control.sock"));
}

TEST_F(ServerTest, EveryReloadEndsInReadyAndABadOneChangesNothing) {
  const test::LogCapture log;
  std::vector<control::ReloadOutcome> outcomes;
  std::string address;
  manager_.on_told = [&](const std::string& what) {
    if (what != "ready" || !address.empty()) return;
    address = status().listeners[0].addresses[0];
    configure("[listener echo]\nprotocol = echo\nlisten = nonsense\n");
    server_->reload([&](const control::ReloadOutcome& outcome) {
      outcomes.push_back(outcome);
      EXPECT_EQ(status().listeners[0].addresses[0], address);
      configure(
          "[listener echo]\nprotocol = echo\nlisten = tcp:127.0.0.1:0\nidle_timeout = 1min\n"
          "[listener other]\nprotocol = discard\nlisten = tcp:127.0.0.1:0\n");
      server_->reload([&](const control::ReloadOutcome& second) {
        outcomes.push_back(second);
        server_->stop();
      });
    });
  };
  run();
  ASSERT_EQ(outcomes.size(), 2U);
  ASSERT_EQ(outcomes[0].mistakes.size(), 1U);
  EXPECT_TRUE(outcomes[0].mistakes[0].starts_with(path() + ":12:")) << outcomes[0].mistakes[0];
  EXPECT_EQ(outcomes[0].generation, 1U);
  EXPECT_TRUE(outcomes[1].mistakes.empty());
  EXPECT_EQ(outcomes[1].generation, 2U);
  EXPECT_EQ(outcomes[1].changes.size(), 2U);
  EXPECT_EQ(manager_.told, (std::vector<std::string>{"ready", "reloading", "ready", "reloading",
                                                     "ready", "stopping"}));
  EXPECT_EQ(log.entries("reload_refused").size(), 1U);
  EXPECT_EQ(log.entries("reloaded").size(), 1U);
}

TEST_F(ServerTest, AReloadKeepsTheSocketsAndConnectionsOfWhatStays) {
  const std::string where = free_address();
  configure("[listener echo]\nprotocol = echo\nlisten = " + where + "\n");
  std::string address;
  int client = -1;
  manager_.on_told = [&](const std::string& what) {
    if (what != "ready" || !address.empty()) return;
    address = status().listeners[0].addresses[0];
    client = connect_to(address);
    ASSERT_GE(client, 0);
    // The name changes, the address stays: the sockets move from one listener to the other.
    configure("[listener renamed]\nprotocol = echo\nlisten = " + where + "\n");
    server_->reload([&](const control::ReloadOutcome& outcome) {
      EXPECT_TRUE(outcome.mistakes.empty());
      const auto report = status();
      ASSERT_EQ(report.listeners.size(), 1U);
      EXPECT_EQ(report.listeners[0].name, "renamed");
      EXPECT_EQ(report.listeners[0].addresses[0], address);
      const int second = connect_to(address);
      EXPECT_GE(second, 0);
      ::close(second);
      server_->stop();
    });
  };
  run();
  ::close(client);
}

TEST_F(ServerTest, SocketsOutliveARestart) {
  const std::string where = free_address();
  const std::string unix_path = dir_.path() / "echo.sock";
  configure("[listener echo]\nprotocol = echo\nlisten = " + where +
            "\nlisten = tcp:127.0.0.1:0\nlisten = unix:" + unix_path + "\n");
  std::vector<std::string> before;
  manager_.on_told = [&](const std::string& what) {
    if (what != "ready") return;
    before = status().listeners[0].addresses;
    server_->stop();
  };
  run();
  server_ = nullptr;
  EXPECT_EQ(manager_.stored.size(), 5U);  // two for each port, one for each worker, and the path
  EXPECT_TRUE(std::filesystem::exists(unix_path));

  // Nobody runs, and a client is taken on all the same.
  const int client = connect_to(where);
  ASSERT_GE(client, 0);
  ASSERT_EQ(::send(client, "hello", 5, 0), 5);
  std::vector<std::string> after;
  manager_.on_told = [&](const std::string& what) {
    if (what != "ready") return;
    after = status().listeners[0].addresses;
    server_->stop();  // which lets the client that has just come say what it wanted to
  };
  run();
  EXPECT_EQ(after, before);  // the port that the kernel chose among them
  char answer[8];
  EXPECT_EQ(::recv(client, answer, sizeof answer, MSG_WAITALL), 5);
  ::close(client);
}

TEST_F(ServerTest, StoredSocketsThatNobodyWantsAreClosed) {
  const std::string gone = free_address();
  const std::string unix_path = dir_.path() / "echo.sock";
  configure("[listener a]\nprotocol = echo\nlisten = " + gone +
            "\n[listener b]\nprotocol = echo\nlisten = unix:" + unix_path + "\n");
  manager_.on_told = [&](const std::string& what) {
    if (what == "ready") server_->stop();
  };
  run();
  server_ = nullptr;
  EXPECT_EQ(manager_.stored.size(), 3U);

  // One is not in the configuration any more, and nobody finds the other one.
  configure("[listener b]\nprotocol = echo\nlisten = unix:" + unix_path + "\n");
  std::filesystem::remove(unix_path);
  manager_.on_told = [&](const std::string& what) {
    if (what != "ready") return;
    EXPECT_EQ(connect_to(gone), -1);
    EXPECT_TRUE(std::filesystem::exists(unix_path));
    server_->stop();
  };
  run();
  EXPECT_EQ(manager_.stored.size(), 1U);
}

TEST_F(ServerTest, AReloadStoresWhatIsNewAndTakesBackWhatIsGone) {
  const std::string first = free_address();
  configure("[listener a]\nprotocol = echo\nlisten = " + first + "\n");
  manager_.on_told = [&](const std::string& what) {
    if (what != "ready" || manager_.count("ready") > 1) return;
    EXPECT_TRUE(manager_.stored.begin()->first.ends_with(first.substr(first.rfind(':') + 1)));
    configure("[listener a]\nprotocol = echo\nlisten = tcp:127.0.0.1:0\n");
    server_->reload([&](const control::ReloadOutcome&) { server_->stop(); });
  };
  run();
  ASSERT_EQ(manager_.stored.size(), 2U);
  EXPECT_EQ(manager_.stored.begin()->first, "netd.listen.tcp%3a127.0.0.1%3a0@a");
}

TEST_F(ServerTest, AnAddressInUseKeepsItFromStarting) {
  const int taken = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(taken, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(taken, 1), 0);
  socklen_t size = sizeof address;
  ASSERT_EQ(::getsockname(taken, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::string where = "tcp:127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  configure("[listener a]\nprotocol = echo\nlisten = " + where +
            "\nlisten = unix:" + std::string(dir_.path()) + "/a.sock\n");
  const auto schemas = protocol_schemas();
  auto settings = config::load(path(), schemas, config::Environment::system());
  ASSERT_TRUE(settings);
  auto made = Server::create({.config_path = path(), .settings = *settings, .inherited = {}},
                             clock_, manager_);
  ASSERT_FALSE(made);
  ASSERT_EQ(made.error().size(), 1U);
  EXPECT_NE(made.error()[0].find(path() + ":12:"), std::string::npos) << made.error()[0];
  EXPECT_NE(made.error()[0].find("Address already in use"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(dir_.path() / "a.sock")) << "what it had opened is gone";
  EXPECT_TRUE(manager_.told.empty());
  ::close(taken);
}

TEST_F(ServerTest, KeepsTheWatchdogQuietWhileTheLoopsTurn) {
  manager_.interval = 60ms;
  manager_.on_told = [&](const std::string& what) {
    if (what == "alive" && manager_.count("alive") == 4) server_->stop();
  };
  run();
  EXPECT_GE(manager_.count("alive"), 4U);
}

TEST_F(ServerTest, ASignalStopsIt) {
  manager_.on_told = [&](const std::string& what) {
    if (what == "ready") ::kill(::getpid(), SIGTERM);
  };
  run();
  EXPECT_EQ(manager_.told.back(), "stopping");
}

TEST_F(ServerTest, ReportsConnectionsAndCutsThem) {
  int client = -1;
  manager_.on_told = [&](const std::string& what) {
    if (what != "ready") return;
    client = connect_to(status().listeners[0].addresses[0]);
    // An answer shows that the connection has been accepted.
    ASSERT_EQ(::send(client, "x", 1, 0), 1);
    char byte = 0;
    ASSERT_EQ(::recv(client, &byte, 1, 0), 1);
    server_->connections({}, [&](const control::ConnectionList& list) {
      ASSERT_EQ(list.total, 1U);
      EXPECT_EQ(list.connections[0].listener, "echo");
      EXPECT_EQ(list.connections[0].bytes_in, 1U);
      control::DisconnectRequest request;
      request.id = list.connections[0].id;
      server_->disconnect(request, [&](std::uint64_t count) {
        EXPECT_EQ(count, 1U);
        char rest = 0;
        EXPECT_LE(::recv(client, &rest, 1, 0), 0);
        server_->stop();
      });
    });
  };
  run();
  ::close(client);
}

TEST_F(ServerTest, DrainsAndResumesAListener) {
  manager_.on_told = [&](const std::string& what) {
    if (what != "ready") return;
    const std::string address = status().listeners[0].addresses[0];
    EXPECT_FALSE(server_->drain("nobody", false));
    ASSERT_TRUE(server_->drain("echo", false));
    EXPECT_EQ(status().listeners[0].state, control::ListenerState::draining);
    // The workers' answer to another question shows that they have drained.
    server_->connections({}, [&, address](const control::ConnectionList&) {
      EXPECT_EQ(connect_to(address), -1);
      ASSERT_TRUE(server_->drain(std::nullopt, true));
      server_->connections({}, [&, address](const control::ConnectionList&) {
        const int client = connect_to(address);
        EXPECT_GE(client, 0);
        ::close(client);
        server_->stop();
      });
    });
  };
  run();
}

}  // namespace
}  // namespace netd
