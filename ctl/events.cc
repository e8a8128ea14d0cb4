// `netctl events`: the daemon's events as they happen.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "ctl/custom_commands.h"
#include "ctl/json_access.h"
#include "ctl/option_checks.h"
#include "ctl/printers.h"
#include "daemon/base/text.h"
#include "daemon/control/json_text.h"

namespace netd::ctl {

namespace {

struct EventOptions {
  std::vector<std::string> kinds;
  int count = 0;
  std::string listener;
  std::string client;
  std::string queue;
  std::string text;
};

/// The daemon filters by kind; what else is asked for is picked here. That events were missed is
/// always said.
bool is_wanted(const std::string& event, const EventOptions& options) {
  if (!options.text.empty() && event.find(options.text) == std::string::npos) return false;
  const OrderedJson document = OrderedJson::parse(event, nullptr, false);
  if (!document.is_object() || document.contains("dropped")) return true;
  const auto fits = [&](const char* name, const std::string& wanted) {
    return wanted.empty() || raw_text(document, name) == wanted;
  };
  const std::string client = raw_text(document, "client");
  const bool same_client = options.client.empty() || client == options.client ||
                           client.starts_with(options.client + ":") ||
                           client.starts_with("[" + options.client + "]:");
  return same_client && fits("listener", options.listener) && fits("queue", options.queue);
}

int follow(const EventOptions& options, const Context& context) {
  if (std::ranges::any_of(options.kinds, &std::string::empty)) {
    return complain("events: a KIND cannot be empty", kUsage, context);
  }
  auto client = context.connect();
  if (!client) return complain(client.error().what(), kUnreachable, context);
  control::JsonWriter request;
  request.add("type", "subscribe");
  if (!options.kinds.empty()) request.add_list("events", options.kinds);
  const auto answer = client->ask(request.object(), context.timeout);
  if (!answer) return complain(answer.error().what(), kUnreachable, context);
  if (outcome_of(*answer).status != "ok") return complain(render_error(*answer), kFailed, context);
  for (int seen = 0; options.count == 0 || seen < options.count;) {
    const auto event = client->read_line(milliseconds(0));
    if (!event) return complain(event.error().what(), kUnreachable, context);
    if (!is_wanted(*event, options)) continue;
    ++seen;
    print(context.json ? *event + "\n" : render_event(*event, context.terminal));
    // Whoever reads a pipe wants each at once, too.
    if (std::fflush(stdout) != 0) return kFailed;
  }
  return kDone;
}

}  // namespace

std::function<int(const Context&)> define_events(CLI::App& command) {
  const auto options = std::make_shared<EventOptions>();  // lives as long as the callback
  command
      .add_option("KIND", options->kinds,
                  "only these: connection, task, mail, reload...; default: all")
      ->type_name("TEXT");
  command.add_option("--listener", options->listener, "only of this listener")->type_name("NAME");
  command
      .add_option("--client", options->client, "only of this client's address, or address and port")
      ->type_name("ADDRESS");
  command.add_option("--queue", options->queue, "only of this queue")->type_name("QUEUE");
  command.add_option("--match", options->text, "only those that hold this text")->type_name("TEXT");
  expect_whole_number(
      command.add_option("--count", options->count, "end after so many; default: never")
          ->type_name("N"),
      1);
  return [options](const Context& context) { return follow(*options, context); };
}

}  // namespace netd::ctl
