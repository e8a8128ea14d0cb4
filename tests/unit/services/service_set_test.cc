#include "daemon/services/service_set.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>

#include "daemon/event/dispatcher.h"
#include "daemon/event/read_watch.h"
#include "daemon/net/socket.h"
#include "tests/support/log_capture.h"
#include "tests/support/temp_dir.h"

namespace netd::services {
namespace {

using namespace std::chrono_literals;

/// A server of the test's: answers every connection with the same words, in the test's own loop.
class Answerer {
 public:
  Answerer(Dispatcher& dispatcher, const std::string& where, std::string answer)
      : dispatcher_(dispatcher), answer_(std::move(answer)) {
    auto opened = open_sockets(*Endpoint::parse(where), 1, false, {});
    EXPECT_TRUE(opened);
    socket_ = std::move(opened->front().front());
    watch_ = std::move(*ReadWatch::create(dispatcher, socket_.fd.get(), [this] { accept(); }));
  }
  [[nodiscard]] const Endpoint& endpoint() const { return socket_.endpoint; }
  void set_answer(std::string answer) { answer_ = std::move(answer); }
  std::string asked;

 private:
  void accept() {
    client_watch_.reset();
    client_ = UniqueFd(::accept4(socket_.fd.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!client_ || answer_.empty()) return;
    client_watch_ =
        std::move(*ReadWatch::create(dispatcher_, client_.get(), [this] { answer_one(); }));
  }
  void answer_one() {
    char buffer[1024];
    const ssize_t count = ::recv(client_.get(), buffer, sizeof buffer, 0);
    if (count > 0) {
      asked.assign(buffer, static_cast<std::size_t>(count));
      (void)!::send(client_.get(), answer_.data(), answer_.size(), MSG_NOSIGNAL);
    }
    client_watch_->pause();
    ::shutdown(client_.get(), SHUT_RDWR);
  }

  Dispatcher& dispatcher_;
  std::string answer_;
  BoundSocket socket_;
  std::unique_ptr<ReadWatch> watch_;
  UniqueFd client_;
  std::unique_ptr<ReadWatch> client_watch_;  // depends on: client_
};

class ServiceSetTest : public ::testing::Test {
 protected:
  void SetUp() override {
    dispatcher_ = std::move(*Dispatcher::create(clock_));
    io_ = std::make_unique<IoContext>(*dispatcher_);
    set_ = std::make_unique<ServiceSet>(*io_, clock_);
  }
  void apply(const Endpoint& instance, const std::string& health,
             std::chrono::milliseconds timeout = 5s) {
    auto settings = std::make_shared<config::Settings>();
    config::ServiceSettings service;
    service.name = "users";
    service.instances = {instance};
    service.health = health;
    service.health_interval = 10ms;
    service.health_timeout = timeout;
    settings->services.push_back(service);
    set_->apply(settings, *set_->make_table(*settings));
  }
  [[nodiscard]] const Instance& instance() const { return *set_->services()[0].instances[0]; }
  /// Turns the loop until `condition` holds.
  void until(const std::function<bool()>& condition) {
    const Monotonic deadline = clock_.now() + 10s;
    while (!condition()) {
      ASSERT_LT(clock_.now(), deadline);
      dispatcher_->turn(true);
    }
  }

