#include "daemon/protocols/forward/session.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <utility>

namespace netd::forward {

namespace {

/// Finds peers that went without a word: after a minute of silence the kernel asks, and after
/// another it gives up. A unix socket ignores it.
void keep_alive(int fd) {
  constexpr int kOn = 1;
  constexpr int kIdle = 60;
  constexpr int kInterval = 15;
  constexpr int kProbes = 4;
  (void)::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &kOn, sizeof kOn);
  (void)::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &kIdle, sizeof kIdle);
  (void)::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &kInterval, sizeof kInterval);
  (void)::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &kProbes, sizeof kProbes);
}

}  // namespace

ClientSession::ClientSession(Connection& connection, Settings& settings)
    : Session(connection),
      settings_(settings),
      choice_(*settings.service, settings.connect_timeout) {}

ClientSession::~ClientSession() = default;

// ---- Making the connection to the target.

void ClientSession::on_open() {
  connection().set_full_duplex();
  connection().pause_reading();  // until there is somebody to hand it to
  try_next();
}

void ClientSession::try_next() {
  const std::size_t instance = choice_.next(connection().dispatcher().now());
  if (instance == services::InstanceChoice::kNone) {
    const bool is_service = !settings_.target->endpoint();
    give_up(is_service ? settings_.target->text() + ": " + choice_.account() : last_error_);
    return;
  }
  const services::SharedInstance& to = *settings_.service->instances[instance];
  connector_.emplace(connection().dispatcher(), [this](Result<Connector::Connected> outcome) {
    on_connected(std::move(outcome));
  });
  connector_->start(to.address(), to.resolver(),
                    choice_.begin_connecting(connection().dispatcher().now()));
}

void ClientSession::on_connected(Result<Connector::Connected> outcome) {
  if (!connection().is_open()) return;
  if (!outcome) {
    last_error_ = outcome.error().what();
    choice_.failed(last_error_, connection().dispatcher().now());
    try_next();
    return;
  }
  ConnectionOwner& owner = *this;
  upstream_ = std::make_unique<Connection>(connection().io(), owner, settings_.counters,
                                           std::move(outcome->socket), outcome->address);
  upstream_->set_full_duplex();
  upstream_->start(std::make_unique<UpstreamSession>(*upstream_, *this));
}

void ClientSession::give_up(const std::string& why) {
  settings_.target->failed(why);
  // The kernel resets the connection when the client has sent something, as that is lost. Without
  // that it just ends: a reset may come before the client's connect() has returned.
  connection().abort();
}

void ClientSession::on_upstream_open() {
  connected_ = true;
  settings_.target->reached();
  choice_.served();
  keep_alive(connection().fd());
  keep_alive(upstream_->fd());
  upstream_->set_idle_timeout(settings_.idle_timeout);
  connection().set_idle_timeout(settings_.idle_timeout);
  connection().resume_reading();
}

// ---- The two pumps.

std::size_t ClientSession::on_data(std::string_view input) {
  if (!upstream_) return input.size();
  upstream_->write_through(input);
  if (upstream_ && upstream_->backlogged()) connection().pause_reading();
  return input.size();
}

void ClientSession::on_upstream_data(std::string_view input) {
  connection().write_through(input);
  if (upstream_ && connection().backlogged()) upstream_->pause_reading();
}

void ClientSession::on_drained() {
  if (upstream_) upstream_->resume_reading();
}

void ClientSession::on_end() {
  client_ended_ = true;
  if (upstream_) upstream_->shutdown_write();
  finish_if_both_ended();
}

void ClientSession::on_upstream_end() {
  upstream_ended_ = true;
  connection().shutdown_write();
  finish_if_both_ended();
}

void ClientSession::finish_if_both_ended() {
  if (!client_ended_ || !upstream_ended_) return;
  // The target's side first: the client's owns it, and closes when it is gone.
  if (upstream_) upstream_->close();
}

// ---- The end.

void ClientSession::on_connection_closed(Connection& upstream) noexcept {
  const int error = upstream.error();
  connection().dispatcher().defer(std::move(upstream_));
  if (!connection().is_open()) return;
  if (error == 0 && client_ended_ && upstream_ended_) {
    connection().close();
  } else {
    connection().abort(error != 0);
  }
}

void ClientSession::on_timeout(Timeout) {
  if (connected_) connection().abort();
}

void ClientSession::on_shutdown() {
  const Duration silence = connection().dispatcher().now() - connection().last_activity();
  if (connected_ && silence < kDrainSilence) {
    // Something is on its way: the tunnel lives for as long as that goes on.
    connection().set_idle_timeout(kDrainSilence);
    return;
  }
  connection().close();
  if (upstream_) upstream_->close();
}

void ClientSession::on_closed() noexcept {
  connector_.reset();
  if (upstream_) upstream_->abort(connection().error() != 0);
}

}  // namespace netd::forward
