#include "daemon/services/service_table.h"

#include <algorithm>
#include <random>
#include <utility>

namespace netd::services {

namespace {

std::string name_of(const Endpoint& address) {
  std::string text = address.text();
  constexpr std::string_view kTcp = "tcp:";
  return address.transport == Transport::tcp ? text.substr(kTcp.size()) : text;
}

std::unique_ptr<Resolver> make_resolver(const Endpoint& address, const Clock& clock,
                                        Resolver::LookUp look_up) {
  if (address.transport != Transport::tcp) return nullptr;
  return std::make_unique<Resolver>(address.host, address.port, clock, std::move(look_up));
}

/// From 0 to `count` - 1, `count` being small. Nothing secret hangs on it.
std::size_t random_below(std::size_t count) {
  thread_local std::minstd_rand engine(std::random_device{}());
  return static_cast<std::size_t>(engine()) % count;
}

}  // namespace

LogEntry instance_entry(LogLevel level, std::string_view event, std::string_view service,
                        const Endpoint& address) {
  LogEntry entry(level, event);
  entry.field("NETD_SERVICE", service).field("NETD_INSTANCE", address.text());
  return entry;
}

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

SharedInstance::SharedInstance(const Endpoint& address, const Clock& clock,
                               Resolver::LookUp look_up)
    : address_(address),
      name_(name_of(address)),
      resolver_(make_resolver(address, clock, std::move(look_up))) {}

void SharedInstance::set_health(Health health) {
  health_.store(health, std::memory_order_relaxed);
  if (health == Health::healthy) penalty_until_.store(0, std::memory_order_relaxed);
}

void SharedInstance::failed(Monotonic now, Duration cost) {
  const Duration penalty = std::clamp<Duration>(
      std::min<Duration>(cost, kMostPenalty) * kPenaltyFactor, kLeastPenalty, kMostPenalty);
  penalty_until_.store((now + penalty).time_since_epoch().count(), std::memory_order_relaxed);
}

bool SharedInstance::failed_lately(Monotonic now) const {
  return now.time_since_epoch().count() < penalty_until_.load(std::memory_order_relaxed);
}

void ServiceTable::add(std::shared_ptr<const SharedService> service) {
  services_.push_back(std::move(service));
}

std::shared_ptr<const SharedService> ServiceTable::find(std::string_view name) const {
  const auto found = std::ranges::find(services_, name, [](const auto& one) { return one->name; });
  return found == services_.end() ? nullptr : *found;
}

bool InstanceChoice::was_tried(std::size_t index) const {
  return std::ranges::any_of(tried_, [index](const auto& one) { return one.first == index; });
}

bool InstanceChoice::is_open(std::size_t index) const {
  return service_.instances[index]->health() != Health::unhealthy && !was_tried(index);
}

std::size_t InstanceChoice::open_count() const {
  std::size_t count = 0;
  for (std::size_t i = 0; i < service_.instances.size(); ++i) count += is_open(i) ? 1U : 0U;
  return count;
}

std::size_t InstanceChoice::next(Monotonic now) {
  chosen_at_ = now;
  current_ = kNone;
  if (left_ <= Duration::zero()) return kNone;
  // Those that failed a moment ago come last: a client need not find that out again.
  std::size_t good = 0;
  std::size_t doubtful = 0;
  // Another thread may change an instance between two looks at it, so each index is judged again
  // where it is taken, and the first that still fits stands in when the counts have changed.
  for (std::size_t i = 0; i < service_.instances.size(); ++i) {
    if (is_open(i)) ++(service_.instances[i]->failed_lately(now) ? doubtful : good);
  }
  if (good + doubtful == 0) return kNone;
  std::size_t skip = random_below(good > 0 ? good : doubtful);
  for (std::size_t i = 0; i < service_.instances.size(); ++i) {
    if (!is_open(i)) continue;
    const bool wanted = service_.instances[i]->failed_lately(now) == (good == 0);
    if (current_ == kNone || wanted) current_ = i;
    if (wanted && skip-- == 0) break;
  }
  return current_;
}

Duration InstanceChoice::begin_connecting(Monotonic now) {
  connecting_ = true;
  connecting_since_ = now;
  const auto shares = std::clamp<std::size_t>(open_count(), 1, kMostShares);
  return std::max(left_ / static_cast<Duration::rep>(shares),
                  std::min<Duration>(left_, kLeastShare));
}

void InstanceChoice::connected(Monotonic now) {
  if (std::exchange(connecting_, false)) left_ -= now - connecting_since_;
}

void InstanceChoice::failed(std::string why, Monotonic now) {
  connected(now);
  SharedInstance& instance = *service_.instances[current_];
  instance.failed(now, now - chosen_at_);
  if (!service_.name.empty() && instance.trouble().begins("", why, now)) {
    instance_entry(LogLevel::warning, "instance_failed", service_.name, instance.address())
        .send("service " + service_.name + ": " + instance.address().text() +
              " fails clients: " + why);
  }
  tried_.emplace_back(current_, std::move(why));
}

void InstanceChoice::served() {
  SharedInstance& instance = *service_.instances[current_];
  if (!instance.trouble().ends()) return;
  instance_entry(LogLevel::info, "instance_recovered", service_.name, instance.address())
      .send("service " + service_.name + ": " + instance.address().text() +
            " serves clients again");
}

std::string InstanceChoice::account() const {
  if (tried_.empty()) {
    std::string text = "no instance is healthy:";
    for (const auto& instance : service_.instances) text += " " + instance->name();
    return text;
  }
  std::string text = "no instance answers:";
  for (const auto& [index, why] : tried_) {
    text += (index == tried_.front().first ? " " : ", ") + service_.instances[index]->name() +
            " (" + why + ")";
  }
  if (const std::size_t left = open_count(); left > 0) {
    text += "; no time was left for " + std::to_string(left) + " more";
  }
  return text;
}

}  // namespace netd::services
