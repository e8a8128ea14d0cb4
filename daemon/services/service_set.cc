#include "daemon/services/service_set.h"

#include <algorithm>
#include <utility>

namespace netd::services {

Instance::Instance(IoContext& io, const config::ServiceSettings& service,
                   std::shared_ptr<SharedInstance> shared)
    : service_(service.name),
      shared_(std::move(shared)),
      interval_(service.health_interval),
      timer_(io.dispatcher, [this] { check(); }) {
  if (service.health == "off") {
    shared_->set_health(Health::healthy);
    return;
  }
  check_ = std::make_unique<HealthCheck>(
      io, *shared_, service.health == "tcp" ? "" : service.health, service.health_timeout);
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
  if (health() != Health::healthy || failures_ >= kFailuresToUnhealthy) {
    become(Health::unhealthy, outcome.error().what());
  }
}

void Instance::become(Health health, const std::string& reason) {
  reason_ = reason;
  const Health before = shared_->health();
  shared_->set_health(health);  // even the same verdict may end a penalty
  if (health == before) return;
  const bool was_unknown = before == Health::unknown;
  const std::string who = "service " + service_ + ": " + address().text();
  if (health == Health::unhealthy) {
    instance_entry(LogLevel::warning, "instance_unhealthy", service_, address())
        .send(who + " is unhealthy: " + reason);
  } else if (!was_unknown) {
    instance_entry(LogLevel::info, "instance_healthy", service_, address())
        .send(who + " is healthy again");
  }
}

std::unique_ptr<Instance>* ServiceSet::find_same(const config::ServiceSettings& wanted,
                                                 const Endpoint& address) {
  const config::ServiceSettings* known = settings_ ? settings_->find_service(wanted.name) : nullptr;
  if (known == nullptr || known->health != wanted.health ||
      known->health_interval != wanted.health_interval ||
      known->health_timeout != wanted.health_timeout) {
    return nullptr;
  }
  const auto service = std::ranges::find(services_, wanted.name, &Service::name);
  if (service == services_.end()) return nullptr;
  const auto found = std::ranges::find_if(service->instances, [&](const auto& one) {
    return one != nullptr && one->address() == address;
  });
  return found == service->instances.end() ? nullptr : &*found;
}

std::shared_ptr<const ServiceTable> ServiceSet::make_table(const config::Settings& settings) {
  auto table = std::make_shared<ServiceTable>();
  for (const config::ServiceSettings& wanted : settings.services) {
    auto service = std::make_shared<SharedService>();
    service->name = wanted.name;
    service->connect_timeout = wanted.connect_timeout;
    service->answer_timeout = wanted.answer_timeout;
    service->tunnel_timeout = wanted.tunnel_timeout;
    service->idle_connections = wanted.idle_connections;
    for (const Endpoint& address : wanted.instances) {
      const auto* const same = find_same(wanted, address);
      service->instances.push_back(
          same != nullptr ? (*same)->shared() : std::make_shared<SharedInstance>(address, clock_));
    }
    table->add(std::move(service));
  }
  return table;
}

void ServiceSet::apply(const std::shared_ptr<const config::Settings>& settings,
                       const ServiceTable& table) {
  std::vector<Service> services;
  for (const config::ServiceSettings& wanted : settings->services) {
    Service service{wanted.name, {}};
    for (const auto& shared : table.find(wanted.name)->instances) {
      auto* const same = find_same(wanted, shared->address());
      service.instances.push_back(
          same != nullptr ? std::move(*same) : std::make_unique<Instance>(io_, wanted, shared));
    }
    services.push_back(std::move(service));
  }
  services_ = std::move(services);
  settings_ = settings;
}

}  // namespace netd::services
