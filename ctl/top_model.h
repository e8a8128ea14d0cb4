// What `netctl top` shows, without the terminal: made from two looks at the daemon.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ctl/json_access.h"

namespace netd::ctl {

enum class TopView : std::uint8_t { listeners, connections, queues };

struct TopCell {
  std::string text;
  double number = 0;  ///< what a column of numbers is sorted by
};

using TopRow = std::vector<TopCell>;

/// A heading that begins with '>' is of a column of numbers.
[[nodiscard]] const std::vector<std::string_view>& top_headings(TopView view);

/// `before` and `now` are answers of the kind that the view needs: to `status`, `connections` and
/// `task_stats`. `seconds` lie between them; 0: there is nothing to compare with.
[[nodiscard]] std::vector<TopRow> top_rows(TopView view, const OrderedJson& before,
                                           const OrderedJson& now, double seconds);

struct TopOrder {
  std::size_t column = 0;
  bool reverse = false;  ///< names from z to a, numbers from small to large
  std::string filter;    ///< in any cell, whatever its case; empty: all
};

/// Numbers from large to small, names from a to z; equal ones keep their order.
void arrange(std::vector<TopRow>& rows, const TopOrder& order, TopView view);

/// The heading and then one line for each row, in columns.
[[nodiscard]] std::vector<std::string> top_lines(TopView view, const std::vector<TopRow>& rows,
                                                 const TopOrder& order);

/// The lines above the table. The first says what is wrong, if anything is.
[[nodiscard]] std::vector<std::string> top_summary(const OrderedJson& before,
                                                   const OrderedJson& now, double seconds);

}  // namespace netd::ctl
