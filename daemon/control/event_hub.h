// Events for `subscribe`: what the journal gets and what happens to tasks, for any number of
// listeners, none of whom can hold anybody up.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/lifetime.h"
#include "daemon/base/log.h"
#include "daemon/event/dispatcher.h"
#include "daemon/tasks/task_service.h"

namespace netd::control {

/// One event as its subscribers see it.
struct Event {
  std::string kind;  ///< "connection", "task", "reload", ...: the first word of `name`
  std::string line;  ///< one JSON object without its line end
};

class EventSubscriber {
 public:
  virtual ~EventSubscriber() = default;
  /// False when it cannot take one now: the hub counts it as missed.
  [[nodiscard]] virtual bool on_event(const Event& event) = 0;
};

/// Main thread only, but for what arrives through the log. Costs nothing while nobody listens.
class EventHub {
 public:
  /// Entries of the log on their way to this thread; more are dropped and counted.
  static constexpr std::size_t kMaxInFlight = 4096;
  static constexpr std::size_t kMaxSubscribers = 1024;

  /// All must outlive the hub.
  EventHub(Dispatcher& dispatcher, tasks::TaskService& tasks);
  ~EventHub();
  EventHub(const EventHub&) = delete;
  EventHub& operator=(const EventHub&) = delete;

  /// `kinds`: empty means all. False when there are too many already. Subscribing again replaces
  /// the kinds.
  [[nodiscard]] bool subscribe(EventSubscriber& subscriber, std::vector<std::string> kinds);
  void unsubscribe(EventSubscriber& subscriber);
  [[nodiscard]] bool is_subscribed(const EventSubscriber& subscriber) const;

  void publish(const Event& event);
  /// For a subscriber that can take events again: says how many it has missed, where it has any.
  void tell_missed(const EventSubscriber& subscriber);

 private:
  struct Subscription {
    EventSubscriber* subscriber;  // null: ended while events go out
    std::set<std::string, std::less<>> kinds;
    std::uint64_t missed = 0;
  };
  struct Inbox;

  void listen();
  void stop_listening();
  void deliver(Subscription& subscription, const Event& event);
  /// False when it has missed some, and cannot even be told.
  [[nodiscard]] static bool tell_missed(Subscription& subscription);
  [[nodiscard]] static bool send(Subscription& subscription, const Event& event);
  void remove_ended();
  void on_task(const tasks::TaskEvent& event);

  Dispatcher& dispatcher_;
  tasks::TaskService& tasks_;
  std::vector<Subscription> subscriptions_;
  // shared_ptr: the log's threads hold it while they hand over an entry.
  std::shared_ptr<Inbox> inbox_;
  bool publishing_ = false;
  Lifetime lifetime_;
};

/// The event that stands for one entry of the log. `fields`: NAME=VALUE, each with a NUL in front.
[[nodiscard]] Event event_of_entry(LogLevel level, WallTime time, std::string_view message,
                                   std::string_view fields);

}  // namespace netd::control
