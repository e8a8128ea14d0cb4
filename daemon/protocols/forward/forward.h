// Joins each connection to another one, made to a configured target.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>

#include "daemon/base/endpoint.h"
#include "daemon/net/counters.h"
#include "daemon/net/resolver.h"
#include "daemon/protocols/protocol.h"

namespace netd {

extern const Protocol kForwardProtocol;

namespace forward {

/// One listener's target as all workers see it.
class Target final : public SharedState {
 public:
  /// `endpoint` is tcp or unix. `clock` must outlive the target.
  Target(std::string listener, Endpoint endpoint, const Clock& clock,
         Resolver::LookUp look_up = Resolver::look_up);

  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }
  /// Null for a unix target.
  [[nodiscard]] Resolver* resolver() { return resolver_.get(); }

  /// Tell the log when the target goes and when it comes back, not of every connection between.
  void failed(const std::string& why);
  void reached();

 private:
  const std::string listener_;
  const Endpoint endpoint_;
  std::unique_ptr<Resolver> resolver_;
  std::atomic<bool> down_{false};
};

/// What one worker's sessions share.
struct Settings {
  // shared_ptr: the workers' protocols of one listener share it.
  std::shared_ptr<Target> target;
  std::chrono::milliseconds connect_timeout{};
  std::chrono::milliseconds idle_timeout{};
  /// The target's side of the connections; the client's side is what the listener counts.
  TrafficCounters counters;
};

class Forward final : public StreamProtocol {
 public:
  Forward(std::shared_ptr<Target> target, std::chrono::milliseconds connect_timeout,
          std::chrono::milliseconds idle_timeout);
  std::unique_ptr<Session> open(Connection& connection) override;

 private:
  Settings settings_;
};

}  // namespace forward

}  // namespace netd
