#include "daemon/control/line_splitter.h"

#include <utility>

namespace netd::control {

void LineSplitter::feed(std::string_view bytes, const Visitor& visit) {
  while (!bytes.empty()) {
    const auto end = bytes.find('\n');
    if (end != std::string_view::npos) {
      finish(bytes.substr(0, end), visit);
      bytes.remove_prefix(end + 1);
      continue;
    }
    // One more for a CR that may turn out to be part of the line end.
    if (too_long_ || unfinished_.size() + bytes.size() > max_line_ + 1) {
      too_long_ = true;
      unfinished_.clear();
    } else {
      unfinished_ += bytes;
    }
    return;
  }
}

void LineSplitter::finish(std::string_view end_of_line, const Visitor& visit) {
  std::string joined;
  std::string_view line = end_of_line;
  if (!unfinished_.empty()) {
    joined = std::exchange(unfinished_, {});
    joined += end_of_line;
    line = joined;
  }
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (std::exchange(too_long_, false) || line.size() > max_line_) {
    visit(Kind::too_long, {});
  } else {
    visit(Kind::line, line);
  }
}

bool LineSplitter::drop_unfinished() {
  const bool was_too_long = std::exchange(too_long_, false);
  return !std::exchange(unfinished_, {}).empty() || was_too_long;
}

}  // namespace netd::control
