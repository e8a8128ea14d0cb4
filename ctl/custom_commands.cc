#include "ctl/custom_commands.h"

#include <array>

namespace netd::ctl {

namespace {

constexpr auto kCustomCommands = std::to_array<CustomCommand>({
    {"stats", "counters since the start, or as they change", "stats --watch", define_stats},
    {"events", "show what happens as it happens", "events task connection", define_events},
    {"task work", "run a command for each task", "task work -j 4 -- ./resize.sh", define_task_work},
    {"task check", "examine the task store while netd is stopped", "task check", define_task_check},
    {"task export", "print the tasks of a store while netd is stopped", "task export > tasks",
     define_task_export},
    {"task import", "queue the tasks of an export, from standard input", "task import < tasks",
     define_task_import},
});

}  // namespace

std::span<const CustomCommand> custom_commands() { return kCustomCommands; }

}  // namespace netd::ctl
