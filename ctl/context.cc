#include "ctl/context.h"

#include <cstdio>

#include "ctl/humanize.h"

namespace netd::ctl {

void print(std::string_view text) {
  // A failure sticks to the stream and is asked for once, at the end.
  (void)std::fwrite(text.data(), 1, text.size(), stdout);
}

int complain(std::string_view message, int status) {
  (void)std::fflush(stdout);
  const std::string line = "netctl: " + shown(message) + "\n";
  (void)std::fwrite(line.data(), 1, line.size(), stderr);
  return status;
}

int finish_output(int status) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
  return complain("standard output: not all of it could be written", kFailed);
}

}  // namespace netd::ctl
