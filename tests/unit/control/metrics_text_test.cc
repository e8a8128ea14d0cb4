#include "daemon/control/metrics_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace netd::control {
namespace {

using testing::HasSubstr;

TEST(MetricsText, NamesEverySample) {
  StatusReport report;
  report.uptime = std::chrono::seconds(90);
  ListenerReport listener;
  listener.name = "a\"b\\c";
  listener.protocol = "echo";
  listener.traffic.bytes_in = 7;
  report.listeners.push_back(listener);
  tasks::TaskStats tasks;
  tasks.queues.push_back({"mail", 1, 2, 3, 4, 0, 0, false});
  const std::string text = metrics_text(report, tasks);
  EXPECT_THAT(text, HasSubstr("netd_uptime_seconds 90\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE netd_received_bytes_total counter\n"));
  EXPECT_THAT(
      text, HasSubstr("netd_received_bytes_total{listener=\"a\\\"b\\\\c\",protocol=\"echo\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("netd_tasks{queue=\"mail\",state=\"dead\"} 4\n"));
  EXPECT_TRUE(text.ends_with('\n'));
}

}  // namespace
}  // namespace netd::control
