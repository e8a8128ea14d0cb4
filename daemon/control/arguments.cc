#include "daemon/control/arguments.h"

#include <cmath>

#include "daemon/base/text.h"
#include "daemon/control/vocabulary.h"

namespace netd::control {

void Arguments::note(std::string_view code, std::string message) {
  if (!problem_) problem_ = Problem{code, std::move(message)};
}

bool Arguments::refused(const Answer& answer) const {
  if (problem_) answer.error(problem_->code, problem_->message);
  return problem_.has_value();
}

void Arguments::missing(std::string_view name) {
  note(code::kMissingMember, "member " + full_name(name) + " is missing");
}

void Arguments::bad(std::string_view name, std::string_view expected) {
  std::string message = full_name(name) + ": expected " + std::string(expected);
  if (const auto found = members_.find_any(name)) message += ", found " + printable(*found, 60);
  note(code::kBadValue, std::move(message));
}

std::optional<std::string> Arguments::text(std::string_view name, std::size_t max_bytes) {
  const auto raw = members_.find(name);
  if (!raw) return std::nullopt;
  auto text = json_string(*raw);
  if (!text) {
    bad(name, "a string");
  } else if (text->size() > max_bytes) {
    bad(name, "at most " + std::to_string(max_bytes) + " bytes");
  }
  return text;
}

std::string Arguments::required_text(std::string_view name, std::size_t max_bytes) {
  if (!has(name)) missing(name);
  return text(name, max_bytes).value_or("");
}

std::optional<bool> Arguments::flag(std::string_view name) {
  const auto raw = members_.find(name);
  if (!raw) return std::nullopt;
  const auto flag = json_bool(*raw);
  if (!flag) bad(name, "true or false");
  return flag;
}

std::optional<std::int64_t> Arguments::integer(std::string_view name, std::int64_t minimum,
                                               std::int64_t maximum) {
  const auto raw = members_.find(name);
  if (!raw) return std::nullopt;
  const auto number = json_integer(*raw);
  if (!number || *number < minimum || *number > maximum) {
    bad(name, "a whole number from " + std::to_string(minimum) + " to " + std::to_string(maximum));
    return std::nullopt;
  }
  return number;
}

std::optional<std::chrono::milliseconds> Arguments::seconds(std::string_view name,
                                                            std::chrono::milliseconds maximum) {
  const auto raw = members_.find(name);
  if (!raw) return std::nullopt;
  const auto number = json_number(*raw);
  const double limit = static_cast<double>(maximum.count()) / 1000.0;
  if (!number || *number < 0 || *number > limit) {
    bad(name, "a number of seconds from 0 to " + std::to_string(maximum.count() / 1000));
    return std::nullopt;
  }
  // Upwards: whoever asks for a little does not get nothing.
  return std::chrono::milliseconds(static_cast<std::int64_t>(std::ceil(*number * 1000.0)));
}

std::string Arguments::id(std::string_view name) {
  const auto raw = members_.find(name);
  if (!raw) return {};
  auto id = json_canonical(*raw);
  if (!id || *id == "\"\"") {
    bad(name, "a string or a number");
    return {};
  }
  return std::move(*id);
}

std::string Arguments::required_id(std::string_view name) {
  if (!has(name)) missing(name);
  return id(name);
}

std::optional<std::string> Arguments::value(std::string_view name) {
  const auto raw = members_.find_any(name);
  if (!raw) return std::nullopt;
  return compact_json(*raw);
}

std::optional<std::vector<std::string>> Arguments::texts(std::string_view name,
                                                         std::size_t max_count,
                                                         std::size_t max_bytes) {
  const auto raw = members_.find(name);
  if (!raw) return std::nullopt;
  const auto elements = json_elements(*raw);
  std::vector<std::string> texts;
  bool good = elements.has_value() && elements->size() <= max_count;
  for (std::size_t i = 0; good && i < elements->size(); ++i) {
    auto text = json_string((*elements)[i]);
    good = text && text->size() <= max_bytes;
    if (good) texts.push_back(std::move(*text));
  }
  if (!good) {
    bad(name, "an array of at most " + std::to_string(max_count) + " strings of at most " +
                  std::to_string(max_bytes) + " bytes");
    return std::nullopt;
  }
  return texts;
}

}  // namespace netd::control
