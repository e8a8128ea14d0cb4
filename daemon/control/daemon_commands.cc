#include "daemon/control/daemon_commands.h"

#include <unistd.h>

#include <algorithm>
#include <limits>

#include "daemon/base/log.h"
#include "daemon/base/text.h"
#include "daemon/control/arguments.h"
#include "daemon/control/commands.h"
#include "daemon/control/report_json.h"
#include "daemon/control/vocabulary.h"
#include "version.h"

namespace netd::control {

namespace {

constexpr std::size_t kMaxName = 256;
constexpr std::size_t kMaxDescribed = 10'000;  // connections in one answer: about 3 MB
constexpr std::size_t kMaxKinds = 32;

/// Who steers is worth an entry; who only looks is not.
void note_steering(const Call& call, std::string_view what) {
  LogEntry(LogLevel::info, "control_command")
      .client(call.caller.who())
      .send("control: " + std::string(what) + " by " + call.caller.who());
}

std::string mistakes_document(const std::vector<std::string>& mistakes, std::string_view so_what) {
  const std::string count =
      mistakes.size() == 1 ? "1 mistake in the configuration"
                           : std::to_string(mistakes.size()) + " mistakes in the configuration";
  return JsonWriter()
      .add("status", "error")
      .add("code", code::kConfigInvalid)
      .add("message", count + std::string(so_what))
      .add_list("mistakes", mistakes)
      .object();
}

std::optional<LogLevel> parse_level(std::string_view name) {
  for (const LogLevel level :
       {LogLevel::debug, LogLevel::info, LogLevel::warning, LogLevel::error}) {
    if (name == log_level_name(level)) return level;
  }
  return std::nullopt;
}

}  // namespace

void run_status(const Call& call) {
  call.services.daemon.status(
      [answer = call.answer, &tasks = call.services.tasks](const StatusReport& report) {
        answer.send(status_document(report, tasks.stats()));
      });
}

void run_listeners(const Call& call) {
  call.services.daemon.status([answer = call.answer](const StatusReport& report) {
    answer.send(listeners_document(report));
  });
}

void run_stats(const Call& call) {
  call.services.daemon.status(
      [answer = call.answer, &tasks = call.services.tasks](const StatusReport& report) {
        answer.send(stats_document(report, tasks.stats()));
      });
}

void run_version(const Call& call) {
  call.answer.send(ok_document()
                       .add("version", kVersion)
                       .add("pid", static_cast<std::int64_t>(::getpid()))
                       .object());
}

void run_connections(const Call& call) {
  Arguments arguments(call.members);
  ConnectionQuery query;
  query.listener = arguments.text("listener", kMaxName);
  query.client = arguments.text("client", kMaxName);
  query.limit = static_cast<std::size_t>(arguments.integer("limit", 1, kMaxDescribed)
                                             .value_or(static_cast<std::int64_t>(query.limit)));
  if (arguments.refused(call.answer)) return;
  call.services.daemon.connections(query, [answer = call.answer](const ConnectionList& list) {
    answer.send(connections_document(list));
  });
}

void run_config(const Call& call) {
  Arguments arguments(call.members);
  const bool check = arguments.flag("check").value_or(false);
  if (arguments.refused(call.answer)) return;
  if (!check) {
    call.answer.send(ok_document().add("config", call.services.daemon.config_text()).object());
    return;
  }
  const auto mistakes = call.services.daemon.check_config();
  if (mistakes.empty()) {
    call.answer.send(ok_document().add_list("mistakes", {}).object());
  } else {
    call.answer.send(mistakes_document(mistakes, ""));
  }
}

void run_reload(const Call& call) {
  note_steering(call, "reload");
  call.services.daemon.reload([answer = call.answer](const ReloadOutcome& outcome) {
    if (!outcome.mistakes.empty()) {
      answer.send(mistakes_document(outcome.mistakes, "; nothing was changed"));
      return;
    }
    answer.send(ok_document()
                    .add("generation", outcome.generation)
                    .add_list("changes", outcome.changes)
                    .object());
  });
}

void run_log_level(const Call& call) {
  Arguments arguments(call.members);
  const auto name = arguments.text("level", kMaxName);
  const LogLevel before = log_level();
  LogLevel now = before;
  if (name) {
    const auto level = parse_level(*name);
    if (!level) arguments.bad("level", "debug, info, warning or error");
    now = level.value_or(before);
  }
  if (arguments.refused(call.answer)) return;
  if (name) {
    set_log_level(now);
    note_steering(call, "log level " + std::string(log_level_name(now)));
  }
  JsonWriter writer = ok_document();
  writer.add("log_level", log_level_name(now));
  if (name) writer.add("previous", log_level_name(before));
  call.answer.send(writer.object());
}

void run_disconnect(const Call& call) {
  Arguments arguments(call.members);
  DisconnectRequest request;
  if (const auto id = arguments.integer("id", 1, std::numeric_limits<std::int64_t>::max())) {
    request.id = static_cast<std::uint64_t>(*id);
  }
  request.listener = arguments.text("listener", kMaxName);
  request.client = arguments.text("client", kMaxName);
  if (!arguments.has("id") && !request.listener && !request.client) {
    arguments.missing("id, listener or client");
  }
  if (arguments.refused(call.answer)) return;
  note_steering(call, "disconnect");
  call.services.daemon.disconnect(request, [answer = call.answer](std::uint64_t count) {
    if (count == 0) {
      answer.error(code::kNotFound, "there is no such connection");
    } else {
      answer.send(ok_document().add("disconnected", count).object());
    }
  });
}

void run_drain(const Call& call) {
  Arguments arguments(call.members);
  const auto listener = arguments.text("listener", kMaxName);
  const bool resume = arguments.flag("resume").value_or(false);
  if (arguments.refused(call.answer)) return;
  note_steering(call, (resume ? "resume of " : "drain of ") +
                          (listener ? "listener " + *listener : std::string("all listeners")));
  const auto outcome = call.services.daemon.drain(listener, resume);
  if (!outcome) {
    call.answer.error(code::kNotFound, outcome.error().what());
    return;
  }
  call.answer.send(ok_document()
                       .add_list("listeners", outcome->listeners)
                       .add("active", outcome->active)
                       .object());
}

void run_stop(const Call& call) {
  note_steering(call, "stop");
  call.answer.send(ok_document().object());
  call.services.daemon.stop();
}

namespace {

std::string unknown_kind(std::string_view kind) {
  const std::string message = "events: there is no kind " + printable(kind, 40);
  if (const std::string meant = did_you_mean(kind, kEventKinds); !meant.empty()) {
    return message + meant;
  }
  std::string all;
  for (const std::string_view known : kEventKinds) {
    if (!all.empty()) all += ", ";
    all += known;
  }
  return message + ": there are " + all;
}

}  // namespace

void run_subscribe(const Call& call) {
  Arguments arguments(call.members);
  auto kinds = arguments.texts("events", kMaxKinds, kMaxName).value_or(std::vector<std::string>());
  if (arguments.refused(call.answer)) return;
  for (const std::string& kind : kinds) {
    if (std::ranges::binary_search(kEventKinds, kind)) continue;
    call.answer.error(code::kBadValue, unknown_kind(kind));
    return;
  }
  EventSubscriber* subscriber = call.caller.subscriber();
  if (subscriber == nullptr) {
    call.answer.error(code::kInvalidRequest, "events are only streamed over the control socket");
  } else if (!call.services.events.subscribe(*subscriber, std::move(kinds))) {
    call.answer.error(code::kBusy, "too many subscribers");
  } else {
    call.answer.send(ok_document().object());
  }
}

}  // namespace netd::control
