#include "ctl/clients/progress.h"

#include <algorithm>
#include <cstdio>

#include "ctl/humanize.h"
#include "ctl/terminal.h"
#include "ctl/waiting.h"

namespace netd::ctl {

std::string progress_line(std::uint64_t done, std::optional<std::uint64_t> total, double seconds,
                          unsigned columns) {
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  std::string text = human_bytes(static_cast<double>(done));
  if (!total || *total == 0) return text + "  " + human_bytes(rate) + "/s";
  const double part = std::min(static_cast<double>(done) / static_cast<double>(*total), 1.0);
  const auto percent = static_cast<int>(part * 100);
  text += " of " + human_bytes(static_cast<double>(*total)) + "  " + human_bytes(rate) + "/s";
  if (rate > 0 && done < *total) {
    text += "  " + human_seconds(static_cast<double>(*total - done) / rate) + " left";
  }
  const std::string percents = std::to_string(percent) + " %  ";
  const std::size_t used = text.size() + percents.size() + 5;
  if (used + 10 > columns) return percents + text;
  const std::size_t width = std::min<std::size_t>(columns - used, 40);
  const auto full = static_cast<std::size_t>(part * static_cast<double>(width));
  std::string bar(full, '=');
  if (full < width) bar += '>';
  bar.resize(width, ' ');
  return "[" + bar + "] " + percents + text;
}

Progress::Progress(std::optional<std::uint64_t> total)
    : total_(total), begin_(now()), next_(begin_), columns_(progress_columns()) {}

void Progress::update(std::uint64_t done) {
  const Moment time = now();
  if (columns_ == 0 || time < next_) return;
  next_ = time + milliseconds(100);
  const std::string line = "\r\x1b[K" + progress_line(done, total_, seconds(), columns_);
  (void)std::fwrite(line.data(), 1, line.size(), stderr);
  (void)std::fflush(stderr);
  drawn_ = true;
}

void Progress::clear() {
  if (drawn_) (void)std::fputs("\r\x1b[K", stderr);
  drawn_ = false;
}

double Progress::seconds() const { return std::chrono::duration<double>(now() - begin_).count(); }

}  // namespace netd::ctl