  SystemClock clock_;
  test::LogCapture log_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::unique_ptr<IoContext> io_;
  std::unique_ptr<ServiceSet> set_;
};

TEST_F(ServiceSetTest, AnInstanceThatTakesConnectionsIsHealthy) {
  const Answerer server(*dispatcher_, "tcp:127.0.0.1:0", "");
  apply(server.endpoint(), "tcp");
  EXPECT_EQ(instance().health(), Health::unknown);
  until([&] { return instance().health() == Health::healthy; });
  EXPECT_EQ(instance().reason(), "");
}

TEST_F(ServiceSetTest, AGoodCheckEndsThePenaltyOfOneThatFailedAClient) {
  const Answerer server(*dispatcher_, "tcp:127.0.0.1:0", "");
  apply(server.endpoint(), "tcp");
  until([&] { return instance().health() == Health::healthy; });
  instance().shared()->failed(clock_.now(), 1h);
  EXPECT_TRUE(instance().shared()->failed_lately(clock_.now()));
  const Monotonic failed_at = clock_.now();
  until([&] { return !instance().shared()->failed_lately(clock_.now()); });
  EXPECT_LT(clock_.now() - failed_at, SharedInstance::kMostPenalty);
}

TEST_F(ServiceSetTest, OneThatRefusesThemIsUnhealthyAndSaysWhy) {
  Endpoint endpoint;
  {
    const Answerer gone(*dispatcher_, "tcp:127.0.0.1:0", "");
    endpoint = gone.endpoint();
  }
  apply(endpoint, "tcp");
  until([&] { return instance().health() == Health::unhealthy; });
  EXPECT_NE(instance().reason().find("Connection refused"), std::string::npos)
      << instance().reason();
  EXPECT_EQ(log_.entries("instance_unhealthy").size(), 1U);
}

TEST_F(ServiceSetTest, AsksOverHttpWhereAPathIsGiven) {
  Answerer server(*dispatcher_, "tcp:127.0.0.1:0", "HTTP/1.1 204 No Content\r\n\r\n");
  apply(server.endpoint(), "/healthz");
  until([&] { return instance().health() == Health::healthy; });
  EXPECT_TRUE(server.asked.starts_with("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:"))
      << server.asked;
  server.set_answer("HTTP/1.1 503 Service Unavailable\r\n\r\n");
  until([&] { return instance().health() == Health::unhealthy; });
  EXPECT_EQ(instance().reason(), "answered HTTP 503");
  server.set_answer("HTTP/1.0 200 OK\r\n\r\n");
  until([&] { return instance().health() == Health::healthy; });
  EXPECT_EQ(log_.entries("instance_healthy").size(), 1U);
  server.set_answer("SSH-2.0-OpenSSH\r\n");
  until([&] { return instance().health() == Health::unhealthy; });
  EXPECT_EQ(instance().reason(), "answered something else than HTTP");
}

TEST_F(ServiceSetTest, InterimAnswersAreNotTheVerdict) {
  Answerer server(*dispatcher_, "tcp:127.0.0.1:0",
                  "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
                  "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  apply(server.endpoint(), "/healthz");
  until([&] { return instance().health() == Health::healthy; });
  server.set_answer("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Service Unavailable\r\n\r\n");
  until([&] { return instance().health() == Health::unhealthy; });
  EXPECT_EQ(instance().reason(), "answered HTTP 503");
  server.set_answer("HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
  until([&] { return instance().reason() == "answered HTTP 101"; });
}

TEST_F(ServiceSetTest, OneThatSaysNothingIsUnhealthyAfterTheTimeout) {
  const auto silent = open_sockets(*Endpoint::parse("tcp:127.0.0.1:0"), 1, false, {});
  ASSERT_TRUE(silent);
  apply(silent->front().front().endpoint, "/", 30ms);
  until([&] { return instance().health() == Health::unhealthy; });
  EXPECT_EQ(instance().reason(), "no answer within 30ms");
}

TEST_F(ServiceSetTest, ChecksUnixSockets) {
  const test::TempDir dir;
  const std::string path = dir.path() / "s";
  const Answerer server(*dispatcher_, "unix:" + path, "HTTP/1.1 200 OK\r\n\r\n");
  apply(*Endpoint::parse("unix:" + path), "/");
  until([&] { return instance().health() == Health::healthy; });
  EXPECT_NE(server.asked.find("Host: localhost\r\n"), std::string::npos);
}

TEST_F(ServiceSetTest, WithoutChecksAnInstanceCountsAsHealthy) {
  apply(*Endpoint::parse("tcp:127.0.0.1:1"), "off");
  EXPECT_EQ(instance().health(), Health::healthy);
}

TEST_F(ServiceSetTest, AReloadKeepsTheStateOfWhatIsTheSame) {
  const Answerer server(*dispatcher_, "tcp:127.0.0.1:0", "");
  apply(server.endpoint(), "tcp");
  until([&] { return instance().health() == Health::healthy; });
  const Instance* before = &instance();
  apply(server.endpoint(), "tcp");
  EXPECT_EQ(&instance(), before);
  apply(server.endpoint(), "/");
  EXPECT_EQ(instance().health(), Health::unknown);
}

TEST_F(ServiceSetTest, MayGoInTheMiddleOfACheck) {
  const Answerer server(*dispatcher_, "tcp:127.0.0.1:0", "");
  apply(server.endpoint(), "/");
  dispatcher_->turn(false);
  set_.reset();
  for (int i = 0; i < 5; ++i) dispatcher_->turn(false);
}

}  // namespace
}  // namespace netd::services
