#include "ctl/context.h"

#include <cstdio>

#include "ctl/terminal_text.h"
#include "daemon/control/json_text.h"

namespace netd::ctl {

void print(std::string_view text) {
  // A failure sticks to the stream and is asked for once, at the end.
  (void)std::fwrite(text.data(), 1, text.size(), stdout);
}

int complain(std::string_view message, int status) {
  (void)std::fflush(stdout);
  const std::string line = "netctl: " + shown(message, STDERR_FILENO) + "\n";
  (void)std::fwrite(line.data(), 1, line.size(), stderr);
  return status;
}

int complain(std::string_view message, int status, const Context& context) {
  const std::string_view code = status == kUsage         ? "usage"
                                : status == kUnreachable ? "unreachable"
                                                         : "failed";
  return complain(message, status, code, context);
}

int complain(std::string_view message, int status, std::string_view code, const Context& context) {
  if (context.json) {
    const std::string document = control::JsonWriter()
                                     .add("status", "error")
                                     .add("code", code)
                                     .add("message", message)
                                     .object() +
                                 "\n";
    (void)std::fputs(document.c_str(), context.document);
  }
  return complain(message, status);
}

int finish_output(int status) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
  return complain("standard output: not all of it could be written",
                  status == kDone ? kFailed : status);
}

}  // namespace netd::ctl
