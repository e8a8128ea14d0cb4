// What is wrong with a command line, in one line for the person who typed it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace CLI {  // NOLINT(readability-identifier-naming): the library calls it so
class App;
}

namespace netd::ctl {

/// `reason` is what CLI11 says when it does not take the words for `app`, else empty. It is the
/// message where the words themselves show no mistake. Empty: there is none.
[[nodiscard]] std::string usage_mistake(const CLI::App& app, const std::vector<std::string>& words,
                                        std::string_view reason);

/// The part of it that is about commands: empty when the words name one, or the beginning of one.
[[nodiscard]] std::string command_mistake(const CLI::App& app,
                                          const std::vector<std::string>& words);

}  // namespace netd::ctl
