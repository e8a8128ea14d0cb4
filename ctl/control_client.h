// netctl's end of the control socket.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "ctl/waiting.h"
#include "daemon/base/error.h"
#include "daemon/base/unique_fd.h"

namespace netd::ctl {

/// Every error of it means that netd cannot be reached, in words for people.
class ControlClient {
 public:
  /// An answer longer than this is none of netd's.
  static constexpr std::size_t kMaxAnswer = std::size_t{64} << 20;

  /// Whether a socket can have this path.
  [[nodiscard]] static bool is_possible(const std::string& path);
  [[nodiscard]] static Result<ControlClient> connect(const std::string& path);

  /// One request, one answer: a JSON object in one line, without its line end.
  [[nodiscard]] Result<std::string> ask(std::string_view request, milliseconds timeout);

  [[nodiscard]] Result<void> send(std::string_view request, milliseconds timeout);
  /// The next line. A timeout of zero or less waits for ever.
  [[nodiscard]] Result<std::string> read_line(milliseconds timeout);

  /// For poll(2), and then read_ready() until it gives nothing.
  [[nodiscard]] int fd() const { return fd_.get(); }
  /// A line that is there already, without waiting.
  [[nodiscard]] Result<std::optional<std::string>> read_ready();

 private:
  ControlClient(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  [[nodiscard]] std::optional<std::string> take_line();
  /// False when nothing was there.
  [[nodiscard]] Result<bool> receive();

  UniqueFd fd_;
  std::string path_;
  std::string received_;
  std::size_t searched_ = 0;  // of received_, for a line end
};

}  // namespace netd::ctl
