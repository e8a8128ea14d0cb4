// Measured values as a picture.
#pragma once

#include <string>
#include <vector>

#include "daemon/base/error.h"

namespace netd::ctl {

/// One line of a plot. NaN values leave a gap.
struct PlotLine {
  std::string name;
  std::vector<double> x;
  std::vector<double> y;
};

struct Plot {
  std::string title;
  std::string x_name;
  std::string y_name;
  std::vector<PlotLine> lines;
};

/// A whole SVG document: axes with round numbers, a colour and a legend for each line, points where
/// they are few enough. Names are escaped.
[[nodiscard]] std::string svg_of(const Plot& plot);
[[nodiscard]] Result<void> write_svg(const Plot& plot, const std::string& path);

}  // namespace netd::ctl
