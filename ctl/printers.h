// Answers as people read them.
#pragma once

#include <string>
#include <string_view>

#include "ctl/table.h"

namespace netd::ctl {

/// The text for the answer to the command of these words. `answer` is a JSON object whose status is
/// not `error`.
[[nodiscard]] std::string render(std::string_view words, std::string_view answer,
                                 const Terminal& terminal);

/// Of an answer whose status is `error`: its message, and each mistake on a line of its own.
[[nodiscard]] std::string render_error(std::string_view answer);

/// The members `status` and `code` of an answer; empty where there is none.
struct Outcome {
  std::string status;
  std::string code;
};
[[nodiscard]] Outcome outcome_of(std::string_view answer);

/// One event of `subscribe` as a line.
[[nodiscard]] std::string render_event(std::string_view event, const Terminal& terminal);

}  // namespace netd::ctl
