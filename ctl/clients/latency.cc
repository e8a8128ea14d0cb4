// `netctl latency`: round trips to one or several targets, side by side.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>

#include "ctl/clients/commands.h"
#include "ctl/clients/interrupt.h"
#include "ctl/clients/plot.h"
#include "ctl/clients/probe.h"
#include "ctl/clients/sample.h"
#include "ctl/durations.h"
#include "ctl/humanize.h"
#include "daemon/control/json_text.h"

namespace netd::ctl {

namespace {

/// A target and what was measured of it.
struct Series {
  ProbeTarget target;
  std::unique_ptr<Probe> probe;
  std::vector<double> times;         // milliseconds; NaN: lost
  std::optional<ClientError> error;  // the last one
  bool given_up = false;

  [[nodiscard]] SampleFigures figures() const {
    std::vector<double> good;
    std::ranges::copy_if(times, std::back_inserter(good), [](double t) { return !std::isnan(t); });
    const std::size_t lost = times.size() - good.size();
    return figures_of(std::move(good), lost);
  }
};

void measure(Series& series, milliseconds timeout) {
  if (series.given_up) return;
  const auto time = series.probe->measure(timeout);
  series.times.push_back(time ? *time : NAN);
  if (time) return;
  series.error = time.error();
  // A name does not begin to resolve from one moment to the next.
  series.given_up = series.times.size() == 1 && time.error().trouble == Trouble::unresolved;
}

/// On a terminal: how far it is, while it runs.
class LiveLine {
 public:
  LiveLine() : columns_(progress_columns()) {}
  ~LiveLine() { clear(); }
  LiveLine(const LiveLine&) = delete;
  LiveLine& operator=(const LiveLine&) = delete;

  void show(const std::vector<Series>& all, int round, int rounds) {
    constexpr unsigned kBesideSparkline = 36;
    if (columns_ <= kBesideSparkline) return;
    const std::size_t width = std::min(columns_ - kBesideSparkline, 40U);
    const std::string line = "\r\x1b[K" + std::to_string(round) + " of " + std::to_string(rounds) +
                             "  " + sparkline(all.front().times, width) + "  " +
                             human_milliseconds(all.front().figures().mean);
    (void)std::fputs(line.c_str(), stderr);
    drawn_ = true;
  }
  void clear() {
    if (drawn_) (void)std::fputs("\r\x1b[K", stderr);
    drawn_ = false;
  }

