// Joins each connection to another one, made to a configured target.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/base/clock.h"
#include "daemon/base/trouble.h"
#include "daemon/net/counters.h"
#include "daemon/net/resolver.h"
#include "daemon/protocols/protocol.h"
#include "daemon/services/service_table.h"

namespace netd {

extern const Protocol kForwardProtocol;

namespace forward {

/// One listener's target as all workers see it.
class Target final : public SharedState {
 public:
  /// `text` is what the setting says: an endpoint, tcp or unix, or "service NAME". `clock` must
  /// outlive the target.
  Target(std::string listener, std::string text, const Clock& clock,
         Resolver::LookUp look_up = Resolver::look_up);

  [[nodiscard]] const std::string& text() const { return text_; }
  /// The service that it names; empty when it names an endpoint.
  [[nodiscard]] std::string_view service_name() const;
  /// The endpoint as a service of one instance; null when it names a service.
  [[nodiscard]] const std::shared_ptr<const services::SharedService>& endpoint() const {
    return endpoint_;
  }

  /// Tell the log when the target goes and when it comes back, not of every connection between.
  void failed(const std::string& why);
  void reached();

 private:
  const std::string listener_;
  const std::string text_;
  // shared_ptr: with the protocols of all workers, as a service of the table is.
  std::shared_ptr<const services::SharedService> endpoint_;
  const Clock& clock_;
  Trouble trouble_;
};

/// What one worker's sessions share.
struct Settings {
  // shared_ptr: the workers' protocols of one listener share both.
  std::shared_ptr<Target> target;
  std::shared_ptr<const services::SharedService> service;
  std::chrono::milliseconds connect_timeout{};  ///< for all instances that are tried
  std::chrono::milliseconds idle_timeout{};
  /// The target's side of the connections; the client's side is what the listener counts.
  TrafficCounters counters;
};

class Forward final : public StreamProtocol {
 public:
  /// `service` is the one that the target names, or its endpoint().
  Forward(std::shared_ptr<Target> target, std::shared_ptr<const services::SharedService> service,
          std::chrono::milliseconds connect_timeout, std::chrono::milliseconds idle_timeout);
  std::unique_ptr<Session> open(Connection& connection) override;

 private:
  Settings settings_;
};

}  // namespace forward

}  // namespace netd
