#include "ctl/usage.h"

#include <algorithm>
#include <span>

#include <CLI/CLI.hpp>

#include "ctl/word_walk.h"
#include "daemon/base/text.h"

namespace netd::ctl {

namespace {

using Step = WordWalk::Step;

constexpr std::size_t kShownBytes = 40;

std::string in_quotes(std::string_view word) { return '"' + printable(word, kShownBytes) + '"'; }

/// "task add"; empty for netctl itself.
std::string name_of(const CLI::App& app) {
  const CLI::App* const parent = app.get_parent();
  if (parent == nullptr) return {};
  const std::string above = name_of(*parent);
  return (above.empty() ? "" : above + ' ') + app.get_name();
}

std::vector<std::string> commands_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* const command : app.get_subcommands({})) {
    names.push_back(command->get_name());
  }
  return names;
}

std::string joined(std::span<const std::string> words, std::string_view last_joint) {
  std::string text;
  for (const std::string& word : words) {
    if (!text.empty()) text += &word == &words.back() ? last_joint : ", ";
    text += word;
  }
  return text;
}

std::string nearest_of(const std::string& word, const std::vector<std::string>& known) {
  const std::vector<std::string_view> views(known.begin(), known.end());
  return std::string(nearest_word(word, views));
}

/// "list" of the groups "mail" and "task": the words that were left out are found.
std::vector<std::string> in_groups(const CLI::App& app, const std::string& word) {
  std::vector<std::string> found;
  for (const CLI::App* const group : app.get_subcommands({})) {
    const auto inner = commands_of(*group);
    if (std::ranges::find(inner, word) != inner.end()) {
      found.push_back(name_of(*group) + ' ' + word);
    }
  }
  std::ranges::sort(found);
  return found;
}

std::string unknown_command(const CLI::App& app, const std::string& word) {
  const std::string group = name_of(app);
  const std::string before = group.empty() ? group : group + ' ';
  std::string message = "unknown command " + in_quotes(before + word);
  const std::string meant = nearest_of(word, commands_of(app));
  const auto elsewhere = in_groups(app, word);
  if (!word.empty() && meant == word) {
    message += ": a command stands before --";
  } else if (!meant.empty()) {
    message += ": did you mean " + before + meant + '?';
  } else if (!elsewhere.empty()) {
    message += ": did you mean " + joined(elsewhere, " or ") + '?';
  } else if (before.empty()) {
    message += " (netctl --help shows all)";
  } else {
    message += ": " + before + "has " + joined(commands_of(app), " and ");
  }
  return message;
}

std::string missing_command(const CLI::App& app) {
  if (app.get_parent() == nullptr) return "a command is missing (netctl --help shows all)";
  return name_of(app) + ": a command is missing: " + joined(commands_of(app), " or ");
}

std::string unknown_option(const CLI::App& app, const std::string& word) {
  const std::string name = word.substr(0, word.find('='));
  std::vector<std::string> known;
  for (const CLI::App* level = &app; level != nullptr; level = level->get_parent()) {
    for (const CLI::Option* const option : level->get_options()) {
      for (const auto& one : option->get_lnames()) known.push_back("--" + one);
    }
  }
  const std::string message = "there is no option " + printable(name, kShownBytes);
  return message + did_you_mean(name, std::vector<std::string_view>(known.begin(), known.end()));
}

/// What the options that were given cannot all have been; empty when they can.
std::string wrong_options(const WordWalk& walk) {
  for (const auto& [option, count] : walk.given()) {
    const bool once = option->get_multi_option_policy() == CLI::MultiOptionPolicy::Throw &&
                      option->get_expected_max() == 1;
    if (once && count > 1) return option->get_name() + " is given more than once";
  }
  return {};
}

/// What is wrong with an option's word, beside its name.
std::string wrong_option(const WordWalk& walk, const std::string& word) {
  const auto equals = word.find('=');
  if (!word.starts_with("--") || equals == std::string::npos) return {};
  const std::string name = word.substr(0, equals);
  if (walk.latest()->get_expected_max() == 0) return name + " takes no value";
  return equals + 1 == word.size() ? name + " needs a value" : "";
}

/// Of the next word; empty when nothing is wrong with it.
std::string wrong_word(WordWalk& walk, const std::string& word) {
  const bool wants_command = walk.wants_command();
  switch (walk.add(word)) {
    case Step::unknown_option:
      return unknown_option(walk.app(), word);
    case Step::option:
      return wrong_option(walk, word);
    case Step::argument:
      if (wants_command) return unknown_command(walk.app(), word);
      if (walk.argument_at(walk.arguments() - 1) == nullptr) {
        return in_quotes(word) + " is one argument too many";
      }
      return {};
    case Step::command:
    case Step::value:
    case Step::end_mark:
      break;
  }
  return {};
}

/// What the words show by themselves; empty when they may be right.
std::string wrong_words(WordWalk& walk, const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    const std::string mistake = wrong_word(walk, word);
    if (!mistake.empty()) return mistake;
  }
  if (walk.awaited() != nullptr) return walk.awaited()->get_name() + " needs a value";
  return wrong_options(walk);
}

/// CLI11's reason, where it is its own and not of one of our checks.
std::string in_own_words(std::string_view reason) {
  constexpr std::string_view kRequired = " is required";
  if (!reason.ends_with(kRequired)) return std::string(reason);
  return std::string(reason.substr(0, reason.size() - kRequired.size())) + " is missing";
}

}  // namespace

std::string command_mistake(const CLI::App& app, const std::vector<std::string>& words) {
  WordWalk walk(app);
  for (const std::string& word : words) {
    if (!walk.wants_command()) return {};
    if (walk.add(word) == Step::argument) return unknown_command(walk.app(), word);
  }
  return {};
}

std::string usage_mistake(const CLI::App& app, const std::vector<std::string>& words,
                          std::string_view reason) {
  WordWalk walk(app);
  std::string mistake = wrong_words(walk, words);
  if (mistake.starts_with("unknown command")) return mistake;
  if (mistake.empty() && walk.wants_command()) return missing_command(walk.app());
  if (mistake.empty()) mistake = in_own_words(reason);
  if (mistake.empty()) return {};
  const std::string name = name_of(walk.app());
  return (name.empty() ? "" : name + ": ") + mistake + " (netctl " +
         (name.empty() ? "" : name + ' ') + "--help tells more)";
}

}  // namespace netd::ctl
