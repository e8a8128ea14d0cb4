#include "ctl/command_line.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include <CLI/CLI.hpp>

#include "ctl/completion.h"
#include "ctl/context.h"
#include "ctl/custom_commands.h"
#include "ctl/daemon_command.h"
#include "ctl/durations.h"
#include "ctl/help_formatter.h"
#include "daemon/base/text.h"
#include "daemon/control/command_words.h"
#include "daemon/control/vocabulary.h"
#include "version.h"

namespace netd::ctl {

namespace {

using control::CommandWords;
using control::GivenArgument;
using control::WordArgument;
using control::WordKind;

constexpr std::string_view kGroups[] = {"config", "mail", "task"};

/// What CLI11 writes the values of one command's arguments to; it keeps pointers into here.
struct Values {
  struct One {
    const WordArgument* argument;
    CLI::Option* option;
    std::string value;
  };
  std::deque<One> all;
};

/// Standard input to its end, for DATA given as "-".
std::string read_standard_input() {
  std::string all;
  char buffer[65536];
  std::size_t count = 0;
  while ((count = std::fread(buffer, 1, sizeof buffer, stdin)) > 0) all.append(buffer, count);
  return all;
}

class CommandLine {
 public:
  CommandLine();
  int run(int argc, const char* const* argv);
  /// Prints what may stand in the place of the last of `words`.
  int complete(std::vector<std::string> words);

 private:
  void add_globals();
  void add_daemon_command(const CommandWords& command);
  void add_custom_command(const CustomCommand& command);
  CLI::App& parent_of(std::string_view words, std::string& name);
  [[nodiscard]] std::vector<GivenArgument> given(const Values& values) const;

