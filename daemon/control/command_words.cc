#include "daemon/control/command_words.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <optional>

#include "daemon/base/text.h"
#include "daemon/control/json_text.h"

namespace netd::control {

namespace {

using enum WordKind;

constexpr WordArgument kId = {"ID", "id", id, true, "the task's id"};
constexpr WordArgument kAttempt = {"--attempt", "attempt", integer, false,
                                   "only if this attempt still holds the lease"};
constexpr WordArgument kQueueOption = {"--queue", "queue", text, false,
                                       "the queue; default: default"};
constexpr WordArgument kQueue = {"QUEUE", "queue", text, true, "the queue"};

constexpr std::array kConnections = {
    WordArgument{"--listener", "listener", text, false, "only of this listener"},
    WordArgument{"--client", "client", text, false, "only from this address, or address:port"},
    WordArgument{"--limit", "limit", integer, false, "at most this many; default: 1000"},
};
constexpr std::array kLogLevel = {
    WordArgument{"LEVEL", "level", text, false, "debug, info, warning or error"},
};
constexpr std::array kDisconnect = {
    WordArgument{"ID", "id", integer, false, "the connection's number"},
    WordArgument{"--listener", "listener", text, false, "all of this listener"},
    WordArgument{"--client", "client", text, false, "all from this address, or address:port"},
};
constexpr std::array kDrain = {
    WordArgument{"LISTENER", "listener", text, false, "only this one; default: all"},
    WordArgument{"--resume", "resume", flag, false, "take connections again"},
};
constexpr std::array kTaskAdd = {
    WordArgument{"ID", "task.id", new_id, true, "the task's id; - to have one made up"},
    WordArgument{"DATA", "task.data", data, true, "any JSON value; other text becomes a string"},
    WordArgument{"--queue", "task.queue", text, false, "the queue; default: default"},
    WordArgument{"--priority", "task.priority", integer, false,
                 "the higher goes first; default: 0"},
    WordArgument{"--delay", "task.delay", duration, false, "not before this time has passed"},
    WordArgument{"--max-attempts", "task.max_attempts", integer, false,
                 "dead after this many failures; 0: never"},
    WordArgument{"--ttl", "task.ttl", duration, false, "dropped when nobody took it in this time"},
};
constexpr std::array kTaskTake = {
    kQueueOption,
    WordArgument{"--wait", "wait", duration, false, "how long to wait for one; default: 1s"},
    WordArgument{"--lease", "lease", duration, false,
                 "the task comes back after this time unless it is done; default: it is gone"},
};
constexpr std::array kTaskDone = {
    kId,
    WordArgument{"RESULT", "result", data, false, "kept for task wait; any JSON value or text"},
    kAttempt};
constexpr std::array kTaskFail = {
    kId, kAttempt,
    WordArgument{"--delay", "delay", duration, false,
                 "comes back after this time; default: longer with each attempt"}};
constexpr std::array kTaskGiveBack = {
    kId, kAttempt,
    WordArgument{"--delay", "delay", duration, false, "comes back after this time; default: now"}};
constexpr std::array kTaskTouch = {
    kId, kAttempt,
    WordArgument{"--lease", "lease", duration, false,
                 "the lease now ends after this time; default: as it was first given"}};
constexpr std::array kTaskList = {
    WordArgument{"--queue", "queue", text, false, "only of this queue"},
    WordArgument{"--state", "state", text, false, "only ready, delayed, leased or dead ones"},
    WordArgument{"--after", "after", integer, false, "go on where the page before ended"},
    WordArgument{"--limit", "limit", integer, false, "at most this many; default: 100"},
};
constexpr std::array kTaskShow = {
    WordArgument{"ID", "id", id, false, "the task's id; default: the next of the queue"},
    kQueueOption};
constexpr std::array kTaskKick = {
    WordArgument{"ID", "id", id, false, "the task's id"},
    WordArgument{"--queue", "queue", text, false, "dead tasks of this queue, the oldest first"},
    WordArgument{"--limit", "limit", integer, false, "at most this many; default: all"},
};
constexpr std::array kTaskDelete = {kId};
constexpr std::array kTaskWait = {
    kId, WordArgument{"--wait", "wait", duration, false, "how long; default: 1s"}};
constexpr std::array kTaskQueue = {kQueue};

constexpr auto kCommandWords = std::to_array<CommandWords>({
    {"status", "status", "", {}, "all about the daemon at a glance, what is wrong first", "status"},
    {"listeners", "listeners", "", {}, "the listeners and their counters", "listeners"},
    {"connections", "connections", "", kConnections, "the open connections",
     "connections --listener web"},
    {"stats", "stats", "", {}, "counters since the start", "stats"},
    {"reload", "reload", "", {}, "read the configuration anew, all or nothing", "reload"},
    {"config show", "config", "", {}, "the configuration in use, defaults included", "config show"},
    {"config check",
     "config",
     "\"check\":true",
     {},
     "whether the files are good, without using them",
     "config check"},
    {"log-level", "log_level", "", kLogLevel, "show or set what goes to the journal",
     "log-level debug"},
    {"disconnect", "disconnect", "", kDisconnect, "close connections", "disconnect 42"},
    {"drain", "drain", "", kDrain, "take no more connections and let the open ones finish",
     "drain web"},
    {"stop", "stop", "", {}, "drain everything and stop netd", "stop"},
    {"version", "version", "", {}, "the daemon's version", "version"},
    {"task add", "produce", "", kTaskAdd, "queue a task", "task add job-1 '{\"to\":\"you\"}'"},
    {"task take", "consume", "", kTaskTake, "take the next task", "task take --lease 30s"},
    {"task done", "done", "", kTaskDone, "finish a leased task", "task done job-1"},
    {"task fail", "fail", "", kTaskFail, "give a leased task back as failed",
     "task fail job-1 --delay 10s"},
    {"task give-back", "give_back", "", kTaskGiveBack,
     "give a leased task back as if it had not been taken", "task give-back job-1"},
    {"task touch", "touch", "", kTaskTouch, "renew a lease", "task touch job-1 --lease 5min"},
    {"task list", "tasks", "", kTaskList, "list tasks", "task list --state dead"},
    {"task show", "peek", "", kTaskShow, "show a task with its data", "task show job-1"},
    {"task stats", "task_stats", "", {}, "the queues and their counters", "task stats"},
    {"task kick", "kick", "", kTaskKick, "make a dead or delayed task ready, or all dead ones",
     "task kick --queue mail"},
    {"task delete", "delete", "", kTaskDelete, "remove a task", "task delete job-1"},
    {"task pause", "pause", "", kTaskQueue, "hand out no more tasks of a queue", "task pause mail"},
    {"task resume", "resume", "", kTaskQueue, "hand tasks of a queue out again",
     "task resume mail"},
    {"task wait", "result", "", kTaskWait, "wait until a task is done and show its result",
     "task wait job-1 --wait 1min"},
});

/// A number of seconds as JSON.
Result<std::string> seconds_of(std::string_view value) {
  if (const auto duration = parse_duration(value)) {
    const auto milliseconds = duration->count();
    std::string seconds = std::to_string(milliseconds / 1000);
    if (milliseconds % 1000 == 0) return seconds;
    const std::string rest = std::to_string(1000 + milliseconds % 1000);
    return seconds + '.' + rest.substr(1);
  }
  double number = -1;
  const auto [end, error] =
      std::from_chars(value.data(), value.data() + value.size(), number, std::chars_format::fixed);
  if (error != std::errc() || end != value.data() + value.size() || !(number >= 0)) {
    return fail("expected a time such as 1.5, 30s or 5min, found " + printable(value, 40));
  }
  std::array<char, 400> digits{};
  const auto written =
      std::to_chars(digits.data(), digits.data() + digits.size(), number, std::chars_format::fixed);
  return std::string(digits.data(), written.ptr);
}

Result<std::string> whole_number(std::string_view value) {
  const bool negative = value.starts_with('-');
  const auto digits = parse_decimal(negative ? value.substr(1) : value);
  constexpr std::uint64_t kMax = std::uint64_t{1} << 62;
  if (!digits || *digits > kMax) {
    return fail("expected a whole number, found " + printable(value, 40));
  }
  return (negative ? "-" : "") + std::to_string(*digits);
}

Result<std::string> json_of(const WordArgument& argument, const std::string& value) {
  switch (argument.kind) {
    case integer:
      return whole_number(value);
    case duration:
      return seconds_of(value);
    case flag:
      return "true";
    case data:
      if (is_json(value)) return compact_json(value);
      break;
    case text:
    case id:
    case new_id:
    case list:
      break;
  }
  if (!is_utf8(value)) return fail("expected UTF-8 text");
  return json_quote(value);
}

/// The members of one level, in the order in which they were first given.
class MemberList {
 public:
  void add(std::string_view member, std::string value, bool repeated) {
    const auto known = std::ranges::find(members_, member, &Member::name);
    if (known == members_.end()) {
      members_.push_back({member, {std::move(value)}, repeated});
    } else {
      known->values.push_back(std::move(value));
    }
  }
  void write(JsonWriter& writer) const {
    for (const auto& member : members_) {
      writer.add_raw(member.name,
                     member.repeated ? json_array(member.values) : member.values.back());
    }
  }
  [[nodiscard]] bool empty() const { return members_.empty(); }

