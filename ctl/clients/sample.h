// What a row of measured times says.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace netd::ctl {

/// Of times that came back; `lost` did not. All figures are in the unit of the values.
struct SampleFigures {
  std::size_t count = 0;
  std::size_t lost = 0;
  double min = 0;
  double mean = 0;
  double median = 0;
  double p90 = 0;
  double p99 = 0;
  double max = 0;
  double deviation = 0;  ///< of the sample: over count - 1

  [[nodiscard]] double loss_percent() const;
};

/// Percentiles are interpolated between the two nearest ranks, as spreadsheets and numpy do.
[[nodiscard]] SampleFigures figures_of(std::vector<double> values, std::size_t lost);

/// A character for each value, in their order: "▁▂▅█"; lost ones (NaN) are "×". Without
/// has_symbols() they are "_.=#" and "x". More values than `width` are put together, the largest of
/// each group standing for it.
[[nodiscard]] std::string sparkline(const std::vector<double>& values, std::size_t width);

/// Lines of "from - to  count  bar" over the range of the values, `bins` of them at most; what
/// lies far above the rest shares the last line.
[[nodiscard]] std::string histogram(std::vector<double> values, std::size_t bins,
                                    std::size_t columns);

}  // namespace netd::ctl
