#include "ctl/option_checks.h"

#include <algorithm>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>

#include "daemon/base/text.h"

namespace netd::ctl {

namespace {

constexpr std::uint64_t kMostInt = std::numeric_limits<int>::max();

std::string found(const std::string& value) {
  return value.empty() ? "found nothing" : "found " + printable(value, 40);
}

}  // namespace

void expect_whole_number(CLI::Option* option, std::uint64_t least, std::uint64_t most) {
  option->transform(CLI::Validator(
      [least, most](std::string& value) -> std::string {
        const auto number = parse_decimal(value);
        if (number && *number >= least && *number <= most) {
          value = std::to_string(*number);  // CLI11 takes zeros before it for octal
          return {};
        }
        return "expected a whole number from " + std::to_string(least) +
               (most == kMostInt ? "" : " to " + std::to_string(most)) + ", " + found(value);
      },
      ""));
}

void expect_one_of(CLI::Option* option, std::vector<std::string_view> words) {
  option->transform(CLI::Validator(
      [words = std::move(words)](std::string& value) -> std::string {
        const auto place = std::ranges::find(words, value);
        if (place != words.end()) {
          value = std::to_string(place - words.begin());
          return {};
        }
        std::string known;
        for (const auto word : words) {
          if (!known.empty()) known += word == words.back() ? " or " : ", ";
          known += word;
        }
        return "expected " + known + ", " + found(value);
      },
      ""));
}

void refuse_values_of_flags(CLI::App& app) {
  for (CLI::Option* const option : app.get_options()) {
    if (option->get_expected_max() == 0) option->disable_flag_override();
  }
  for (CLI::App* const command : app.get_subcommands({})) refuse_values_of_flags(*command);
}

}  // namespace netd::ctl
