#include "ctl/word_walk.h"

#include <utility>

#include <CLI/CLI.hpp>

#include "daemon/base/text.h"

namespace netd::ctl {

WordWalk::Step WordWalk::add(const std::string& word) {
  if (std::exchange(awaited_, nullptr) != nullptr) return Step::value;
  if (!ended_ && word == "--") {
    ended_ = true;
    return Step::end_mark;
  }
  if (!ended_ && word.size() > 2 && word.starts_with("--")) return add_long(word);
  // A number below zero is an argument.
  if (!ended_ && word.size() > 1 && word[0] == '-' && !is_ascii_digit(word[1])) {
    return add_short(word);
  }
  if (!ended_ && wants_command()) {
    for (const CLI::App* const command : app_->get_subcommands({})) {
      if (command->get_name() != word) continue;
      app_ = command;
      return Step::command;
    }
  }
  ++arguments_;
  return Step::argument;
}

WordWalk::Step WordWalk::add_long(const std::string& word) {
  const auto equals = word.find('=');
  const CLI::Option* const option = find(word.substr(0, equals));
  if (option == nullptr) return Step::unknown_option;
  ++given_[option];
  latest_ = option;
  if (equals == std::string::npos && option->get_expected_max() > 0) awaited_ = option;
  return Step::option;
}

/// "-X", "-XVALUE", and flags in one word: "-iL".
WordWalk::Step WordWalk::add_short(const std::string& word) {
  for (std::size_t at = 1; at < word.size(); ++at) {
    const CLI::Option* const option = find({'-', word[at]});
    if (option == nullptr) return Step::unknown_option;
    ++given_[option];
    latest_ = option;
    if (option->get_expected_max() == 0) continue;
    if (at + 1 == word.size()) awaited_ = option;
    break;
  }
  return Step::option;
}

bool WordWalk::wants_command() const { return !app_->get_subcommands({}).empty(); }

/// Of the command, or of those above it.
const CLI::Option* WordWalk::find(const std::string& name) const {
  for (const CLI::App* level = app_; level != nullptr; level = level->get_parent()) {
    const CLI::Option* const option = level->get_option_no_throw(name);
    if (option != nullptr) return option;
  }
  return nullptr;
}

const CLI::Option* WordWalk::argument_at(std::size_t place) const {
  for (const CLI::Option* const option : app_->get_options()) {
    if (!option->get_positional()) continue;
    const auto most = static_cast<std::size_t>(option->get_items_expected_max());
    if (place < most) return option;
    place -= most;
  }
  return nullptr;
}

}  // namespace netd::ctl
