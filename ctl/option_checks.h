// What the value of an option may be, in netctl's own words.
#pragma once

#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

namespace CLI {  // NOLINT(readability-identifier-naming): the library calls it so
class App;
class Option;
}  // namespace CLI

namespace netd::ctl {

/// A whole number from `least` to `most`; a greater `most` than the variable holds is a mistake.
void expect_whole_number(CLI::Option* option, std::uint64_t least,
                         std::uint64_t most = std::numeric_limits<int>::max());

/// One of `words`, which live as long as the option; the variable gets the number of its place.
void expect_one_of(CLI::Option* option, std::vector<std::string_view> words);

/// "--json=no" is refused, of every command from `app` down: it would mean yes to one and no to
/// another.
void refuse_values_of_flags(CLI::App& app);

}  // namespace netd::ctl
