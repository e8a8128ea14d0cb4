// Stand-ins for what the control channels work on.
#pragma once

#include <string>
#include <vector>

#include "daemon/control/daemon_control.h"

namespace netd::control {

class FakeDaemon final : public DaemonControl {
 public:
  StatusReport report;
  ConnectionList list;
  ConnectionQuery asked;
  ReloadOutcome outcome;
  std::vector<std::string> mistakes;
  std::uint64_t disconnected = 1;
  DisconnectRequest disconnect_asked;
  bool resumed = false;
  bool stopped = false;
  /// While set, status is answered only by answer_status(), as when workers take their time.
  bool hold_status = false;
  std::vector<std::function<void(const StatusReport&)>> held;

  void answer_status() {
    for (const auto& reply : std::exchange(held, {})) reply(report);
  }

  void status(std::function<void(const StatusReport&)> reply) override {
    if (hold_status) {
      held.push_back(std::move(reply));
    } else {
      reply(report);
    }
  }
  void connections(const ConnectionQuery& query,
                   std::function<void(const ConnectionList&)> reply) override {
    asked = query;
    reply(list);
  }
  void reload(std::function<void(const ReloadOutcome&)> reply) override { reply(outcome); }
  std::vector<std::string> check_config() override { return mistakes; }
  std::string config_text() override { return "[netd]\n"; }
  void disconnect(const DisconnectRequest& request,
                  std::function<void(std::uint64_t)> reply) override {
    disconnect_asked = request;
    reply(disconnected);
  }
  Result<DrainOutcome> drain(const std::optional<std::string>& listener, bool resume) override {
    if (listener && *listener != "echo") return fail("there is no listener " + *listener);
    resumed = resume;
    return DrainOutcome{{"echo"}, 2};
  }
  void stop() override { stopped = true; }
};

}  // namespace netd::control
