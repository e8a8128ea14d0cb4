#pragma once

#include <string>
#include <vector>

#include "ctl/terminal.h"

namespace netd::ctl {

/// Lines of cells under each other. The last column is never padded, nothing is cut or wrapped.
class Table {
 public:
  /// A heading that begins with '>' is of a column of numbers, flush right.
  explicit Table(std::vector<std::string> headings);
  void add(std::vector<std::string> cells);
  [[nodiscard]] bool empty() const { return rows_.empty(); }
  /// Columns of the longest line.
  [[nodiscard]] std::size_t width() const;
  [[nodiscard]] std::string text(const Terminal& terminal) const;
  /// The rows as columns where the table is wider than the terminal and so is not.
  [[nodiscard]] std::string text_that_fits(const Terminal& terminal) const;

 private:
  [[nodiscard]] std::vector<std::size_t> widths() const;

  std::vector<std::string> headings_;
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace netd::ctl