 private:
  struct Member {
    std::string_view name;
    std::vector<std::string> values;
    bool repeated;
  };
  std::vector<Member> members_;
};

bool is_option(const WordArgument& argument) { return argument.name.starts_with("--"); }

/// The words of a line, one after the other.
class LineReader {
 public:
  explicit LineReader(std::string_view line) : line_(trim(line)) {}

  [[nodiscard]] bool at_end() const { return at_ >= line_.size(); }

  Result<std::string> next() {
    std::string word;
    char quote = '\0';
    for (; at_ < line_.size(); ++at_) {
      const char c = line_[at_];
      if (quote == '\0' && (c == ' ' || c == '\t')) break;
      if (c == quote) {
        quote = '\0';
      } else if (quote == '\0' && (c == '\'' || c == '"')) {
        quote = c;
      } else if (c == '\\' && quote != '\'' && at_ + 1 < line_.size()) {
        word += line_[++at_];
      } else {
        word += c;
      }
    }
    if (quote != '\0') return fail("a quote is not closed");
    skip_blanks();
    return word;
  }
  /// All that is left, as it stands.
  std::string rest() {
    std::string text(line_.substr(at_));
    at_ = line_.size();
    return text;
  }

 private:
  void skip_blanks() {
    while (at_ < line_.size() && (line_[at_] == ' ' || line_[at_] == '\t')) ++at_;
  }

