#include "ctl/table.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace netd::ctl {

Terminal Terminal::of_standard_output() {
  Terminal terminal;
  if (::isatty(STDOUT_FILENO) != 1) return terminal;
  winsize size{};
  const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0;
  terminal.rows = known ? size.ws_row : 24;
  terminal.columns = known ? size.ws_col : 80;
  // NOLINTBEGIN(concurrency-mt-unsafe): one thread
  const char* no_colour = std::getenv("NO_COLOR");
  const char* kind = std::getenv("TERM");
  // NOLINTEND(concurrency-mt-unsafe)
  terminal.colour = (no_colour == nullptr || *no_colour == '\0') &&
                    (kind == nullptr || std::string_view(kind) != "dumb");
  return terminal;
}

std::string Terminal::paint(std::string_view code, std::string_view text) const {
  if (!colour) return std::string(text);
  std::string out = "\x1b[";
  out += code;
  out += 'm';
  out += text;
  return out + "\x1b[0m";
}

std::size_t display_width(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

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

std::string Table::text(const Terminal& terminal) const {
  std::vector<std::size_t> widths;
  for (std::size_t column = 0; column < headings_.size(); ++column) {
    std::size_t width = display_width(headings_[column]);
    for (const auto& row : rows_) width = std::max(width, display_width(row[column]));
    widths.push_back(width);
  }
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
