// Environment variables in values.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/base/error.h"

namespace netd::config {

/// Longer values are refused: one variable must not blow up every table that a value ends in.
inline constexpr std::size_t kMaxExpandedSize = 4096;

using VariableLookup = std::function<std::optional<std::string>(const std::string& name)>;

/// Puts in ${VAR}, ${VAR:-default} (the default also for an empty variable, as in sh; it may hold
/// further ${...}), ${:-text} (always the text: for what could not stand in the file, such as
/// " ;") and $$ (one $). Any other $ stands for itself. The error starts with "expected".
[[nodiscard]] Result<std::string> expand(std::string_view text, const VariableLookup& lookup);

/// A text that gives `value` when it is read from a file and expanded.
[[nodiscard]] std::string escape(std::string_view value);

}  // namespace netd::config
