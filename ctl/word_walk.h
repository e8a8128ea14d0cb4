// Where the words of a command line lead, by the commands and options that there are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace CLI {  // NOLINT(readability-identifier-naming): the library calls it so
class App;
class Option;
}  // namespace CLI

namespace netd::ctl {

/// Goes from word to word as CLI11 does, and knows at each what may come next.
class WordWalk {
 public:
  enum class Step : std::uint8_t {
    command,
    option,
    unknown_option,
    value,     ///< of the option before it
    end_mark,  ///< "--": what follows is no option
    argument
  };

  explicit WordWalk(const CLI::App& app) : app_(&app) {}

  Step add(const std::string& word);

  /// The command that the words have named so far.
  [[nodiscard]] const CLI::App& app() const { return *app_; }
  /// The option whose value comes next; null: none.
  [[nodiscard]] const CLI::Option* awaited() const { return awaited_; }
  /// The option that was added last; null: none.
  [[nodiscard]] const CLI::Option* latest() const { return latest_; }
  /// Arguments of the command so far.
  [[nodiscard]] std::size_t arguments() const { return arguments_; }
  /// How often each option has been given.
  [[nodiscard]] const std::map<const CLI::Option*, std::size_t>& given() const { return given_; }
  [[nodiscard]] bool ended() const { return ended_; }
  /// Whether a command must still be named.
  [[nodiscard]] bool wants_command() const;

  /// The command's `place`th argument, counted from 0; null when there are fewer.
  [[nodiscard]] const CLI::Option* argument_at(std::size_t place) const;

 private:
  Step add_long(const std::string& word);
  Step add_short(const std::string& word);
  [[nodiscard]] const CLI::Option* find(const std::string& name) const;

  const CLI::App* app_;
  const CLI::Option* awaited_ = nullptr;
  const CLI::Option* latest_ = nullptr;
  std::size_t arguments_ = 0;
  std::map<const CLI::Option*, std::size_t> given_;
  bool ended_ = false;
};

}  // namespace netd::ctl
