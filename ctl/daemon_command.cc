#include "ctl/daemon_command.h"

#include <algorithm>
#include <cmath>

#include "ctl/printers.h"
#include "daemon/control/json_text.h"

namespace netd::ctl {

namespace {

/// How long the request itself asks netd to wait: the answer cannot come earlier.
milliseconds asked_wait(const std::string& request) {
  const auto members = control::JsonMembers::parse(request);
  const auto wait = members ? members->find("wait") : std::nullopt;
  const auto seconds = wait ? control::json_number(*wait) : std::nullopt;
  constexpr double kMaxSeconds = 1e9;
  return milliseconds(
      static_cast<std::int64_t>(std::ceil(std::min(seconds.value_or(1), kMaxSeconds) * 1000)));
}

/// The same request for the task whose id is the number and not the text: people do not write the
/// quotes that tell the two apart.
std::optional<std::string> with_number_as_id(const std::string& request) {
  const auto members = control::JsonMembers::parse(request);
  const auto id = members ? members->find("id") : std::nullopt;
  const auto text = id ? control::json_string(*id) : std::nullopt;
  if (!text || !control::is_json(*text) || !control::json_number(*text)) return std::nullopt;
  control::JsonWriter writer;
  for (const auto& [name, value] : members->all()) {
    writer.add_raw(name, name == "id" ? std::string_view(*text) : value);
  }
  return writer.object();
}

/// The daemon names the member of the request that it does not like; people know it by its option.
std::string with_argument_names(const control::CommandWords& command, std::string message) {
  for (const auto& argument : command.arguments) {
    const std::string member = std::string(argument.member) + ":";
    if (message.starts_with(member)) {
      return std::string(argument.name) + message.substr(member.size() - 1);
    }
  }
  return message;
}

int print_answer(const control::CommandWords& command, const std::string& answer,
                 const Context& context) {
  const Outcome outcome = outcome_of(answer);
  const bool refused = outcome.status == "error";
  const bool empty = outcome.status == "empty";
  // Missing or impossible arguments, whether netctl or netd notices.
  const bool usage = outcome.code == "missing_member" || outcome.code == "bad_value";
  const int failure = usage ? kUsage : kFailed;
  if (outcome.status.empty()) {
    return complain("what answers on " + context.socket + " is not netd", kUnreachable, context);
  }
  if (context.json) {
    print(answer + "\n");
    return refused || empty ? failure : kDone;
  }
  if (empty) {
    return complain(command.type == "result" ? "it is not done yet" : "no task is ready", kFailed,
                    context);
  }
  if (refused) {
    // Line by line: the mistakes of a configuration are many.
    const std::string text = with_argument_names(command, render_error(answer));
    std::size_t end = text.find('\n');
    int status = complain(text.substr(0, end), failure);
    while (end != std::string::npos) {
      const std::size_t begin = end + 1;
      end = text.find('\n', begin);
      status = complain(text.substr(begin, end - begin), failure);
    }
    return status;
  }
  print(render(command.words, answer, context.terminal));
  return kDone;
}

}  // namespace

int run_daemon_command(const control::CommandWords& command,
                       const std::vector<control::GivenArgument>& given, const Context& context) {
  const auto request = control::build_request(command, given);
  if (!request) return complain(request.error().what(), kUsage, context);
  auto client = context.connect();
  if (!client) return complain(client.error().what(), kUnreachable, context);
  milliseconds timeout = context.timeout;
  const bool waits = command.type == "consume" || command.type == "result";
  if (timeout > milliseconds(0) && waits) timeout += asked_wait(*request);
  auto answer = client->ask(*request, timeout);
  if (answer && outcome_of(*answer).code == "not_found") {
    if (const auto other = with_number_as_id(*request)) answer = client->ask(*other, timeout);
  }
  if (!answer) return complain(answer.error().what(), kUnreachable, context);
  return print_answer(command, *answer, context);
}

}  // namespace netd::ctl