 private:
  const unsigned columns_;
  bool drawn_ = false;
};

std::string series_json(const Series& series) {
  const SampleFigures figures = series.figures();
  control::JsonWriter writer;
  writer.add("target", series.target.text)
      .add("kind", probe_name(series.target.kind))
      .add("sent", std::uint64_t{figures.count + figures.lost})
      .add("received", std::uint64_t{figures.count})
      .add_decimal("loss_percent", figures.loss_percent());
  if (figures.count > 0) {
    writer.add_decimal("min_ms", figures.min)
        .add_decimal("mean_ms", figures.mean)
        .add_decimal("median_ms", figures.median)
        .add_decimal("p90_ms", figures.p90)
        .add_decimal("p99_ms", figures.p99)
        .add_decimal("max_ms", figures.max)
        .add_decimal("stddev_ms", figures.deviation);
  }
  std::vector<std::string> times;
  for (const double time : series.times) {
    if (std::isnan(time)) {
      times.emplace_back("null");
      continue;
    }
    const std::string text = control::JsonWriter().add_decimal("t", time).object();  // {"t":0.125}
    times.push_back(text.substr(5, text.size() - 6));
  }
  writer.add_raw("times_ms", control::json_array(times));
  if (series.error) {
    writer.add("code", trouble_word(series.error->trouble)).add("error", series.error->message);
  }
  return writer.object();
}

std::string all_json(const std::vector<Series>& all, bool good) {
  std::vector<std::string> targets;
  targets.reserve(all.size());
  for (const auto& series : all) targets.push_back(series_json(series));
  return control::JsonWriter()
      .add("status", good ? "ok" : "error")
      .add_raw("targets", control::json_array(targets))
      .object();
}

std::string all_text(const std::vector<Series>& all, const Terminal& terminal) {
  Table table({"TARGET", "KIND", ">SENT", ">LOST", ">MIN", ">MEAN", ">MEDIAN", ">P90", ">P99",
               ">MAX", ">STDDEV"});
  for (const auto& series : all) {
    const SampleFigures figures = series.figures();
    const auto time = [&](double value) {
      return figures.count > 0 ? human_milliseconds(value) : "-";
    };
    const double loss = figures.loss_percent();
    const std::string lost = human_count(std::ceil(loss)) + " %";
    table.add({series.target.text, std::string(probe_name(series.target.kind)),
               std::to_string(series.times.size()), lost, time(figures.min), time(figures.mean),
               time(figures.median), time(figures.p90), time(figures.p99), time(figures.max),
               figures.count > 1 ? human_milliseconds(figures.deviation) : "-"});
  }
  std::string out = table.text_that_fits(terminal);
  const std::size_t columns = terminal.is_terminal() ? terminal.columns : 80;
  std::size_t longest = 0;
  for (const auto& series : all) longest = std::max(longest, series.target.text.size());
  out += "\n";
  for (const auto& series : all) {
    std::string name = series.target.text;
    name.resize(longest, ' ');
    const std::size_t width = columns > longest + 12 ? columns - longest - 2 : 10;
    out += name + "  " + sparkline(series.times, width) + "\n";
  }
  constexpr std::size_t kEnough = 5;
  if (all.size() == 1 && all[0].figures().count >= kEnough) {
    std::vector<double> good;
    std::ranges::copy_if(all[0].times, std::back_inserter(good),
                         [](double t) { return !std::isnan(t); });
    const std::string bars = histogram(std::move(good), 8, columns);
    if (!bars.empty()) out += "\n" + bars;
  }
  return out;
}

Result<void> plot(const std::vector<Series>& all, const std::string& path) {
  Plot picture{"Round trips", "number", "milliseconds", {}};
  for (const auto& series : all) {
    auto& line = picture.lines.emplace_back();
    line.name = series.target.text;
    line.y = series.times;
    for (std::size_t i = 0; i < series.times.size(); ++i) {
      line.x.push_back(static_cast<double>(i + 1));
    }
  }
  return write_svg(picture, path);
}

}  // namespace

int run_latency(const LatencyOptions& options, const Context& context) {
  const auto interval = parse_seconds(options.interval);
  if (!interval) return complain("--interval: " + interval.error().what(), kUsage, context);
  std::vector<Series> all;
  for (const auto& text : options.targets) {
    auto target = parse_probe_target(text, options.kind);
    if (!target) return complain(target.error().what(), kUsage, context);
    auto probe = make_probe(*target, options.size);
    all.push_back({std::move(*target), std::move(probe), {}, std::nullopt, false});
  }
  constexpr milliseconds kDefault{2000};
  const milliseconds timeout = context.timeout_given ? context.timeout : kDefault;
  note_interrupts();
  {
    LiveLine live;
    Moment next = std::chrono::steady_clock::now();
    // The targets of one round follow each other: they do not disturb each other.
    for (int round = 0; round < options.count && !interrupted(); ++round) {
      if (round > 0) sleep_unless_interrupted(next);
      next = std::max(next + *interval, std::chrono::steady_clock::now());
      for (auto& series : all) measure(series, timeout);
      if (std::ranges::all_of(all, &Series::given_up)) break;
      live.show(all, round + 1, options.count);
    }
  }
  const bool good =
      std::ranges::all_of(all, [](const auto& one) { return one.figures().count > 0; });
  print(context.json ? all_json(all, good) + "\n" : all_text(all, context.terminal));
  int status = good ? kDone : kFailed;
  for (const auto& series : all) {
    if (series.error) complain(series.target.text + ": " + series.error->message, kFailed);
  }
  if (!options.plot.empty()) {
    const auto drawn = plot(all, options.plot);
    if (!drawn) status = complain(drawn.error().what(), kFailed);
  }
  return status;
}

}  // namespace netd::ctl