  CLI::App app_{"Shows and steers netd, the daemon of standard network building blocks.", "netctl"};
  std::map<std::string, CLI::App*, std::less<>> groups_;
  std::deque<Values> values_;
  Context context_;
  std::string timeout_;
  std::function<int()> chosen_;
};

CommandLine::CommandLine() {
  app_.require_subcommand(1);
  app_.fallthrough();
  app_.formatter(make_help_formatter());
  app_.set_version_flag("--version", std::string("netctl ") + kVersion, "netctl's own version");
  app_.footer(
      "netctl COMMAND --help tells more; netctl(1) tells all.\n\nExit status: 0 done, "
      "1 refused or failed, 2 usage, 3 netd cannot be reached.");
  add_globals();
  for (const auto& command : control::command_words()) {
    // One with more to it than a request and an answer stands among the custom ones.
    const auto custom = custom_commands();
    if (std::ranges::find(custom, command.words, &CustomCommand::words) == custom.end()) {
      add_daemon_command(command);
    }
  }
  for (const auto& command : custom_commands()) add_custom_command(command);
}

void CommandLine::add_globals() {
  context_.socket = control::kDefaultSocket;
  app_.add_option("--socket", context_.socket, "netd's control socket")
      ->envname("NETD_SOCKET")
      ->type_name("PATH")
      ->capture_default_str();
  app_.add_flag("--json", context_.json, "print netd's answer as it is, for programs");
  app_.add_option("--timeout", timeout_,
                  "how long to wait for an answer; 0: for ever; default: 30s")
      ->type_name("S");
}

CLI::App& CommandLine::parent_of(std::string_view words, std::string& name) {
  const auto blank = words.find(' ');
  if (blank == std::string_view::npos) {
    name = words;
    return app_;
  }
  name = words.substr(blank + 1);
  const std::string group(words.substr(0, blank));
  CLI::App*& known = groups_[group];
  if (known == nullptr) {
    const char* const about = group == "task"   ? "the task queue"
                              : group == "mail" ? "the mail catcher"
                                                : "the configuration";
    known = app_.add_subcommand(group, about);
    known->require_subcommand(1);
    known->fallthrough();
  }
  return *known;
}

void CommandLine::add_daemon_command(const CommandWords& command) {
  std::string name;
  CLI::App& parent = parent_of(command.words, name);
  CLI::App* const sub = parent.add_subcommand(name, std::string(command.summary));
  sub->fallthrough();
  sub->footer("Example:\n  netctl " + std::string(command.example));
  Values& values = values_.emplace_back();
  for (const auto& argument : command.arguments) {
    auto& one = values.all.emplace_back(&argument, nullptr, std::string());
    const std::string argument_name(argument.name);
    const std::string help(argument.help);
    if (argument.kind == WordKind::flag) {
      one.option = sub->add_flag(argument_name, help);
      continue;
    }
    one.option = sub->add_option(argument_name, one.value, help);
    one.option->required(argument.required);
    const bool number = argument.kind == WordKind::integer;
    one.option->type_name(number ? "N" : argument.kind == WordKind::duration ? "TIME" : "TEXT");
  }
  sub->callback([this, &command, &values] {
    chosen_ = [this, &command, &values] {
      return run_daemon_command(command, given(values), context_);
    };
  });
}

void CommandLine::add_custom_command(const CustomCommand& command) {
  std::string name;
  CLI::App& parent = parent_of(command.words, name);
  CLI::App* const sub = parent.add_subcommand(name, std::string(command.summary));
  sub->fallthrough();
  sub->footer("Example:\n  netctl " + std::string(command.example));
  const auto action = command.define(*sub);
  sub->callback([this, action] { chosen_ = [this, action] { return action(context_); }; });
}

std::vector<GivenArgument> CommandLine::given(const Values& values) const {
  std::vector<GivenArgument> result;
  for (const auto& one : values.all) {
    if (one.option->count() == 0) continue;
    const bool from_input = one.argument->kind == WordKind::data && one.value == "-";
    result.push_back({one.argument, from_input ? read_standard_input() : one.value});
  }
  return result;
}

/// Names of the commands and, once a dash is typed, of the options that `app` has.
std::vector<std::string> names_in(const CLI::App& app, bool options) {
  std::vector<std::string> names;
  if (options) {
    for (const CLI::Option* option : app.get_options()) {
      for (const auto& name : option->get_lnames()) names.push_back("--" + name);
    }
  } else {
    for (const CLI::App* sub : app.get_subcommands({})) names.push_back(sub->get_name());
  }
  return names;
}

const CLI::App* subcommand_named(const CLI::App& app, const std::string& word) {
  const auto found =
      app.get_subcommands([&](const CLI::App* sub) { return sub->get_name() == word; });
  return found.empty() ? nullptr : found.front();
}

const CLI::Option* option_named(const CLI::App& app, const std::string& word) {
  for (const CLI::App* level = &app; level != nullptr; level = level->get_parent()) {
    const CLI::Option* const option = level->get_option_no_throw(word);
    if (option != nullptr) return option;
  }
  return nullptr;
}

/// The `count`th argument that is no option; null when there are fewer.
const CLI::Option* positional_at(const CLI::App& app, std::size_t count) {
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_positional()) continue;
    if (count == 0 || option->get_expected_max() > 1) return option;
    --count;
  }
  return nullptr;
}