  std::string_view line_;
  std::size_t at_ = 0;
};

std::string unknown_command(std::string_view words) {
  return "unknown command " + printable(words, 40) +
         did_you_mean(words, command_words(), &CommandWords::words);
}

Result<const CommandWords*> read_command(LineReader& line) {
  auto first = line.next();
  if (!first) return std::unexpected(first.error());
  if (const auto* found = find_command_words(*first)) return found;
  const bool group = std::ranges::any_of(
      kCommandWords, [&](const CommandWords& row) { return row.words.starts_with(*first + " "); });
  std::string words = *first;
  if (group && !line.at_end()) {
    auto second = line.next();
    if (!second) return std::unexpected(second.error());
    words += " " + *second;
    if (const auto* found = find_command_words(words)) return found;
  }
  return fail(unknown_command(words));
}

Result<void> read_option(const CommandWords& command, LineReader& line, std::string_view word,
                         std::vector<GivenArgument>& given) {
  const auto equals = word.find('=');
  const auto name = word.substr(0, equals);
  const auto argument = std::ranges::find(command.arguments, name, &WordArgument::name);
  if (argument == command.arguments.end()) {
    return fail(std::string(command.words) + " has no option " + printable(name, 40));
  }
  std::string value;
  if (equals != std::string_view::npos && argument->kind != flag) {
    value = word.substr(equals + 1);
  } else if (argument->kind != flag) {
    if (line.at_end()) return fail("option " + std::string(name) + " needs a value");
    auto next = line.next();
    if (!next) return std::unexpected(next.error());
    value = std::move(*next);
  }
  given.push_back({&*argument, std::move(value)});
  return {};
}

/// The next argument that is no option; null when all have been given.
const WordArgument* next_positional(const CommandWords& command, std::size_t& at) {
  while (at < command.arguments.size() && is_option(command.arguments[at])) ++at;
  return at < command.arguments.size() ? &command.arguments[at++] : nullptr;
}

}  // namespace

std::span<const CommandWords> command_words() { return kCommandWords; }

const CommandWords* find_command_words(std::string_view words) {
  const auto found = std::ranges::find(kCommandWords, words, &CommandWords::words);
  return found == kCommandWords.end() ? nullptr : &*found;
}

Result<std::string> build_request(const CommandWords& command,
                                  const std::vector<GivenArgument>& given) {
  MemberList outer;
  MemberList task;
  for (const auto& [argument, value] : given) {
    if (argument->kind == new_id && value == "-") continue;
    auto json = json_of(*argument, value);
    if (!json) return std::unexpected(json.error().within(argument->name));
    const bool inner = argument->member.starts_with("task.");
    (inner ? task : outer)
        .add(inner ? argument->member.substr(5) : argument->member, std::move(*json),
             argument->kind == list);
  }
  for (const auto& argument : command.arguments) {
    const bool found = std::ranges::any_of(
        given, [&](const GivenArgument& one) { return one.argument == &argument; });
    if (argument.required && !found) {
      return fail(std::string(command.words) + ": " + std::string(argument.name) + " is missing");
    }
  }
  JsonWriter writer;
  writer.add("type", command.type);
  outer.write(writer);
  if (!task.empty()) {
    JsonWriter members;
    task.write(members);
    writer.add_raw("task", members.object());
  }
  std::string request = writer.object();
  if (!command.fixed.empty()) {
    request.pop_back();
    request += ',';
    request += command.fixed;
    request += '}';
  }
  return request;
}

Result<ParsedLine> parse_command_line(std::string_view text) {
  LineReader line(text);
  const auto command = read_command(line);
  if (!command) return std::unexpected(command.error());
  if (!(*command)->in_fifo) return fail(std::string((*command)->words) + " is not for the FIFO");
  std::vector<GivenArgument> given;
  std::size_t positional = 0;
  while (!line.at_end()) {
    const std::size_t before = positional;
    const WordArgument* argument = next_positional(**command, positional);
    if (argument != nullptr && argument->kind == data) {
      given.push_back({argument, line.rest()});
      break;
    }
    auto word = line.next();
    if (!word) return std::unexpected(word.error());
    if (word->starts_with("--")) {
      positional = before;
      if (auto read = read_option(**command, line, *word, given); !read) {
        return std::unexpected(read.error());
      }
    } else if (argument == nullptr) {
      return fail(std::string((*command)->words) + ": " + printable(*word, 40) + " is too much");
    } else {
      given.push_back({argument, std::move(*word)});
    }
  }
  auto request = build_request(**command, given);
  if (!request) return std::unexpected(request.error());
  return ParsedLine{*command, std::move(*request)};
}

}  // namespace netd::control
