#include "daemon/control/task_commands.h"

#include <limits>

#include "daemon/control/arguments.h"
#include "daemon/control/commands.h"
#include "daemon/control/report_json.h"
#include "daemon/control/vocabulary.h"

namespace netd::control {

namespace {

using std::chrono::milliseconds;
using tasks::TaskResult;

constexpr milliseconds kDefaultWait{1000};
constexpr std::size_t kMaxStateName = 16;

/// Seconds since the epoch, to the millisecond.
void add_time(JsonWriter& writer, std::string_view name, WallTime time) {
  writer.add_milliseconds(name, std::chrono::floor<milliseconds>(time.time_since_epoch()).count());
}

void send_error(const Answer& answer, const tasks::TaskError& error) {
  answer.error(tasks::error_code_name(error.code), error.message);
}

std::string queue_argument(Arguments& arguments) {
  return arguments.text("queue", tasks::kMaxQueueNameLength)
      .value_or(std::string(tasks::kDefaultQueue));
}

/// The task as whoever works on it sees it.
std::string work_object(const tasks::Task& task) {
  constexpr std::size_t kOthers = 160;  // bytes
  JsonWriter writer(task.id.size() + task.data.size() + task.queue.size() + kOthers);
  writer.add_raw("id", task.id).add_raw("data", task.data);
  add_time(writer, "timestamp", task.created);
  return writer.add("queue", task.queue).add("attempt", task.attempt).object();
}

void add_state(JsonWriter& writer, const tasks::Task& task) {
  writer.add("state", tasks::state_name(task.state))
      .add("priority", static_cast<std::int64_t>(task.priority))
      .add("attempt", task.attempt)
      .add("max_attempts", task.max_attempts);
  if (task.due_in > milliseconds(0)) writer.add_milliseconds("due_in_s", task.due_in.count());
  if (task.expires) add_time(writer, "expires", *task.expires);
}

/// The task as whoever looks at it sees it.
std::string full_object(const tasks::Task& task) {
  JsonWriter writer;
  writer.add_raw("id", task.id).add_raw("data", task.data);
  add_time(writer, "timestamp", task.created);
  writer.add("queue", task.queue);
  add_state(writer, task);
  return writer.object();
}

/// The same in a list: data may be large, and `peek` shows it.
std::string listed_object(const tasks::Task& task) {
  JsonWriter writer;
  writer.add_raw("id", task.id).add("bytes", static_cast<std::uint64_t>(task.data_size));
  add_time(writer, "timestamp", task.created);
  writer.add("queue", task.queue);
  add_state(writer, task);
  return writer.object();
}

/// Answers a change of one task.
tasks::TaskService::Callback change_callback(const Call& call, std::string id) {
  return [answer = call.answer, id = std::move(id)](const TaskResult<void>& outcome) {
    if (outcome) {
      answer.send(ok_document().add_raw("task_id", id).object());
    } else {
      send_error(answer, outcome.error());
    }
  };
}

tasks::TaskService::Callback queue_callback(const Call& call) {
  return [answer = call.answer](const TaskResult<void>& outcome) {
    if (outcome) {
      answer.send(ok_document().object());
    } else {
      send_error(answer, outcome.error());
    }
  };
}

tasks::TaskRef task_reference(Arguments& arguments) {
  tasks::TaskRef task{arguments.required_id("id"), std::nullopt};
  constexpr std::int64_t kMax = std::numeric_limits<std::uint32_t>::max();
  if (const auto attempt = arguments.integer("attempt", 1, kMax)) {
    task.attempt = static_cast<std::uint32_t>(*attempt);
  }
  return task;
}

tasks::NewTask read_new_task(Arguments& arguments) {
  tasks::NewTask task;
  task.id = arguments.id("id");
  auto data = arguments.value("data");
  if (!data) arguments.missing("data");
  task.data = std::move(data).value_or("");
  task.queue = queue_argument(arguments);
  constexpr std::int64_t kMinPriority = std::numeric_limits<std::int32_t>::min();
  constexpr std::int64_t kMaxPriority = std::numeric_limits<std::int32_t>::max();
  task.priority = static_cast<std::int32_t>(
      arguments.integer("priority", kMinPriority, kMaxPriority).value_or(0));
  task.delay = arguments.seconds("delay", tasks::kMaxDuration).value_or(milliseconds(0));
  constexpr std::int64_t kMaxAttempts = std::numeric_limits<std::uint32_t>::max();
  if (const auto attempts = arguments.integer("max_attempts", 0, kMaxAttempts)) {
    task.max_attempts = static_cast<std::uint32_t>(*attempts);
  }
  task.ttl = arguments.seconds("ttl", tasks::kMaxDuration).value_or(milliseconds(0));
  return task;
}

}  // namespace

void run_produce(const Call& call) {
  Arguments outer(call.members);
  const auto raw = call.members.find("task");
  if (!raw) {
    outer.missing("task");
  } else if (!json_is_object(*raw)) {
    outer.bad("task", "an object");
  }
  if (outer.refused(call.answer)) return;
  const auto members = JsonMembers::parse(*raw);
  if (!members) {
    call.answer.error(code::kInvalidRequest, "task: " + members.error().what());
    return;
  }
  Arguments arguments(*members, "task.");
  tasks::NewTask task = read_new_task(arguments);
  if (arguments.refused(call.answer)) return;
  call.services.tasks.produce(std::move(task),
                              [answer = call.answer](const TaskResult<tasks::Produced>& outcome) {
                                if (!outcome) {
                                  send_error(answer, outcome.error());
                                  return;
                                }
                                JsonWriter writer;
                                writer.add("status", "queued").add_raw("task_id", outcome->id);
                                if (outcome->duplicate) writer.add("duplicate", true);
                                answer.send(writer.object());
                              });
}

void run_consume(const Call& call) {
  Arguments arguments(call.members);
  tasks::TakeRequest request;
  request.queue = queue_argument(arguments);
  request.wait = arguments.seconds("wait", tasks::kMaxDuration).value_or(kDefaultWait);
  request.lease = arguments.seconds("lease", tasks::kMaxDuration);
  if (request.lease == milliseconds(0)) arguments.bad("lease", "more than 0 seconds");
  request.bind = arguments.flag("bind").value_or(false);
  if (request.bind && !request.lease) arguments.missing("lease");
  request.holder = call.caller.holder();
  if (arguments.refused(call.answer)) return;
  call.services.tasks.take(
      std::move(request),
      [answer = call.answer](const TaskResult<std::optional<tasks::Task>>& outcome) {
        if (!outcome) {
          send_error(answer, outcome.error());
          return true;
        }
        if (!*outcome) {
          answer.send(R"({"status":"empty"})");
          return true;
        }
        if (!answer.wanted()) {
          answer.error(code::kUnreachable, "nobody is there to take it: the task stays queued");
          return false;
        }
        const std::string task = work_object(**outcome);
        answer.send(
            JsonWriter(task.size() + 64).add("status", "success").add_raw("task", task).object());
        return true;
      });
}

void run_done(const Call& call) {
  Arguments arguments(call.members);
  tasks::TaskRef task = task_reference(arguments);
  std::string result = arguments.value("result").value_or("");
  if (arguments.refused(call.answer)) return;
  auto callback = change_callback(call, task.id);
  call.services.tasks.done(std::move(task), std::move(result), std::move(callback));
}

void run_fail(const Call& call) {
  Arguments arguments(call.members);
  tasks::TaskRef task = task_reference(arguments);
  const auto delay = arguments.seconds("delay", tasks::kMaxDuration);
  if (arguments.refused(call.answer)) return;
  auto callback = change_callback(call, task.id);
  call.services.tasks.fail(std::move(task), delay, std::move(callback));
}

void run_give_back(const Call& call) {
  Arguments arguments(call.members);
  tasks::TaskRef task = task_reference(arguments);
  const auto delay = arguments.seconds("delay", tasks::kMaxDuration);
  if (arguments.refused(call.answer)) return;
  auto callback = change_callback(call, task.id);
  call.services.tasks.give_back(std::move(task), delay, std::move(callback));
}

void run_touch(const Call& call) {
  Arguments arguments(call.members);
  tasks::TaskRef task = task_reference(arguments);
  const auto lease = arguments.seconds("lease", tasks::kMaxDuration);
  if (lease == milliseconds(0)) arguments.bad("lease", "more than 0 seconds");
  if (arguments.refused(call.answer)) return;
  auto callback = change_callback(call, task.id);
  call.services.tasks.touch(std::move(task), lease, std::move(callback));
}

void run_delete(const Call& call) {
  Arguments arguments(call.members);
  std::string id = arguments.required_id("id");
  if (arguments.refused(call.answer)) return;
  auto callback = change_callback(call, id);
  call.services.tasks.erase(std::move(id), std::move(callback));
}

void run_kick(const Call& call) {
  Arguments arguments(call.members);
  std::string id = arguments.id("id");
  std::string queue = queue_argument(arguments);
  const auto limit = arguments.integer("limit", 1, std::numeric_limits<std::int64_t>::max())
                         .value_or(std::numeric_limits<std::int64_t>::max());
  if (!arguments.has("id") && !arguments.has("queue")) arguments.missing("id or queue");
  if (arguments.refused(call.answer)) return;
  if (!id.empty()) {
    call.services.tasks.kick(std::move(id),
                             [answer = call.answer](const TaskResult<void>& outcome) {
                               if (outcome) {
                                 answer.send(ok_document().add("kicked", 1).object());
                               } else {
                                 send_error(answer, outcome.error());
                               }
                             });
    return;
  }
  call.services.tasks.kick_queue(
      std::move(queue), static_cast<std::size_t>(limit),
      [answer = call.answer](const TaskResult<std::size_t>& outcome) {
        if (outcome) {
          answer.send(ok_document().add("kicked", static_cast<std::uint64_t>(*outcome)).object());
        } else {
          send_error(answer, outcome.error());
        }
      });
}

void run_peek(const Call& call) {
  Arguments arguments(call.members);
  std::string id = arguments.id("id");
  std::string queue = queue_argument(arguments);
  if (arguments.refused(call.answer)) return;
  const auto callback = [answer = call.answer](const TaskResult<tasks::Task>& outcome) {
    if (outcome) {
      answer.send(ok_document().add_raw("task", full_object(*outcome)).object());
    } else {
      send_error(answer, outcome.error());
    }
  };
  if (id.empty()) {
    call.services.tasks.peek_next(std::move(queue), callback);
  } else {
    call.services.tasks.peek(std::move(id), callback);
  }
}

void run_tasks(const Call& call) {
  Arguments arguments(call.members);
  tasks::ListRequest request;
  request.queue = arguments.text("queue", tasks::kMaxQueueNameLength);
  if (const auto name = arguments.text("state", kMaxStateName)) {
    request.state = tasks::parse_state(*name);
    if (!request.state) arguments.bad("state", "ready, delayed, leased or dead");
  }
  request.after = static_cast<std::uint64_t>(
      arguments.integer("after", 0, std::numeric_limits<std::int64_t>::max()).value_or(0));
  request.limit = static_cast<std::size_t>(
      arguments.integer("limit", 1, tasks::kMaxPage).value_or(static_cast<int>(request.limit)));
  if (arguments.refused(call.answer)) return;
  call.services.tasks.list(std::move(request),
                           [answer = call.answer](const TaskResult<tasks::TaskPage>& outcome) {
                             if (!outcome) {
                               send_error(answer, outcome.error());
                               return;
                             }
                             std::vector<std::string> objects;
                             objects.reserve(outcome->tasks.size());
                             for (const auto& task : outcome->tasks)
                               objects.push_back(listed_object(task));
                             JsonWriter writer = ok_document();
                             writer.add_raw("tasks", json_array(objects));
                             if (outcome->next != 0) writer.add("next", outcome->next);
                             answer.send(writer.object());
                           });
}

void run_task_stats(const Call& call) {
  call.answer.send(task_stats_document(call.services.tasks.stats()));
}

void run_pause(const Call& call) {
  Arguments arguments(call.members);
  std::string queue = arguments.required_text("queue", tasks::kMaxQueueNameLength);
  if (arguments.refused(call.answer)) return;
  call.services.tasks.pause(std::move(queue), queue_callback(call));
}

void run_resume(const Call& call) {
  Arguments arguments(call.members);
  std::string queue = arguments.required_text("queue", tasks::kMaxQueueNameLength);
  if (arguments.refused(call.answer)) return;
  call.services.tasks.resume(std::move(queue), queue_callback(call));
}

void run_result(const Call& call) {
  Arguments arguments(call.members);
  std::string id = arguments.required_id("id");
  const auto wait = arguments.seconds("wait", tasks::kMaxDuration).value_or(kDefaultWait);
  if (arguments.refused(call.answer)) return;
  call.services.tasks.await_result(
      id, wait, call.caller.holder(),
      [answer = call.answer, id](const TaskResult<std::optional<std::string>>& outcome) {
        if (!outcome) {
          send_error(answer, outcome.error());
        } else if (!*outcome) {
          answer.send(R"({"status":"empty"})");
        } else {
          answer.send(ok_document().add_raw("task_id", id).add_raw("result", **outcome).object());
        }
      });
}

}  // namespace netd::control
