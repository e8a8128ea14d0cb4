#include "daemon/control/event_hub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "daemon/base/clock.h"
#include "tests/unit/control/fake_tasks.h"

namespace netd::control {
namespace {

using testing::ElementsAre;

std::string nul_separated(std::vector<std::string> fields) {
  std::string all;
  for (const auto& field : fields) {
    all += '\0';
    all += field;
  }
  return all;
}

TEST(EventOfEntry, HasTheFieldsAsMembers) {
  const Event event =
      event_of_entry(LogLevel::info, WallTime(std::chrono::milliseconds(1500)), "closed \"x\"",
                     nul_separated({"NETD_EVENT=connection_close", "NETD_CONNECTION=7",
                                    "NETD_CLIENT=::1", "NETD_BYTES_IN=x", "MESSAGE_ID=1"}));
  EXPECT_EQ(event.kind, "connection");
  EXPECT_EQ(event.line,
            "{\"event\":\"connection_close\",\"time\":\"1970-01-01T00:00:01.500Z\",\"level\":"
            "\"info\",\"message\":\"closed \\\"x\\\"\",\"connection\":7,\"client\":\"::1\","
            "\"bytes_in\":\"x\"}");
}

class Listener final : public EventSubscriber {
 public:
  bool on_event(const Event& event) override {
    if (full) return false;
    heard.push_back(event.line);
    if (leaves != nullptr) leaves->unsubscribe(*this);
    return true;
  }
  bool full = false;
  EventHub* leaves = nullptr;
  std::vector<std::string> heard;
};

class EventHubTest : public testing::Test {
 protected:
  SystemClock clock_;
  std::unique_ptr<Dispatcher> dispatcher_ = Dispatcher::create(clock_).value();
  FakeTasks tasks_;
  EventHub hub_{*dispatcher_, tasks_};
};

TEST_F(EventHubTest, CountsWhatASlowSubscriberMisses) {
  Listener slow;
  Listener quick;
  ASSERT_TRUE(hub_.subscribe(slow, {}));
  ASSERT_TRUE(hub_.subscribe(quick, {"b"}));
  slow.full = true;
  hub_.publish({"a", "1"});
  hub_.publish({"b", "2"});
  slow.full = false;
  hub_.publish({"a", "3"});
  EXPECT_THAT(slow.heard, ElementsAre("{\"event\":\"dropped\",\"dropped\":2}", "3"));
  EXPECT_THAT(quick.heard, ElementsAre("2"));
}

TEST_F(EventHubTest, SubscribersMayLeaveWhileTheyAreTold) {
  Listener one;
  Listener two;
  one.leaves = &hub_;
  ASSERT_TRUE(hub_.subscribe(one, {}));
  ASSERT_TRUE(hub_.subscribe(two, {}));
  hub_.publish({"a", "1"});
  hub_.publish({"a", "2"});
  EXPECT_THAT(one.heard, ElementsAre("1"));
  EXPECT_THAT(two.heard, ElementsAre("1", "2"));
  EXPECT_FALSE(hub_.is_subscribed(one));
  hub_.unsubscribe(two);
  EXPECT_FALSE(tasks_.observer);
}

TEST_F(EventHubTest, BoundsTheSubscribers) {
  std::vector<Listener> listeners(EventHub::kMaxSubscribers + 1);
  for (std::size_t i = 0; i < EventHub::kMaxSubscribers; ++i) {
    EXPECT_TRUE(hub_.subscribe(listeners[i], {}));
  }
  EXPECT_FALSE(hub_.subscribe(listeners.back(), {}));
  EXPECT_TRUE(hub_.subscribe(listeners.front(), {"a"}));
  for (auto& listener : listeners) hub_.unsubscribe(listener);
}

TEST_F(EventHubTest, EntriesOfTheLogArrive) {
  log_start(LogTarget::standard_error, LogLevel::info);
  Listener listener;
  ASSERT_TRUE(hub_.subscribe(listener, {"reload"}));
  LogEntry(LogLevel::info, "reload_done").send("reloaded");
  LogEntry(LogLevel::info, "other").send("something else");
  log_stop();  // writes all that is queued
  while (listener.heard.empty()) dispatcher_->turn(true);
  ASSERT_EQ(listener.heard.size(), 1U);
  EXPECT_THAT(listener.heard[0], testing::HasSubstr("\"message\":\"reloaded\""));
  hub_.unsubscribe(listener);
}

}  // namespace
}  // namespace netd::control
