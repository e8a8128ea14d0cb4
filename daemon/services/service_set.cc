#include "daemon/services/service_set.h"

#include <algorithm>
#include <utility>

#include "daemon/base/log.h"

namespace netd::services {

std::string_view health_name(Health health) {
  switch (health) {
    case Health::healthy:
      return "healthy";
    case Health::unhealthy:
      return "unhealthy";
    case Health::unknown:
      break;
  }
  return "unknown";
}

Instance::Instance(IoContext& io, const Clock& clock, const config::ServiceSettings& service,
                   const Endpoint& address)
    : service_(service.name),
      address_(address),
      interval_(service.health_interval),
      timer_(io.dispatcher, [this] { check(); }) {
  if (service.health == "off") {
    health_ = Health::healthy;
    return;
  }
  check_ = std::make_unique<HealthCheck>(
      io, clock, address, service.health == "tcp" ? "" : service.health, service.health_timeout);
  timer_.arm(Duration::zero());
}

void Instance::check() {
  check_->start([this](const Result<void>& outcome) { on_checked(outcome); });
}

void Instance::on_checked(const Result<void>& outcome) {
  timer_.arm(interval_);
  if (outcome) {
    failures_ = 0;
    become(Health::healthy, {});
    return;
  }
  ++failures_;
  if (health_ != Health::healthy || failures_ >= kFailuresToUnhealthy) {
    become(Health::unhealthy, outcome.error().what());
  }
}

void Instance::become(Health health, const std::string& reason) {
  reason_ = reason;
  if (health == health_) return;
  const bool was_unknown = std::exchange(health_, health) == Health::unknown;
  const std::string who = "service " + service_ + ": " + address_.text();
  if (health == Health::unhealthy) {
    LogEntry(LogLevel::warning, "instance_unhealthy")
        .field("NETD_SERVICE", service_)
        .field("NETD_INSTANCE", address_.text())
        .send(who + " is unhealthy: " + reason);
  } else if (!was_unknown) {
    LogEntry(LogLevel::info, "instance_healthy")
        .field("NETD_SERVICE", service_)
        .field("NETD_INSTANCE", address_.text())
        .send(who + " is healthy again");
  }
}

void ServiceSet::apply(const std::shared_ptr<const config::Settings>& settings) {
  std::vector<Service> before = std::exchange(services_, {});
  for (const config::ServiceSettings& wanted : settings->services) {
    const config::ServiceSettings* known =
        settings_ ? settings_->find_service(wanted.name) : nullptr;
    const bool same_checks = known != nullptr && known->health == wanted.health &&
                             known->health_interval == wanted.health_interval &&
                             known->health_timeout == wanted.health_timeout;
    const auto old = std::ranges::find(before, wanted.name, &Service::name);
    Service service{wanted.name, {}};
    for (const Endpoint& address : wanted.instances) {
      std::unique_ptr<Instance> instance;
      if (same_checks && old != before.end()) {
        const auto found = std::ranges::find_if(old->instances, [&](const auto& one) {
          return one != nullptr && one->address() == address;
        });
        if (found != old->instances.end()) instance = std::move(*found);
      }
      if (!instance) instance = std::make_unique<Instance>(io_, clock_, wanted, address);
      service.instances.push_back(std::move(instance));
    }
    services_.push_back(std::move(service));
  }
  settings_ = settings;
}

}  // namespace netd::services