int CommandLine::complete(std::vector<std::string> words) {
  const char* const socket = std::getenv("NETD_SOCKET");  // NOLINT(concurrency-mt-unsafe)
  if (socket != nullptr && *socket != '\0') context_.socket = socket;
  const std::string prefix = words.empty() ? "" : words.back();
  if (!words.empty()) words.pop_back();
  const CLI::App* app = &app_;
  const CLI::Option* awaited = nullptr;  // whose value comes next
  std::size_t positionals = 0;
  for (const auto& word : words) {
    if (word == "--") return kDone;  // what follows is somebody else's command line
    if (awaited != nullptr) {
      if (awaited->check_lname("socket")) context_.socket = word;
      awaited = nullptr;
    } else if (word.starts_with('-')) {
      const CLI::Option* const option = option_named(*app, word);
      if (option != nullptr && option->get_expected_max() > 0) awaited = option;
    } else if (const CLI::App* const sub = subcommand_named(*app, word)) {
      app = sub;
    } else {
      ++positionals;
    }
  }
  const CLI::App* const parent = app->get_parent();
  const bool in_tasks = parent != nullptr && parent->get_name() == "task";
  std::vector<std::string> candidates;
  if (awaited != nullptr) {
    candidates = values_of(awaited->get_name(), in_tasks, context_);
  } else if (prefix.starts_with('-')) {
    candidates = names_in(*app, true);
    const auto global = names_in(app_, true);
    candidates.insert(candidates.end(), global.begin(), global.end());
  } else {
    candidates = names_in(*app, false);
    const CLI::Option* const next = positional_at(*app, positionals);
    // A new task's id is not one that is there.
    if (next != nullptr && app->get_name() != "add") {
      candidates = values_of(next->get_name(), in_tasks, context_);
    }
  }
  print(completion_lines(std::move(candidates), prefix));
  return finish_output(kDone);
}

int CommandLine::run(int argc, const char* const* argv) {
  try {
    app_.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return finish_output(app_.exit(error));
    // What CLI11 has read so far it keeps to itself.
    const std::span words(argv, static_cast<std::size_t>(argc));
    const auto own = std::ranges::find(words, std::string_view("--"));
    context_.json = std::find(words.begin(), own, std::string_view("--json")) != own;
    if (argc > 1) {
      const std::string unknown = unknown_command({argv + 1, argv + argc});
      if (!unknown.empty()) return complain(unknown, kUsage, context_);
    }
    complain(error.what(), kUsage, context_);
    return complain("netctl --help shows the commands, netctl COMMAND --help its options", kUsage);
  }
  if (!timeout_.empty()) {
    const auto timeout = parse_seconds(timeout_);
    if (!timeout) return complain("--timeout: " + timeout.error().what(), kUsage, context_);
    context_.timeout = *timeout;
    context_.timeout_given = true;
  }
  context_.terminal = Terminal::of_standard_output();
  return finish_output(chosen_());
}

}  // namespace

int run(int argc, const char* const* argv) {
  CommandLine line;
  if (argc > 1 && std::string_view(argv[1]) == "__complete") {
    return line.complete({argv + 2, argv + argc});
  }
  return line.run(argc, argv);
}

std::vector<std::string> all_commands() {
  std::vector<std::string> names;
  for (const auto& command : control::command_words()) names.emplace_back(command.words);
  for (const auto& command : custom_commands()) names.emplace_back(command.words);
  std::ranges::sort(names);
  const auto twice = std::ranges::unique(names);
  names.erase(twice.begin(), twice.end());
  return names;
}

std::string unknown_command(const std::vector<std::string>& words) {
  std::vector<std::string> plain;
  for (std::size_t i = 0; i < words.size() && plain.size() < 2; ++i) {
    if (words[i] == "--socket" || words[i] == "--timeout") {
      ++i;
    } else if (!words[i].starts_with('-')) {
      plain.push_back(words[i]);
    }
  }
  if (plain.empty()) return {};
  std::string typed = plain[0];
  const bool group = std::ranges::find(kGroups, typed) != std::end(kGroups);
  if (group && plain.size() > 1) typed += " " + plain[1];
  const auto commands = all_commands();
  const bool known = std::ranges::any_of(commands, [&](const std::string& command) {
    return command == typed || command.starts_with(typed + " ");
  });
  if (known) return {};
  std::string message = "unknown command " + printable(typed, 40);
  const auto distance = [&](const std::string& command) { return edit_distance(typed, command); };
  const auto nearest = std::ranges::min_element(commands, {}, distance);
  if (typed.size() <= 40 && distance(*nearest) <= 2) message += ": did you mean " + *nearest + "?";
  return message;
}

}  // namespace netd::ctl
