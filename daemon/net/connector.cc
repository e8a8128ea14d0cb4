#include "daemon/net/connector.h"

#include <event2/event.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "daemon/event/dispatcher.h"
#include "daemon/net/socket.h"

namespace netd {

Connector::Connector(Dispatcher& dispatcher, Done done)
    : dispatcher_(dispatcher), done_(std::move(done)), timer_(dispatcher, [this] { on_timer(); }) {}

Connector::~Connector() {
  stop_waiting();
  if (question_) Resolver::cancel(*question_);
}

void Connector::start(const Endpoint& endpoint, Resolver* resolver, Duration timeout) {
  endpoint_ = &endpoint;
  resolver_ = resolver;
  addresses_.clear();
  next_address_ = 0;
  failed_ = false;
  give_up_at_ = dispatcher_.now() + timeout;
  if (resolver_ != nullptr) {
    look_up();
  } else {
    try_unix();
  }
}

void Connector::look_up() {
  if (const auto known = resolver_->known()) {
    on_addresses(*known);
    return;
  }
  question_ = resolver_->ask(dispatcher_, [this](const Result<Resolver::Addresses>& answer) {
    question_.reset();
    on_addresses(answer);
  });
  if (!question_) {
    fail_later(Error("look up " + endpoint_->host + ": too many wait"));
    return;
  }
  timer_.arm_at(give_up_at_);
}

void Connector::on_addresses(const Result<Resolver::Addresses>& answer) {
  if (!answer) {
    fail_later(answer.error());
    return;
  }
  addresses_ = *answer;
  try_next_address();
}

void Connector::try_next_address() {
  while (next_address_ < addresses_.size()) {
    auto socket = start_connect(addresses_[next_address_++]);
    if (!socket) {
      last_error_ = socket.error();
      continue;
    }
    // What is left of the time is shared among the addresses that are left, this one included.
    const Duration left = give_up_at_ - dispatcher_.now();
    const auto attempts = static_cast<Duration::rep>(addresses_.size() - next_address_ + 1);
    timer_.arm(left / attempts);
    await(std::move(*socket));
    return;
  }
  resolver_->doubt();
  fail_later(last_error_);
}

void Connector::try_unix() {
  auto socket = start_connect_unix(endpoint_->name);
  if (socket) {
    timer_.arm_at(give_up_at_);
    await(std::move(*socket));
  } else if (socket.error().code() == EAGAIN && dispatcher_.now() < give_up_at_) {
    timer_.arm(kUnixRetry);
  } else {
    fail_later(socket.error());
  }
}

void Connector::await(UniqueFd socket) {
  socket_ = std::move(socket);
  ::event_assign(&event_, dispatcher_.base(), socket_.get(), EV_WRITE, on_writable, this);
  waiting_ = ::event_add(&event_, nullptr) == 0;
  if (!waiting_) fail_later(system_error("connect " + endpoint_->text(), ENOMEM));
}

void Connector::stop_waiting() {
  if (std::exchange(waiting_, false)) ::event_del(&event_);
}

void Connector::on_writable(int, short, void* self) noexcept {
  auto& connector = *static_cast<Connector*>(self);
  connector.waiting_ = false;  // the event was not persistent
  connector.on_connected();
}

void Connector::on_connected() {
  const bool is_unix = resolver_ == nullptr;
  int code = 0;
  socklen_t size = sizeof code;
  if (::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &code, &size) != 0) code = errno;
  if (code == 0) {
    timer_.cancel();
    finish(
        Connected{std::move(socket_), is_unix ? SocketAddress() : addresses_[next_address_ - 1]});
    return;
  }
  socket_.reset();
  last_error_ = system_error(
      "connect " + (is_unix ? endpoint_->text() : addresses_[next_address_ - 1].text()), code);
  try_next_address();
}

void Connector::on_timer() {
  if (failed_) {
    finish(std::unexpected(last_error_));
    return;
  }
  if (question_) {
    Resolver::cancel(*std::exchange(question_, nullptr));
    finish(fail("look up " + endpoint_->host + ": no answer in time", ETIMEDOUT));
    return;
  }
  if (resolver_ == nullptr && !waiting_) {
    try_unix();
    return;
  }
  stop_waiting();
  socket_.reset();
  last_error_ =
      system_error("connect " + (resolver_ == nullptr ? endpoint_->text()
                                                      : addresses_[next_address_ - 1].text()),
                   ETIMEDOUT);
  try_next_address();
}

void Connector::fail_later(Error error) {
  last_error_ = std::move(error);
  failed_ = true;
  timer_.arm(Duration::zero());
}

void Connector::finish(Result<Connected> outcome) {
  // The callback may destroy this connector, and itself with it.
  const Done done = done_;
  done(std::move(outcome));
}

}  // namespace netd
