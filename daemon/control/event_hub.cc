#include "daemon/control/event_hub.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "daemon/base/text.h"
#include "daemon/control/json_text.h"

namespace netd::control {

/// Where the log's threads put entries. Bounded by counting what the main thread has not seen yet.
struct EventHub::Inbox {
  std::atomic<std::size_t> in_flight{0};
  std::atomic<std::uint64_t> dropped{0};
};

namespace {

/// Fields whose values are numbers by nature.
bool is_number_field(std::string_view name) {
  return name == "NETD_CONNECTION" || name == "NETD_BYTES_IN" || name == "NETD_BYTES_OUT" ||
         name == "NETD_DURATION_MS";
}

std::string kind_of(std::string_view name) { return std::string(name.substr(0, name.find('_'))); }

}  // namespace

Event event_of_entry(LogLevel level, WallTime time, std::string_view message,
                     std::string_view fields) {
  JsonWriter writer;
  std::string_view name;
  std::vector<std::pair<std::string_view, std::string_view>> members;
  for (const std::string_view field : split(fields, '\0')) {
    const auto equals = field.find('=');
    if (equals == std::string_view::npos) continue;
    const auto key = field.substr(0, equals);
    const auto value = field.substr(equals + 1);
    if (key == "NETD_EVENT") {
      name = value;
    } else if (key.starts_with("NETD_")) {
      members.emplace_back(key, value);
    }
  }
  writer.add("event", name).add("time", format_rfc3339(time));
  writer.add("level", log_level_name(level)).add("message", message);
  for (const auto& [key, value] : members) {
    const std::string member = to_ascii_lower(key.substr(5));
    if (is_number_field(key) && parse_decimal(value)) {
      writer.add_raw(member, value);
    } else {
      writer.add(member, value);
    }
  }
  return {kind_of(name), writer.object()};
}

EventHub::EventHub(Dispatcher& dispatcher, tasks::TaskService& tasks)
    : dispatcher_(dispatcher), tasks_(tasks), inbox_(std::make_shared<Inbox>()) {}

EventHub::~EventHub() {
  if (!subscriptions_.empty()) stop_listening();
}

bool EventHub::subscribe(EventSubscriber& subscriber, std::vector<std::string> kinds) {
  std::set<std::string, std::less<>> wanted(kinds.begin(), kinds.end());
  const auto known = std::ranges::find(subscriptions_, &subscriber, &Subscription::subscriber);
  if (known != subscriptions_.end()) {
    known->kinds = std::move(wanted);
    return true;
  }
  if (subscriptions_.size() == kMaxSubscribers) return false;
  if (subscriptions_.empty()) listen();
  subscriptions_.push_back({&subscriber, std::move(wanted), 0});
  return true;
}

void EventHub::unsubscribe(EventSubscriber& subscriber) {
  for (auto& subscription : subscriptions_) {
    if (subscription.subscriber == &subscriber) subscription.subscriber = nullptr;
  }
  if (!publishing_) remove_ended();
}

bool EventHub::is_subscribed(const EventSubscriber& subscriber) const {
  return std::ranges::any_of(
      subscriptions_, [&](const Subscription& one) { return one.subscriber == &subscriber; });
}

void EventHub::listen() {
  tasks_.set_observer([this](const tasks::TaskEvent& event) { on_task(event); });
  set_log_tap([this, inbox = inbox_, watch = lifetime_.watch()](LogLevel level, WallTime time,
                                                                std::string_view message,
                                                                std::string_view fields) {
    if (inbox->in_flight.fetch_add(1, std::memory_order_relaxed) >= kMaxInFlight) {
      inbox->in_flight.fetch_sub(1, std::memory_order_relaxed);
      inbox->dropped.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    dispatcher_.post([this, inbox, watch, event = event_of_entry(level, time, message, fields)] {
      inbox->in_flight.fetch_sub(1, std::memory_order_relaxed);
      if (watch.alive()) publish(event);
    });
  });
}

void EventHub::stop_listening() {
  set_log_tap(nullptr);  // returns when no thread of the log is inside any more
  tasks_.set_observer(nullptr);
}

void EventHub::on_task(const tasks::TaskEvent& event) {
  JsonWriter writer;
  writer.add("event", "task_" + std::string(event.what))
      .add("time", format_rfc3339(dispatcher_.clock().wall()))
      .add_raw("task", event.id)
      .add("queue", event.queue);
  if (event.attempt > 0) writer.add("attempt", event.attempt);
  publish({"task", writer.object()});
}

void EventHub::publish(const Event& event) {
  const std::uint64_t dropped = inbox_->dropped.exchange(0, std::memory_order_relaxed);
  publishing_ = true;
  for (auto& subscription : subscriptions_) {
    subscription.missed += dropped;
    deliver(subscription, event);
  }
  publishing_ = false;
  remove_ended();
}

void EventHub::tell_missed(const EventSubscriber& subscriber) {
  const auto known = std::ranges::find(subscriptions_, &subscriber, &Subscription::subscriber);
  if (known == subscriptions_.end()) return;
  publishing_ = true;
  (void)tell_missed(*known);
  publishing_ = false;
  remove_ended();
}

void EventHub::deliver(Subscription& subscription, const Event& event) {
  if (!subscription.kinds.empty() && !subscription.kinds.contains(event.kind)) return;
  if (!tell_missed(subscription) || !send(subscription, event)) ++subscription.missed;
}

bool EventHub::tell_missed(Subscription& subscription) {
  if (subscription.missed == 0) return true;
  const Event notice{
      "dropped", JsonWriter().add("event", "dropped").add("dropped", subscription.missed).object()};
  if (!send(subscription, notice)) return false;
  subscription.missed = 0;
  return true;
}

/// A subscriber may find out that its client is gone, and unsubscribe.
bool EventHub::send(Subscription& subscription, const Event& event) {
  return subscription.subscriber == nullptr || subscription.subscriber->on_event(event);
}

void EventHub::remove_ended() {
  const auto ended = std::erase_if(
      subscriptions_, [](const Subscription& one) { return one.subscriber == nullptr; });
  if (ended > 0 && subscriptions_.empty()) stop_listening();
}

}  // namespace netd::control
