// The members of a request as typed values.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/control/answer.h"
#include "daemon/control/json_text.h"

namespace netd::control {

/// Reads members and remembers the first that is missing or wrong, so that a command reads all it
/// needs and asks once. What is null counts as not given.
class Arguments {
 public:
  struct Problem {
    std::string_view code;
    std::string message;
  };

  /// `members` must outlive this. `path`, a literal, stands in front of names in messages
  /// ("task.").
  explicit Arguments(const JsonMembers& members, std::string_view path = {})
      : members_(members), path_(path) {}

  /// After all reads: what to answer instead of doing it.
  [[nodiscard]] const std::optional<Problem>& problem() const { return problem_; }
  /// The same, answered.
  [[nodiscard]] bool refused(const Answer& answer) const;

  [[nodiscard]] bool has(std::string_view name) const { return members_.find(name).has_value(); }

  std::optional<std::string> text(std::string_view name, std::size_t max_bytes);
  std::string required_text(std::string_view name, std::size_t max_bytes);
  std::optional<bool> flag(std::string_view name);
  std::optional<std::int64_t> integer(std::string_view name, std::int64_t minimum,
                                      std::int64_t maximum);
  /// A number of seconds, fractions allowed.
  std::optional<std::chrono::milliseconds> seconds(std::string_view name,
                                                   std::chrono::milliseconds maximum);
  /// A string or a number, as canonical JSON text; empty when not given.
  std::string id(std::string_view name);
  std::string required_id(std::string_view name);
  /// Any value, null too, in one line.
  std::optional<std::string> value(std::string_view name);
  std::optional<std::vector<std::string>> texts(std::string_view name, std::size_t max_count,
                                                std::size_t max_bytes);

  /// Notes a problem of the caller's finding, unless there is one already.
  void missing(std::string_view name);
  void bad(std::string_view name, std::string_view expected);

 private:
  [[nodiscard]] std::string full_name(std::string_view name) const {
    return std::string(path_).append(name);
  }
  void note(std::string_view code, std::string message);

  const JsonMembers& members_;
  std::string_view path_;
  std::optional<Problem> problem_;
};

}  // namespace netd::control
