#include "ctl/table.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "ctl/terminal_text.h"

namespace netd::ctl {

Table::Table(std::vector<std::string> headings) : headings_(std::move(headings)) {
  for (auto& heading : headings_) {
    right_.push_back(heading.starts_with('>'));
    if (right_.back()) heading.erase(0, 1);
  }
}

void Table::add(std::vector<std::string> cells) {
  cells.resize(headings_.size());
  rows_.push_back(std::move(cells));
}

/// Of each column.
std::vector<std::size_t> Table::widths() const {
  std::vector<std::size_t> widths;
  for (std::size_t column = 0; column < headings_.size(); ++column) {
    std::size_t width = display_width(headings_[column]);
    for (const auto& row : rows_) width = std::max(width, display_width(row[column]));
    widths.push_back(width);
  }
  return widths;
}

std::size_t Table::width() const {
  const auto columns = widths();
  return std::accumulate(columns.begin(), columns.end(), 2 * (columns.size() - 1));
}

std::string Table::text_that_fits(const Terminal& terminal) const {
  if (!terminal.is_terminal() || width() <= terminal.columns) return text(terminal);
  std::vector<std::string> headings = {headings_[0]};
  for (const auto& row : rows_) headings.push_back(">" + row[0]);
  Table turned(std::move(headings));
  for (std::size_t column = 1; column < headings_.size(); ++column) {
    std::vector<std::string> cells = {headings_[column]};
    for (const auto& row : rows_) cells.push_back(row[column]);
    turned.add(std::move(cells));
  }
  return (turned.width() <= terminal.columns ? turned : *this).text(terminal);
}

std::string Table::text(const Terminal& terminal) const {
  const auto widths = this->widths();
  const auto line_of = [&](const std::vector<std::string>& cells) {
    std::string line;
    for (std::size_t column = 0; column < cells.size(); ++column) {
      const std::string pad(widths[column] - display_width(cells[column]), ' ');
      if (column > 0) line += "  ";
      line += right_[column] ? pad + cells[column] : cells[column] + pad;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    return line;
  };
  std::string out = terminal.bold(line_of(headings_)) + "\n";
  for (const auto& row : rows_) out += line_of(row) + "\n";
  return out;
}

}  // namespace netd::ctl
