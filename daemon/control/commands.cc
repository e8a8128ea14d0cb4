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
    {"config", Pace::look, kSteer, "check?",
     "the configuration in use, or whether the files are good", run_config},
    {"connections", Pace::look, kSteer, "listener? client? limit?", "the open connections",
     run_connections},
    {"consume", Pace::take, kSteer, "queue? wait? lease? bind?", "takes the next task",
     run_consume},
    {"delete", Pace::finish, kSteer, "id", "removes a task", run_delete},
    {"disconnect", Pace::look, kSteer, "id? listener? client?", "closes connections",
     run_disconnect},
    {"done", Pace::finish, kSteer, "id attempt? result?", "finishes a leased task", run_done},
    {"drain", Pace::look, kSteer, "listener? resume?", "takes no more connections", run_drain},
    {"fail", Pace::change, kSteer, "id attempt? delay?", "gives a leased task back as failed",
     run_fail},
    {"give_back", Pace::change, kSteer, "id attempt? delay?", "gives a leased task back untried",
     run_give_back},
    {"kick", Pace::change, kSteer, "id? queue? limit?", "makes dead or delayed tasks ready",
     run_kick},
    {"listeners", Pace::look, kRead, "", "the listeners and their counters", run_listeners},
    {"log_level", Pace::look, kSteer, "level?", "shows or sets what the journal gets",
     run_log_level},
    {"pause", Pace::change, kSteer, "queue", "hands out no more tasks of a queue", run_pause},
    {"peek", Pace::look, kSteer, "id? queue?", "shows a task", run_peek},
    {"produce", Pace::change, kSteer, "task", "queues a task", run_produce},
    {"reload", Pace::look, kSteer, "", "reads the configuration anew", run_reload},
    {"result", Pace::look, kSteer, "id wait?", "waits until a task is done", run_result},
    {"resume", Pace::change, kSteer, "queue", "takes pause back", run_resume},
    {"stats", Pace::look, kRead, "", "counters since the start", run_stats},
    {"status", Pace::look, kRead, "", "all about the daemon at a glance", run_status},
    {"stop", Pace::look, kSteer, "", "drains and stops the daemon", run_stop},
    {"subscribe", Pace::look, kSteer, "events?", "streams events", run_subscribe},
    {"task_stats", Pace::look, kSteer, "", "the queues and their counters", run_task_stats},
    {"tasks", Pace::look, kSteer, "queue? state? after? limit?", "lists tasks", run_tasks},
    {"touch", Pace::change, kSteer, "id attempt? lease?", "renews a lease", run_touch},
    {"version", Pace::look, kRead, "", "the daemon's version", run_version},
});

}  // namespace

std::span<const Command> commands() { return kCommands; }

namespace {

void unknown_type(const Call& call, std::string_view type) {
  call.answer.error(code::kUnknownType, "unknown type " + printable(type, 40) +
                                            did_you_mean(type, commands(), &Command::type));
}

}  // namespace

const Command* find_command(const JsonMembers& members) {
  const auto raw = members.find("type");
  const auto type = raw ? json_string(*raw) : std::nullopt;
  if (!type) return nullptr;
  const auto found = std::ranges::lower_bound(kCommands, *type, {}, &Command::type);
  return found != kCommands.end() && found->type == *type ? &*found : nullptr;
}

void run_request(const Command* command, const Call& call) {
  if (command == nullptr) {
    Arguments arguments(call.members);
    const std::string type = arguments.required_text("type", kMaxTypeName);
    if (!arguments.refused(call.answer)) unknown_type(call, type);
    return;
  }
  if (call.caller.permission() < command->permission) {
    call.answer.error(code::kForbidden,
                      "only root, netd's own user and the control group may do this");
    return;
  }
  command->run(call);
}

}  // namespace netd::control
