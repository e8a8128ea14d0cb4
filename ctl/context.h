// What every command of netctl is given.
#pragma once

#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>

#include "ctl/control_client.h"
#include "ctl/table.h"

namespace netd::ctl {

/// Exit statuses, the same for every command.
inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;  ///< refused, or not done
inline constexpr int kUsage = 2;
inline constexpr int kUnreachable = 3;  ///< netd cannot be reached

struct Context {
  std::string socket;
  bool json = false;
  milliseconds timeout{30'000};  ///< zero: none
  bool timeout_given = false;
  Terminal terminal;
  std::FILE* document = stdout;  ///< where the document of --json goes

  [[nodiscard]] Result<ControlClient> connect() const { return ControlClient::connect(socket); }
};

/// Writes to standard output. A reader that has gone ends netctl in silence (SIGPIPE).
void print(std::string_view text);
/// "netctl: MESSAGE" on standard error. Returns `status`, so that it can be returned.
int complain(std::string_view message, int status);
/// Flushes standard output; kFailed instead of kDone when not all of it could be written, else
/// `status`.
[[nodiscard]] int finish_output(int status);

/// The last word of a command that fails: says it on standard error and, with --json, as the one
/// document that the command prints. Its `code` is "failed", "usage" or "unreachable", after
/// `status`.
int complain(std::string_view message, int status, const Context& context);
/// The same with a code of the command's own.
int complain(std::string_view message, int status, std::string_view code, const Context& context);

}  // namespace netd::ctl
