#include "daemon/control/commands.h"

#include <algorithm>
#include <array>

#include "daemon/base/text.h"
#include "daemon/control/arguments.h"
#include "daemon/control/daemon_commands.h"
#include "daemon/control/task_commands.h"
#include "daemon/control/vocabulary.h"

namespace netd::control {

namespace {

constexpr auto kRead = Permission::read_status;
constexpr auto kSteer = Permission::steer;
constexpr std::size_t kMaxTypeName = 64;  // bytes

constexpr auto kCommands = std::to_array<Command>({
    {"config", kSteer, "check?", "the configuration in use, or whether the files are good",
     run_config},
    {"connections", kSteer, "listener? client? limit?", "the open connections", run_connections},
    {"consume", kSteer, "queue? wait? lease? bind?", "takes the next task", run_consume},
    {"delete", kSteer, "id", "removes a task", run_delete},
    {"disconnect", kSteer, "id? listener? client?", "closes connections", run_disconnect},
    {"done", kSteer, "id attempt? result?", "finishes a leased task", run_done},
    {"drain", kSteer, "listener? resume?", "takes no more connections", run_drain},
    {"fail", kSteer, "id attempt? delay?", "gives a leased task back as failed", run_fail},
    {"give_back", kSteer, "id attempt? delay?", "gives a leased task back untried", run_give_back},
    {"kick", kSteer, "id? queue? limit?", "makes dead or delayed tasks ready", run_kick},
    {"listeners", kRead, "", "the listeners and their counters", run_listeners},
    {"log_level", kSteer, "level?", "shows or sets what the journal gets", run_log_level},
    {"pause", kSteer, "queue", "hands out no more tasks of a queue", run_pause},
    {"peek", kSteer, "id? queue?", "shows a task", run_peek},
    {"produce", kSteer, "task", "queues a task", run_produce},
    {"reload", kSteer, "", "reads the configuration anew", run_reload},
    {"result", kSteer, "id wait?", "waits until a task is done", run_result},
    {"resume", kSteer, "queue", "takes pause back", run_resume},
    {"stats", kRead, "", "counters since the start", run_stats},
    {"status", kRead, "", "all about the daemon at a glance", run_status},
    {"stop", kSteer, "", "drains and stops the daemon", run_stop},
    {"subscribe", kSteer, "events?", "streams events", run_subscribe},
    {"task_stats", kSteer, "", "the queues and their counters", run_task_stats},
    {"tasks", kSteer, "queue? state? after? limit?", "lists tasks", run_tasks},
    {"touch", kSteer, "id attempt? lease?", "renews a lease", run_touch},
    {"version", kRead, "", "the daemon's version", run_version},
});

}  // namespace

std::span<const Command> commands() { return kCommands; }

namespace {

void unknown_type(const Call& call, std::string_view type) {
  std::string message = "unknown type " + printable(type, 40);
  const auto nearest = std::ranges::min_element(
      kCommands, {}, [&](const Command& command) { return edit_distance(type, command.type); });
  if (edit_distance(type, nearest->type) <= 2) {
    message += ": did you mean " + std::string(nearest->type) + "?";
  }
  call.answer.error(code::kUnknownType, message);
}

}  // namespace

void run_request(const Call& call) {
  Arguments arguments(call.members);
  const std::string type = arguments.required_text("type", kMaxTypeName);
  if (arguments.refused(call.answer)) return;
  const auto found = std::ranges::lower_bound(kCommands, type, {}, &Command::type);
  if (found == kCommands.end() || found->type != type) {
    unknown_type(call, type);
    return;
  }
  if (call.caller.permission() < found->permission) {
    call.answer.error(code::kForbidden,
                      "only root, netd's own user and the control group may do this");
    return;
  }
  found->run(call);
}

}  // namespace netd::control
