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

/// How a request stands to those that the same client sent before without waiting for the answers.
/// Changes run side by side and share a write to the disk; whoever looks or takes finds them made.
enum class Pace : std::uint8_t {
  change,  ///< waits for none; looks and takes wait for it
  finish,  ///< the same, but it makes no task ready: takes do not wait for it
  take,    ///< waits for changes; may stay parked, so none waits for it
  look,    ///< waits for changes and finishes
};

struct Command {
  std::string_view type;
  Pace pace;
  Permission permission;
  /// The members it reads, for its documentation; "?" after those that may be left out.
  std::string_view members;
  std::string_view summary;
  void (*run)(const Call& call);
};

/// All of them, in alphabetical order.
[[nodiscard]] std::span<const Command> commands();

/// The command that the request's type names; null when it names none.
[[nodiscard]] const Command* find_command(const JsonMembers& members);

/// Checks the caller's permission, and runs the command or answers why not. `command` is what
/// find_command() found.
void run_request(const Command* command, const Call& call);

}  // namespace netd::control
