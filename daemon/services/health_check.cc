#include "daemon/services/health_check.h"

#include <cerrno>
#include <utility>

#include "daemon/base/text.h"
#include "daemon/net/session.h"
#include "daemon/net/socket.h"

namespace netd::services {

namespace {

// "HTTP/1.1 200" (RFC 9112, section 4).
constexpr std::size_t kStatusEnd = 12;

/// The status code at the start of an answer; 0 when it is no HTTP answer.
unsigned status_of(std::string_view answer) {
  const bool http = answer.starts_with("HTTP/1.") && answer[8] == ' ';
  const auto code = parse_decimal(answer.substr(9, 3));
  return http && code && *code >= 100 ? static_cast<unsigned>(*code) : 0;
}

}  // namespace

/// The session of the check's connection.
class HealthCheck::Probe final : public Session {
 public:
  Probe(Connection& connection, HealthCheck& check) : Session(connection), check_(check) {}

  void on_open() override {
    if (check_.path_.empty()) {
      check_.finish({});
    } else {
      connection().write(check_.request());
    }
  }
  std::size_t on_data(std::string_view input) override {
    if (input.size() < kStatusEnd) return 0;
    const unsigned status = status_of(input);
    if (status >= 200 && status < 400) {
      check_.finish({});
    } else if (status == 0) {
      check_.finish(fail("answered something else than HTTP"));
    } else {
      check_.finish(fail("answered HTTP " + std::to_string(status)));
    }
    return input.size();
  }
  void on_end() override { check_.finish(fail("closed the connection without an answer")); }
  void on_closed() noexcept override {
    if (const int error = connection().error(); error != 0) {
      check_.last_error_ = system_error("connect " + check_.instance_.text(), error).what();
    }
  }

 private:
  HealthCheck& check_;
};

HealthCheck::HealthCheck(IoContext& io, const Clock& clock, const Endpoint& instance,
                         std::string path, std::chrono::milliseconds timeout)
    : io_(io),
      instance_(instance),
      path_(std::move(path)),
      timeout_(timeout),
      timer_(io.dispatcher,
             [this] { finish(fail("no answer within " + format_duration(timeout_), ETIMEDOUT)); }) {
  if (instance_.transport == Transport::tcp) {
    resolver_ = std::make_unique<Resolver>(instance_.host, instance_.port, clock);
  }
}

HealthCheck::~HealthCheck() {
  done_ = nullptr;
  if (question_) Resolver::cancel(*question_);
  if (connection_) connection_->abort();
}

std::string HealthCheck::request() const {
  std::string host = "localhost";
  if (instance_.transport == Transport::tcp) {
    host = instance_.text().substr(std::string_view("tcp:").size());
  }
  return "GET " + path_ + " HTTP/1.1\r\nHost: " + host +
         "\r\nUser-Agent: netd\r\nConnection: close\r\n\r\n";
}

void HealthCheck::start(Done done) {
  done_ = std::move(done);
  next_address_ = 0;
  last_error_.clear();
  timer_.arm(timeout_);
  // Never before the return, whatever fails at once.
  io_.dispatcher.post([this, alive = lifetime_.watch()] {
    if (alive.alive()) connect();
  });
}

void HealthCheck::connect() {
  if (!resolver_) {
    auto socket = start_connect_unix(instance_.name);
    if (socket) {
      probe(std::move(*socket), SocketAddress());
    } else {
      finish(std::unexpected(socket.error()));
    }
    return;
  }
  question_ = resolver_->ask(io_.dispatcher, [this](const Result<Resolver::Addresses>& answer) {
    question_.reset();
    if (!answer) {
      finish(std::unexpected(answer.error()));
      return;
    }
    addresses_ = *answer;
    try_next_address();
  });
  if (!question_) finish(fail("look up " + instance_.host + ": too many wait"));
}

void HealthCheck::try_next_address() {
  while (next_address_ < addresses_.size()) {
    const SocketAddress address = addresses_[next_address_++];
    auto socket = start_connect(address);
    if (socket) {
      probe(std::move(*socket), address);
      return;
    }
    last_error_ = socket.error().what();
  }
  finish(fail(last_error_));
}

void HealthCheck::probe(UniqueFd socket, const SocketAddress& address) {
  ConnectionOwner& owner = *this;
  connection_ = std::make_unique<Connection>(io_, owner, counters_, std::move(socket), address);
  connection_->start_connecting(std::make_unique<Probe>(*connection_, *this), timeout_);
}

void HealthCheck::on_connection_closed(Connection&) noexcept {
  io_.dispatcher.defer(std::move(connection_));
  // Not finished, so this address did not do: another one may.
  if (done_) try_next_address();
}

void HealthCheck::finish(Result<void> outcome) {
  if (!done_) return;
  timer_.cancel();
  const Done done = std::exchange(done_, nullptr);
  if (question_) Resolver::cancel(*std::exchange(question_, nullptr));
  if (connection_) connection_->abort();
  done(outcome);
}

}  // namespace netd::services
