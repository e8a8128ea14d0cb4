#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace netd::ctl {

/// What standard output is.
struct Terminal {
  bool colour = false;   ///< a terminal, and NO_COLOR is not set
  unsigned rows = 0;     ///< 0: no terminal
  unsigned columns = 0;  ///< 0: no terminal
  [[nodiscard]] bool is_terminal() const { return rows > 0; }

  [[nodiscard]] static Terminal of_standard_output();

  [[nodiscard]] std::string bold(std::string_view text) const { return paint("1", text); }
  [[nodiscard]] std::string red(std::string_view text) const { return paint("31", text); }
  [[nodiscard]] std::string green(std::string_view text) const { return paint("32", text); }
  [[nodiscard]] std::string yellow(std::string_view text) const { return paint("33", text); }

 private:
  [[nodiscard]] std::string paint(std::string_view code, std::string_view text) const;
};

/// Lines of cells under each other. The last column is never padded, nothing is cut or wrapped.
class Table {
 public:
  /// A heading that begins with '>' is of a column of numbers, flush right.
  explicit Table(std::vector<std::string> headings);
  void add(std::vector<std::string> cells);
  [[nodiscard]] bool empty() const { return rows_.empty(); }
  [[nodiscard]] std::string text(const Terminal& terminal) const;

 private:
  std::vector<std::string> headings_;
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> rows_;
};

/// Characters, as far as they are one column each.
[[nodiscard]] std::size_t display_width(std::string_view text);

}  // namespace netd::ctl
