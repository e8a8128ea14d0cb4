#include "daemon/protocols/forward/session.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "daemon/net/socket.h"

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
    : Session(connection), settings_(settings) {}

ClientSession::~ClientSession() = default;

// ---- Making the connection to the target.

void ClientSession::on_open() {
  connection().set_full_duplex();
  connection().pause_reading();  // until there is somebody to hand it to
  give_up_at_ = connection().dispatcher().now() + settings_.connect_timeout;
  if (settings_.target->resolver() != nullptr) {
    connect_tcp();
  } else {
    connect_unix();
  }
}

void ClientSession::connect_tcp() {
  Resolver& resolver = *settings_.target->resolver();
  if (const auto known = resolver.known()) {
    on_addresses(*known);
    return;
  }
  question_ =
      resolver.ask(connection().dispatcher(), [this](const Result<Resolver::Addresses>& answer) {
        question_.reset();
        on_addresses(answer);
      });
  if (!question_) {
    give_up("too many connections wait for the target's address");
    return;
  }
  connection().set_deadline(settings_.connect_timeout);
}

void ClientSession::on_addresses(const Result<Resolver::Addresses>& answer) {
  connection().clear_deadline();
  if (!answer) {
    give_up(answer.error().what());
    return;
  }
  addresses_ = *answer;
  connect_next();
}

void ClientSession::connect_next() {
  while (next_address_ < addresses_.size()) {
    const SocketAddress address = addresses_[next_address_++];
    auto socket = start_connect(address);
    if (socket) {
      start(std::move(*socket), address);
      return;
    }
    last_error_ = socket.error().what();
  }
  give_up(last_error_);
}

void ClientSession::connect_unix() {
  auto socket = start_connect_unix(settings_.target->endpoint().name);
  if (socket) {
    start(std::move(*socket), SocketAddress());
    return;
  }
  Dispatcher& dispatcher = connection().dispatcher();
  if (socket.error().code() != EAGAIN || dispatcher.now() >= give_up_at_) {
    give_up(socket.error().what());
    return;
  }
  if (!retry_) retry_ = std::make_unique<Timer>(dispatcher, [this] { connect_unix(); });
  retry_->arm(kUnixRetry);
}

void ClientSession::start(UniqueFd socket, const SocketAddress& address) {
  ConnectionOwner& owner = *this;
  upstream_ = std::make_unique<Connection>(connection().io(), owner, settings_.counters,
                                           std::move(socket), address);
  upstream_->set_full_duplex();
  // What is left of the time is shared among the addresses that are left, this one included.
  const Duration time_left = give_up_at_ - connection().dispatcher().now();
  const auto attempts = static_cast<Duration::rep>(addresses_.size() - next_address_ + 1);
  upstream_->start_connecting(std::make_unique<UpstreamSession>(*upstream_, *this),
                              time_left / attempts);
}

void ClientSession::give_up(const std::string& why) {
  settings_.target->failed(why);
  // The kernel resets the connection when the client has sent something, as that is lost. Without
  // that it just ends: a reset may come before the client's connect() has returned.
  connection().abort();
}

void ClientSession::on_upstream_open() {
  connected_ = true;
  retry_.reset();
  addresses_ = {};
  settings_.target->reached();
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
  const bool was_connecting = !connected_;
  connection().dispatcher().defer(std::move(upstream_));
  if (!connection().is_open()) return;
  if (was_connecting) {
    last_error_ = system_error("connect " + settings_.target->endpoint().text(), error).what();
    if (next_address_ < addresses_.size() && connection().dispatcher().now() < give_up_at_) {
      connect_next();
    } else {
      give_up(last_error_);
    }
  } else if (error == 0 && client_ended_ && upstream_ended_) {
    connection().close();
  } else {
    connection().abort(error != 0);
  }
}

void ClientSession::on_timeout(Timeout which) {
  if (which == Timeout::deadline) {
    give_up("look up " + settings_.target->endpoint().host + ": no answer in time");
  } else if (connected_) {
    connection().abort();
  }
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
  retry_.reset();
  if (question_) Resolver::cancel(*question_);
  if (upstream_) upstream_->abort(connection().error() != 0);
}

}  // namespace netd::forward
