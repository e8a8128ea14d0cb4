#include "ctl/custom_commands.h"

#include <array>

namespace netd::ctl {

namespace {

constexpr auto kCustomCommands = std::to_array<CustomCommand>({
    {"stats", "counters since the start, or as they change", "stats --watch", define_stats},
    {"top", "watch netd live on a terminal", "top --interval 500ms", define_top},
    {"events", "show what happens as it happens", "events task connection", define_events},
    {"mail list", "list received mail, the newest first", "mail list --to bob@example.org",
     define_mail_list},
    {"mail show", "show a message, or save an attachment", "mail show latest", define_mail_show},
    {"mail delete", "remove messages", "mail delete --all", define_mail_delete},
    {"mail send", "send a message, to netd or another server",
     "mail send --to bob@example.org --subject hi 'How are you?'", define_mail_send},
    {"mail wait", "wait for a message that matches", "mail wait --to bob --subject welcome",
     define_mail_wait},
    {"task work", "run a command for each task", "task work -j 4 -- ./resize.sh", define_task_work},
    {"task check", "examine the task store while netd is stopped", "task check", define_task_check},
    {"task export", "print the tasks of a store while netd is stopped", "task export > tasks",
     define_task_export},
    {"task import", "queue the tasks of an export, from standard input", "task import < tasks",
     define_task_import},
    {"echo", "send text to an echo service and check what comes back", "echo 127.0.0.1:50007 hello",
     define_echo},
    {"connect", "join standard input and output to a peer: netcat", "connect --crlf localhost:smtp",
     define_connect},
    {"http", "send an HTTP request and show the answer", "http -i http://127.0.0.1:8080/whoami",
     define_http},
    {"scan", "find the open ports of a host", "scan localhost 1-1024,http-alt", define_scan},
    {"call", "send an HTTP request to an instance of a service", "call users /users/1",
     define_call},
    {"latency", "measure round trips: connections, echoes, requests",
     "latency --count 100 localhost:8080 http://localhost:8080/", define_latency},
    {"throughput", "measure bytes a second, to and from a service",
     "throughput --streams 4 localhost:50007", define_throughput},
});

}  // namespace

std::span<const CustomCommand> custom_commands() { return kCustomCommands; }

}  // namespace netd::ctl
