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
#include <sstream>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>

#include "ctl/completion.h"
#include "ctl/context.h"
#include "ctl/custom_commands.h"
#include "ctl/daemon_command.h"
#include "ctl/durations.h"
#include "ctl/help_formatter.h"
#include "ctl/option_checks.h"
#include "ctl/usage.h"
#include "ctl/word_walk.h"
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
  int run(const std::vector<std::string>& words);
  /// What is wrong with the words; empty when they are good, or ask for help, which is in `help`.
  std::string parse(std::vector<std::string> words, std::string& help);
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
  refuse_values_of_flags(app_);
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

int CommandLine::complete(std::vector<std::string> words) {
  const char* const socket = std::getenv("NETD_SOCKET");  // NOLINT(concurrency-mt-unsafe)
  if (socket != nullptr && *socket != '\0') context_.socket = socket;
  const std::string prefix = words.empty() ? "" : words.back();
  if (!words.empty()) words.pop_back();
  WordWalk walk(app_);
  for (const auto& word : words) {
    const CLI::Option* const option = walk.awaited();
    const auto step = walk.add(word);
    if (step == WordWalk::Step::end_mark) return kDone;  // somebody else's command line follows
    if (step == WordWalk::Step::value && option->check_lname("socket")) context_.socket = word;
  }
  const CLI::App& app = walk.app();
  const CLI::App* const group = app.get_parent();
  const bool in_group = group != nullptr && group != &app_;
  const std::string command = (in_group ? group->get_name() + " " : "") + app.get_name();
  std::vector<std::string> candidates;
  if (walk.awaited() != nullptr) {
    candidates = values_of(walk.awaited()->get_name(), command, context_);
  } else if (prefix.starts_with('-')) {
    candidates = names_in(app, true);
    const auto global = names_in(app_, true);
    candidates.insert(candidates.end(), global.begin(), global.end());
  } else {
    candidates = names_in(app, false);
    const CLI::Option* const next = walk.argument_at(walk.arguments());
    if (next != nullptr) candidates = values_of(next->get_name(), command, context_);
  }
  print(completion_lines(std::move(candidates), prefix));
  return finish_output(kDone);
}

/// Of "help" where a command stands: "netctl help task add" is "netctl task add --help".
std::optional<std::size_t> place_of_help(const CLI::App& app,
                                         const std::vector<std::string>& words) {
  WordWalk walk(app);
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto step = walk.add(words[i]);
    if (step == WordWalk::Step::argument && words[i] == "help") return i;
    if (!walk.wants_command() || step == WordWalk::Step::argument) break;
  }
  return std::nullopt;
}

std::string CommandLine::parse(std::vector<std::string> words, std::string& help) {
  if (const auto help_word = place_of_help(app_, words)) {
    words.erase(words.begin() + static_cast<std::ptrdiff_t>(*help_word));
    words.emplace_back("--help");
  }
  auto reversed = words;
  std::ranges::reverse(reversed);  // as CLI11 wants them
  try {
    app_.parse(std::move(reversed));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) return usage_mistake(app_, words, error.what());
    std::string mistake = command_mistake(app_, words);
    std::ostringstream text;
    if (mistake.empty()) (void)app_.exit(error, text);
    help = text.str();
    return mistake;
  }
  std::string mistake = usage_mistake(app_, words, "");
  if (!mistake.empty()) return mistake;
  if (app_.get_option("--timeout")->count() > 0) {
    const auto timeout = parse_seconds(timeout_);
    if (!timeout) return "--timeout: " + timeout.error().what();
    context_.timeout = *timeout;
    context_.timeout_given = true;
  }
  if (!ControlClient::is_possible(context_.socket)) {
    return "--socket: the path of a socket has 1 to 107 bytes";
  }
  return {};
}

int CommandLine::run(const std::vector<std::string>& words) {
  std::string help;
  const std::string mistake = parse(words, help);
  if (!mistake.empty()) {
    // What CLI11 has read so far it keeps to itself.
    const auto own = std::ranges::find(words, "--");
    context_.json = std::find(words.begin(), own, "--json") != own;
    return finish_output(complain(mistake, kUsage, context_));
  }
  if (!help.empty()) {
    print(help);
    return finish_output(kDone);
  }
  context_.terminal = Terminal::of_standard_output();
  return finish_output(chosen_());
}

}  // namespace

int run(int argc, const char* const* argv) {
  CommandLine line;
  std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  if (!words.empty() && words[0] == "__complete") {
    words.erase(words.begin());
    return line.complete(std::move(words));
  }
  return line.run(words);
}

std::string command_line_mistake(const std::vector<std::string>& words) {
  std::string help;
  return CommandLine().parse(words, help);
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

}  // namespace netd::ctl
