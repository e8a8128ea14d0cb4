#include "daemon/services/health_check.h"

#include <cerrno>
#include <utility>

#include "daemon/base/text.h"
#include "daemon/net/session.h"

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

/// Answers that another follows (RFC 9110, section 15.2). A protocol that nobody asked for does not
/// make 101 one of them.
bool is_interim(unsigned status) { return status >= 100 && status < 200 && status != 101; }

/// What stands behind the interim answers that are there as a whole.
std::string_view without_interim(std::string_view input) {
  constexpr std::string_view kHeadEnd = "\r\n\r\n";
  while (input.size() >= kStatusEnd && is_interim(status_of(input))) {
    const auto end = input.find(kHeadEnd);
    if (end == std::string_view::npos) break;
    input.remove_prefix(end + kHeadEnd.size());
  }
  return input;
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
    const std::string_view rest = without_interim(input);
    if (rest.size() < kStatusEnd) return input.size() - rest.size();
    const unsigned status = status_of(rest);
    if (is_interim(status)) return input.size() - rest.size();  // its end is still on its way
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
      check_.finish(
          std::unexpected(system_error("connection to " + check_.instance_.name(), error)));
    }
  }

 private:
  HealthCheck& check_;
};

HealthCheck::HealthCheck(IoContext& io, const SharedInstance& instance, std::string path,
                         std::chrono::milliseconds timeout)
    : io_(io),
      instance_(instance),
      path_(std::move(path)),
      timeout_(timeout),
      timer_(io.dispatcher, [this] { on_timer(); }) {}

HealthCheck::~HealthCheck() {
  done_ = nullptr;
  if (connection_) connection_->abort();
}

std::string HealthCheck::request() const {
  const bool is_tcp = instance_.address().transport == Transport::tcp;
  return "GET " + path_ + " HTTP/1.1\r\nHost: " + (is_tcp ? instance_.name() : "localhost") +
         "\r\nUser-Agent: netd\r\nConnection: close\r\n\r\n";
}

void HealthCheck::start(Done done) {
  done_ = std::move(done);
  timer_.arm(timeout_);
  connector_.emplace(io_.dispatcher, [this](Result<Connector::Connected> outcome) {
    if (outcome) {
      probe(std::move(*outcome));
    } else {
      finish(std::unexpected(outcome.error()));
    }
  });
  connector_->start(instance_.address(), instance_.resolver(), timeout_);
}

void HealthCheck::probe(Connector::Connected connected) {
  ConnectionOwner& owner = *this;
  connection_ = std::make_unique<Connection>(io_, owner, counters_, std::move(connected.socket),
                                             connected.address);
  connection_->start(std::make_unique<Probe>(*connection_, *this));
}

void HealthCheck::on_connection_closed(Connection&) noexcept {
  io_.dispatcher.defer(std::move(connection_));
}

void HealthCheck::on_timer() {
  // The connector's own time is up at the same moment, and this timer was there first.
  if (!connection_ && instance_.resolver() != nullptr) instance_.resolver()->doubt();
  finish(fail("no answer within " + format_duration(timeout_), ETIMEDOUT));
}

void HealthCheck::finish(Result<void> outcome) {
  if (!done_) return;
  timer_.cancel();
  const Done done = std::exchange(done_, nullptr);
  connector_.reset();
  if (connection_) connection_->abort();
  done(outcome);
}

}  // namespace netd::services
