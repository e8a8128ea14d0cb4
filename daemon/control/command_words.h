// The commands in words, as people write them: to netctl and into the FIFO. One row each; netctl's
// options, its help and its completion are made from the same rows.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/error.h"

namespace netd::control {

enum class WordKind : std::uint8_t {
  text,      ///< a string
  id,        ///< a task's id, a string
  new_id,    ///< the same; "-" asks for one to be made up
  data,      ///< a JSON value if it is one, else a string; takes the rest of a FIFO's line
  integer,   ///< a whole number
  duration,  ///< seconds, or with a unit: 1.5, 30s, 5min
  flag,      ///< an option without a value
  list,      ///< an option that may be given several times
};

struct WordArgument {
  std::string_view name;    ///< "ID", or an option: "--queue"
  std::string_view member;  ///< where it goes in the request: "id", "task.id"
  WordKind kind = WordKind::text;
  bool required = false;
  std::string_view help;
};

struct CommandWords {
  std::string_view words;  ///< "task add"
  std::string_view type;   ///< of the request
  std::string_view fixed;  ///< a member that the words imply, as JSON: "\"check\":true"
  std::span<const WordArgument> arguments;  ///< options in any order, the others in theirs
  std::string_view summary;
  std::string_view example;  ///< what stands behind "netctl "
  bool in_fifo = true;
};

/// In the order in which help shows them.
[[nodiscard]] std::span<const CommandWords> command_words();
[[nodiscard]] const CommandWords* find_command_words(std::string_view words);

struct GivenArgument {
  const WordArgument* argument;
  std::string value;  ///< of a flag: ignored
};

/// The request as JSON. Fails when a value is not what it should be, or a required one is missing.
[[nodiscard]] Result<std::string> build_request(const CommandWords& command,
                                                const std::vector<GivenArgument>& given);

struct ParsedLine {
  const CommandWords* command = nullptr;
  std::string request;  ///< JSON
};

/// One line of the FIFO. Words are separated by blanks; 'single' and "double" quotes keep them
/// together, a backslash takes the next character as it is; data reaches to the end of the line and
/// is taken verbatim.
[[nodiscard]] Result<ParsedLine> parse_command_line(std::string_view line);

}  // namespace netd::control
