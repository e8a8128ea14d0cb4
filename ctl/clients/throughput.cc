// `netctl throughput`: how many bytes a second go to and come from one or several targets.
#include <unistd.h>

#include <cstdio>

#include "ctl/clients/commands.h"
#include "ctl/clients/interrupt.h"
#include "ctl/clients/plot.h"
#include "ctl/clients/sample.h"
#include "ctl/clients/stream_load.h"
#include "ctl/durations.h"
#include "ctl/humanize.h"
#include "daemon/control/json_text.h"

namespace netd::ctl {

namespace {

struct Measured {
  std::string target;
  LoadFigures figures;
};

std::string_view mode_name(LoadMode mode) {
  return mode == LoadMode::echo ? "echo" : mode == LoadMode::send ? "send" : "receive";
}

std::string rate_text(double bytes_per_second) {
  if (bytes_per_second <= 0) return "-";
  return human_bytes(bytes_per_second) + "/s";
}

std::string megabits(double bytes_per_second) {
  if (bytes_per_second <= 0) return "-";
  return human_count(bytes_per_second * 8) + "bit/s";
}

std::string verdict(const LoadFigures& figures, LoadMode mode) {
  if (figures.error) return std::string(trouble_word(figures.error->trouble));
  if (mode != LoadMode::echo) return "-";
  return figures.verified ? "yes" : "no";
}

std::string all_text(const std::vector<Measured>& all, const ThroughputOptions& options,
                     const Terminal& terminal) {
  Table table({"TARGET", ">STREAMS", ">SENT", ">UP", ">", ">RECEIVED", ">DOWN", ">", "VERIFIED"});
  std::size_t longest = 0;
  for (const auto& [target, figures] : all) {
    longest = std::max(longest, target.size());
    table.add({target, std::to_string(options.streams),
               human_bytes(static_cast<double>(figures.sent)), rate_text(figures.send_rate()),
               megabits(figures.send_rate()), human_bytes(static_cast<double>(figures.received)),
               rate_text(figures.receive_rate()), megabits(figures.receive_rate()),
               verdict(figures, options.mode)});
  }
  std::string out = table.text(terminal) + "\n";
  for (const auto& [target, figures] : all) {
    if (figures.rates.empty()) continue;
    std::string name = target;
    name.resize(longest, ' ');
    out += name + "  " + sparkline(figures.rates, 60) + "\n";
  }
  return out;
}

std::string result_json(const Measured& result, const ThroughputOptions& options) {
  const LoadFigures& figures = result.figures;
  control::JsonWriter writer;
  writer.add("target", result.target)
      .add("mode", mode_name(options.mode))
      .add("streams", std::uint64_t{options.streams})
      .add("sent_bytes", figures.sent)
      .add("received_bytes", figures.received)
      .add_decimal("send_bits_per_second", figures.send_rate() * 8)
      .add_decimal("receive_bits_per_second", figures.receive_rate() * 8)
      .add_decimal("duration_s", std::max(figures.send_seconds, figures.receive_seconds));
  if (options.mode == LoadMode::echo) writer.add("verified", figures.verified);
  if (figures.error) {
    writer.add("code", trouble_word(figures.error->trouble)).add("error", figures.error->message);
  }
  return writer.object();
}

std::string all_json(const std::vector<Measured>& all, const ThroughputOptions& options,
                     bool good) {
  std::vector<std::string> targets;
  targets.reserve(all.size());
  for (const auto& result : all) targets.push_back(result_json(result, options));
  return control::JsonWriter()
      .add("status", good ? "ok" : "error")
      .add_raw("targets", control::json_array(targets))
      .object();
}

Result<void> plot(const std::vector<Measured>& all, milliseconds time, const std::string& path) {
  Plot picture{"Throughput", "seconds", "MiB/s", {}};
  for (const auto& [target, figures] : all) {
    auto& line = picture.lines.emplace_back();
    line.name = target;
    const double step = std::chrono::duration<double>(time).count() /
                        static_cast<double>(std::max<std::size_t>(figures.rates.size(), 1));
    for (std::size_t i = 0; i < figures.rates.size(); ++i) {
      line.x.push_back(step * static_cast<double>(i + 1));
      line.y.push_back(figures.rates[i] / (1024.0 * 1024.0));
    }
  }
  return write_svg(picture, path);
}

}  // namespace

int run_throughput(const ThroughputOptions& options, const Context& context) {
  const auto time = parse_seconds(options.time);
  if (!time || *time <= milliseconds(0)) {
    return complain("--time: expected a time such as 1.5, 30s or 5min", kUsage, context);
  }
  std::vector<Endpoint> targets;
  for (const auto& text : options.targets) {
    auto target = parse_target(text, Transport::tcp);
    if (!target) return complain(target.error().what(), kUsage, context);
    if (target->transport == Transport::udp) {
      return complain(text + ": throughput is measured over streams only", kUsage, context);
    }
    targets.push_back(std::move(*target));
  }
  note_interrupts();
  const bool live = ::isatty(STDERR_FILENO) == 1;
  std::vector<Measured> all;
  bool good = true;
  // One after the other: together they would share what is to be measured.
  for (std::size_t i = 0; i < targets.size() && !interrupted(); ++i) {
    const auto listener = [&](double rate) {
      if (live) {
        const std::string line =
            "\r\x1b[K" + options.targets[i] + "  " + rate_text(rate) + "  " + megabits(rate);
        (void)std::fputs(line.c_str(), stderr);
      }
      return !interrupted();
    };
    all.push_back({options.targets[i], run_load(targets[i], options.mode, options.streams, *time,
                                                context.timeout, listener)});
    if (live) (void)std::fputs("\r\x1b[K", stderr);
    good = good && !all.back().figures.error;
  }
  print(context.json ? all_json(all, options, good) + "\n"
                     : all_text(all, options, context.terminal));
  for (const auto& [target, figures] : all) {
    if (figures.error) complain(target + ": " + figures.error->message, kFailed);
  }
  if (!options.plot.empty()) {
    const auto drawn = plot(all, *time, options.plot);
    if (!drawn) return complain(drawn.error().what(), kFailed);
  }
  return good ? kDone : kFailed;
}

}  // namespace netd::ctl
