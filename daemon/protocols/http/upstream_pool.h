// One worker's connections to the instances of a service, kept open between requests.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "daemon/net/connection.h"
#include "daemon/net/connector.h"
#include "daemon/net/counters.h"
#include "daemon/net/session.h"
#include "daemon/services/service_table.h"

namespace netd::http {

class UpstreamPool;

/// Who has the use of a connection to an instance. Any of the calls may give it back or close it.
class UpstreamUser {
 public:
  /// As Session::on_data().
  virtual std::size_t on_upstream_data(std::string_view input) = 0;
  /// The instance has finished sending.
  virtual void on_upstream_end() = 0;
  virtual void on_upstream_drained() = 0;
  /// Nothing came or went for the idle time-out of the connection.
  virtual void on_upstream_timeout() = 0;
  /// The connection broke; the user has it no more. Not called for what the user closes itself.
  virtual void on_upstream_closed(int error) noexcept = 0;

 protected:
  ~UpstreamUser() = default;
};

/// The session of one such connection. In use, or idle: then whatever comes from the instance ends
/// it.
class Upstream final : public Session {
 public:
  Upstream(Connection& connection, UpstreamPool& pool, std::size_t instance)
      : Session(connection), pool_(pool), instance_(instance) {}

  using Session::connection;
  [[nodiscard]] std::size_t instance() const { return instance_; }
  /// It has answered before, so the instance may be about to close it.
  [[nodiscard]] bool is_reused() const { return reused_; }

  /// Null: nobody uses it any more.
  void set_user(UpstreamUser* user) { user_ = user; }
  /// The user is done with it: closes without telling. `reset`: the instance must not take it for
  /// an end that was meant; or nothing is under way, and no port is to be kept for a minute, of
  /// which there are no more than some hundred for each second (RFC 9293, section 3.6.1).
  void drop(bool reset = false);

  std::size_t on_data(std::string_view input) override;
  void on_end() override;
  void on_drained() override;
  void on_timeout(Timeout which) override;
  void on_closed() noexcept override;

 private:
  friend class UpstreamPool;

  UpstreamPool& pool_;
  const std::size_t instance_;
  UpstreamUser* user_ = nullptr;
  bool reused_ = false;
  bool idle_ = false;
};

/// Lives in one worker's thread. Owns the connections, idle and in use.
class UpstreamPool final : private ConnectionOwner {
 public:
  /// Shorter than what servers commonly allow, so that it is rarely they who close.
  static constexpr std::chrono::seconds kIdleTime{4};

  /// Both must outlive the pool.
  UpstreamPool(IoContext& io, const services::SharedService& service);
  ~UpstreamPool() override;
  UpstreamPool(const UpstreamPool&) = delete;
  UpstreamPool& operator=(const UpstreamPool&) = delete;

  /// The idle connection to that instance that was used last; null when there is none.
  [[nodiscard]] Upstream* take_idle(std::size_t instance);
  [[nodiscard]] Upstream& add(std::size_t instance, Connector::Connected connected);
  /// After a complete exchange: keeps it for the next one, when there is room.
  void give_back(Upstream& upstream);

  [[nodiscard]] std::size_t idle_count(std::size_t instance) const {
    return idle_[instance].size();
  }

 private:
  friend class Upstream;

  void on_connection_closed(Connection& connection) noexcept override;
  void forget_idle(const Upstream& upstream) noexcept;

  IoContext& io_;
  const services::SharedService& service_;
  TrafficCounters counters_;  // the clients' side is what the listener counts
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<std::vector<Upstream*>> idle_;  // by instance; the last was used last
};

}  // namespace netd::http
