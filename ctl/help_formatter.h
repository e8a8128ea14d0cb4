// How --help is laid out.
#pragma once

#include <memory>

namespace CLI {  // NOLINT(readability-identifier-naming): the library calls it so
class FormatterBase;
}

namespace netd::ctl {

/// Lines of at most 80 columns: those of any terminal, whether it is one or not. CLI11 shares it
/// among the commands.
[[nodiscard]] std::shared_ptr<CLI::FormatterBase> make_help_formatter();

}  // namespace netd::ctl
