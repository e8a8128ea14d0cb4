#include "daemon/protocols/http/upstream_pool.h"

#include <algorithm>
#include <utility>

namespace netd::http {

// ---- Upstream.

void Upstream::drop(bool reset) {
  user_ = nullptr;
  connection().abort(reset);
}

std::size_t Upstream::on_data(std::string_view input) {
  if (user_ != nullptr) return user_->on_upstream_data(input);
  // Nothing was asked, so nothing can be meant.
  connection().abort();
  return input.size();
}

void Upstream::on_end() {
  if (user_ != nullptr) {
    user_->on_upstream_end();
  } else {
    connection().abort();
  }
}

void Upstream::on_drained() {
  if (user_ != nullptr) user_->on_upstream_drained();
}

void Upstream::on_timeout(Timeout) {
  if (user_ != nullptr) {
    user_->on_upstream_timeout();
  } else {
    connection().abort();
  }
}

void Upstream::on_closed() noexcept {
  if (idle_) pool_.forget_idle(*this);
  if (user_ != nullptr) std::exchange(user_, nullptr)->on_upstream_closed(connection().error());
}

// ---- UpstreamPool.

UpstreamPool::UpstreamPool(IoContext& io, const services::SharedService& service)
    : io_(io), service_(service), idle_(service.instances.size()) {}

UpstreamPool::~UpstreamPool() {
  while (!connections_.empty()) connections_.back()->abort();
}

Upstream* UpstreamPool::take_idle(std::size_t instance) {
  auto& idle = idle_[instance];
  if (idle.empty()) return nullptr;
  Upstream* const upstream = idle.back();
  idle.pop_back();
  upstream->idle_ = false;
  return upstream;
}

Upstream& UpstreamPool::add(std::size_t instance, Connector::Connected connected) {
  ConnectionOwner& owner = *this;
  auto connection = std::make_unique<Connection>(io_, owner, counters_, std::move(connected.socket),
                                                 connected.address);
  // An answer may begin before the request has been sent.
  connection->set_full_duplex();
  auto upstream = std::make_unique<Upstream>(*connection, *this, instance);
  Upstream& made = *upstream;
  connection->owner_slot = connections_.size();
  connections_.push_back(std::move(connection));
  made.connection().start(std::move(upstream));
  return made;
}

void UpstreamPool::give_back(Upstream& upstream) {
  upstream.set_user(nullptr);
  auto& idle = idle_[upstream.instance()];
  if (idle.size() >= service_.idle_connections) {
    upstream.drop(true);
    return;
  }
  upstream.reused_ = true;
  upstream.idle_ = true;
  idle.push_back(&upstream);
  upstream.connection().set_idle_timeout(kIdleTime);
}

void UpstreamPool::forget_idle(const Upstream& upstream) noexcept {
  std::erase(idle_[upstream.instance()], &upstream);
}

void UpstreamPool::on_connection_closed(Connection& connection) noexcept {
  const std::size_t slot = connection.owner_slot;
  std::unique_ptr<Connection> closed = std::move(connections_[slot]);
  if (slot + 1 != connections_.size()) {
    connections_[slot] = std::move(connections_.back());
    connections_[slot]->owner_slot = slot;
  }
  connections_.pop_back();
  io_.dispatcher.defer(std::move(closed));
}

}  // namespace netd::http
