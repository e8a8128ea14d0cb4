// The requests that the control channels take: one row each.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "daemon/control/answer.h"
#include "daemon/control/credentials.h"
#include "daemon/control/daemon_control.h"
#include "daemon/control/event_hub.h"
#include "daemon/control/json_text.h"
#include "daemon/tasks/task_service.h"

namespace netd::control {

/// What commands work on. All of it belongs to the main thread.
struct Services {
  DaemonControl& daemon;
  tasks::TaskService& tasks;
  EventHub& events;
};

/// Who asks: a session of the socket, or the FIFO.
class Caller : public AnswerSink {
 public:
  [[nodiscard]] virtual Permission permission() const = 0;
  /// Whose leases and parked consumers these are; 0: nobody's.
  [[nodiscard]] virtual tasks::Holder holder() const = 0;
  /// For the journal: "uid=1000 pid=4242".
  [[nodiscard]] virtual std::string who() const = 0;
  /// Null when events cannot be streamed to this caller.
  [[nodiscard]] virtual EventSubscriber* subscriber() = 0;
};

/// One request. Lives as long as the call; the answer may be copied and given later.
struct Call {
  const Services& services;
  const JsonMembers& members;
  Caller& caller;
  const Answer& answer;
};

struct Command {
  std::string_view type;
  Permission permission;
  /// The members it reads, for its documentation; "?" after those that may be left out.
  std::string_view members;
  std::string_view summary;
  void (*run)(const Call& call);
};

/// All of them, in alphabetical order.
[[nodiscard]] std::span<const Command> commands();

/// Looks the request's type up, checks the caller's permission, and runs it or answers why not.
void run_request(const Call& call);

}  // namespace netd::control
