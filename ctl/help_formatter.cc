#include "ctl/help_formatter.h"

#include <cstddef>
#include <sstream>
#include <string>

#include <CLI/CLI.hpp>

#include "daemon/base/text.h"

namespace netd::ctl {

namespace {

class HelpFormatter final : public CLI::Formatter {
 public:
  static constexpr std::size_t kWidth = 80;

  HelpFormatter() { column_width(kOptionColumn); }

  std::string make_option_desc(const CLI::Option* option) const override {
    return filled(CLI::Formatter::make_option_desc(option), kWidth - kOptionColumn);
  }
  std::string make_subcommand(const CLI::App* command) const override {
    std::ostringstream out;
    CLI::detail::format_help(out, command->get_display_name(true),
                             filled(command->get_description(), kWidth - kCommandColumn),
                             kCommandColumn);
    return out.str();
  }

  /// CLI11 shows an argument of one or two words as "TARGET(1x)".
  std::string make_option_usage(const CLI::Option* option) const override {
    const std::string name = make_option_name(option, true);
    const std::string shown = option->get_expected_max() > 1 ? name + "..." : name;
    return option->get_required() ? shown : "[" + shown + "]";
  }

 private:
  static constexpr std::size_t kOptionColumn = 34;
  static constexpr std::size_t kCommandColumn = 16;

  /// The words in lines of at most `width` characters.
  static std::string filled(const std::string& text, std::size_t width) {
    std::string out;
    std::size_t column = 0;
    for (const auto word : split_words(text)) {
      if (column > 0 && column + 1 + word.size() > width) {
        out += '\n';
        column = 0;
      } else if (column > 0) {
        out += ' ';
        ++column;
      }
      out += word;
      column += word.size();
    }
    return out;
  }
};

}  // namespace

std::shared_ptr<CLI::FormatterBase> make_help_formatter() {
  return std::make_shared<HelpFormatter>();
}

}  // namespace netd::ctl
