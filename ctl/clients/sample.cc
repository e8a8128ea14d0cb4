#include "ctl/clients/sample.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <string_view>

#include "ctl/humanize.h"
#include "ctl/table.h"

namespace netd::ctl {

namespace {

/// `part` from 0 to 1; `sorted` is not empty.
double quantile(const std::vector<double>& sorted, double part) {
  const double rank = part * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(rank);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], rank - static_cast<double>(below));
}

}  // namespace

double SampleFigures::loss_percent() const {
  const std::size_t all = count + lost;
  return all == 0 ? 0 : 100.0 * static_cast<double>(lost) / static_cast<double>(all);
}

SampleFigures figures_of(std::vector<double> values, std::size_t lost) {
  SampleFigures figures;
  figures.count = values.size();
  figures.lost = lost;
  if (values.empty()) return figures;
  std::ranges::sort(values);
  const auto count = static_cast<double>(values.size());
  figures.min = values.front();
  figures.max = values.back();
  figures.mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  figures.median = quantile(values, 0.5);
  figures.p90 = quantile(values, 0.9);
  figures.p99 = quantile(values, 0.99);
  if (values.size() > 1) {
    double squares = 0;
    for (const double value : values) squares += (value - figures.mean) * (value - figures.mean);
    figures.deviation = std::sqrt(squares / (count - 1));
  }
  return figures;
}

std::string sparkline(const std::vector<double>& values, std::size_t width) {
  using Levels = std::array<const char*, 8>;
  static constexpr Levels kBlocks = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  static constexpr Levels kAscii = {"_", ".", ":", "-", "=", "+", "*", "#"};
  const Levels& levels = has_symbols() ? kBlocks : kAscii;
  if (values.empty() || width == 0) return {};
  const std::size_t columns = std::min(values.size(), width);
  std::vector<double> shown;
  for (std::size_t column = 0; column < columns; ++column) {
    const std::size_t end = (column + 1) * values.size() / columns;
    double worst = 0;
    for (std::size_t i = column * values.size() / columns; i < end; ++i) {
      worst = std::isnan(worst) || std::isnan(values[i]) ? NAN : std::max(worst, values[i]);
    }
    shown.push_back(worst);
  }
  double top = 0;
  double bottom = INFINITY;
  for (const double value : shown) {
    if (std::isnan(value)) continue;
    top = std::max(top, value);
    bottom = std::min(bottom, value);
  }
  // A row of nearly equal values is flat, whatever their noise.
  const double range = std::max(top - bottom, top / 10);
  std::string line;
  for (const double value : shown) {
    if (std::isnan(value)) {
      line += has_symbols() ? "×" : "x";
      continue;
    }
    const double part = range > 0 ? (value - bottom) / range : 0;
    line += levels.at(std::min<std::size_t>(static_cast<std::size_t>(part * 8), 7));
  }
  return line;
}

std::string histogram(std::vector<double> values, std::size_t bins, std::size_t columns) {
  if (values.size() < 2 || bins == 0) return {};
  std::ranges::sort(values);
  const double low = values.front();
  // A single outlier would press all the others into one line.
  const double high = std::min(values.back(), quantile(values, 0.98) * 1.5);
  const double step = (high - low) / static_cast<double>(bins);
  if (step <= 0) return {};
  std::vector<std::size_t> counts(bins);
  for (const double value : values) {
    ++counts[std::min(static_cast<std::size_t>((value - low) / step), bins - 1)];
  }
  const std::size_t most = *std::ranges::max_element(counts);
  const std::size_t room = columns > 40 ? std::min<std::size_t>(columns - 40, 50) : 10;
  Table table({">FROM", ">TO", ">COUNT", ""});
  for (std::size_t bin = 0; bin < bins; ++bin) {
    const double from = low + step * static_cast<double>(bin);
    const double to = bin + 1 == bins ? values.back() : from + step;
    const std::size_t length = (counts[bin] * room + most - 1) / most;
    std::string bar;
    for (std::size_t i = 0; i < length; ++i) bar += has_symbols() ? "█" : "#";
    table.add({human_milliseconds(from), human_milliseconds(to), std::to_string(counts[bin]), bar});
  }
  return table.text(Terminal());
}

}  // namespace netd::ctl
