// `netctl throughput`: how many bytes a second go to and come from one or several targets.
#include <charconv>
#include <cstdio>

#include "ctl/clients/commands.h"
#include "ctl/clients/interrupt.h"
#include "ctl/clients/load.h"
#include "ctl/clients/plot.h"
#include "ctl/clients/sample.h"
#include "ctl/durations.h"
#include "ctl/humanize.h"
#include "daemon/base/text.h"
#include "daemon/control/json_text.h"

namespace netd::ctl {

namespace {

struct Measured {
  std::string target;
  LoadFigures figures;
};

/// "1500000", "64k", "10M", "1.5G": powers of 1000.
Result<double> parse_bit_rate(std::string_view text) {
  double rate = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), rate, std::chars_format::fixed);
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  const double factor = unit.empty()                 ? 1
                        : unit == "k" || unit == "K" ? 1e3
                        : unit == "M"                ? 1e6
                        : unit == "G"                ? 1e9
                                                     : 0;
  constexpr double kMost = 1e12;
  const double bits = rate * factor;
  if (error != std::errc() || !(bits >= 1) || bits > kMost) {
    return fail("--rate: expected bits a second such as 64k, 10M or 1.5G, found " +
                printable(text, 40));
  }
  return bits;
}

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

std::string datagram_text(const DatagramFigures& figures) {
  return std::to_string(figures.sent) + " datagrams of " + std::to_string(figures.size) +
         " bytes: " + std::to_string(figures.lost()) + " lost (" +
         decimal_text(figures.loss_percent(), 2) + " %), " + std::to_string(figures.reordered) +
         " out of order, " + std::to_string(figures.duplicated) + " twice";
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
  std::string out = table.text_that_fits(terminal);
  for (const auto& [target, figures] : all) {
    if (figures.datagrams && !figures.error) {
      out += target + "  " + datagram_text(*figures.datagrams) + "\n";
    }
  }
  out += "\n";
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
  if (figures.datagrams) {
    const DatagramFigures& datagrams = *figures.datagrams;
    writer.add_raw("datagrams", control::JsonWriter()
                                    .add("size", std::uint64_t{datagrams.size})
                                    .add("sent", datagrams.sent)
                                    .add("received", datagrams.received)
                                    .add("lost", datagrams.lost())
                                    .add_decimal("loss_percent", datagrams.loss_percent())
                                    .add("reordered", datagrams.reordered)
                                    .add("duplicated", datagrams.duplicated)
                                    .object());
  }
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

/// The targets as they are to be measured; what is wrong with one of them.
Result<std::vector<Endpoint>> targets_of(const ThroughputOptions& options) {
  std::vector<Endpoint> targets;
  bool datagrams = false;
  for (const auto& text : options.targets) {
    auto target = parse_target(text, options.udp ? Transport::udp : Transport::tcp);
    if (!target) return std::unexpected(target.error());
    datagrams = datagrams || target->transport == Transport::udp;
    if (target->transport == Transport::udp && options.mode != LoadMode::echo) {
      return fail(text + ": over udp only echoes are measured");
    }
    targets.push_back(std::move(*target));
  }
  if (!options.rate.empty() && !datagrams) return fail("--rate: a stream has its own");
  return targets;
}

}  // namespace

int run_throughput(const ThroughputOptions& options, const Context& context) {
  const auto time = parse_seconds(options.time);
  if (!time || *time <= milliseconds(0)) {
    return complain("--time: expected a time such as 1.5, 30s or 5min", kUsage, context);
  }
  const auto targets = targets_of(options);
  if (!targets) return complain(targets.error().what(), kUsage, context);
  const auto bits = options.rate.empty() ? Result<double>(0) : parse_bit_rate(options.rate);
  if (!bits) return complain(bits.error().what(), kUsage, context);
  const DatagramLoad datagrams{options.streams, options.size, *bits / 8, *time, context.timeout};
  note_interrupts();
  const bool live = progress_columns() > 0;
  std::vector<Measured> all;
  bool good = true;
  // One after the other: together they would share what is to be measured.
  for (std::size_t i = 0; i < targets->size() && !interrupted(); ++i) {
    const auto listener = [&](double rate) {
      if (live) {
        const std::string line =
            "\r\x1b[K" + options.targets[i] + "  " + rate_text(rate) + "  " + megabits(rate);
        (void)std::fputs(line.c_str(), stderr);
      }
      return !interrupted();
    };
    const Endpoint& target = (*targets)[i];
    all.push_back({options.targets[i], target.transport == Transport::udp
                                           ? run_datagrams(target, datagrams, listener)
                                           : run_load(target, options.mode, options.streams, *time,
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
