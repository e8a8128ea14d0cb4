// One task that is being worked on: the command that runs for it and what goes in and comes out.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ctl/waiting.h"
#include "daemon/base/error.h"
#include "daemon/base/unique_fd.h"

namespace netd::ctl {

/// A task as `consume` hands it out.
struct LeasedTask {
  std::string id;    ///< JSON text
  std::string data;  ///< JSON text
  std::string queue;
  std::uint64_t attempt = 0;
};
[[nodiscard]] std::optional<LeasedTask> parse_leased_task(const std::string& answer);

/// What a command wrote, as JSON text of at most `limit` bytes: JSON if it is JSON, else text, of
/// which the end is left out where there is more. Empty when it wrote nothing but line ends.
[[nodiscard]] std::string result_of(std::string_view output, std::size_t limit);

class Job {
 public:
  /// Of the command's output; what comes after it is read and dropped.
  static constexpr std::size_t kMaxResult = std::size_t{256} << 10;
  /// The same as JSON text, where bytes may need an escape each: a request has 1 MiB.
  static constexpr std::size_t kMaxResultText = std::size_t{900} << 10;

  /// Starts the command in a process group of its own.
  [[nodiscard]] static Result<Job> start(LeasedTask task, const std::vector<std::string>& command);

  [[nodiscard]] const LeasedTask& task() const { return task_; }

  /// For poll(2); -1: nothing to wait for.
  [[nodiscard]] int input_fd() const { return input_.get(); }
  [[nodiscard]] int output_fd() const { return output_.get(); }
  void feed();
  void collect();

  /// Whether the command has ended; its exit status, or 128 and the signal's number, is in
  /// status().
  [[nodiscard]] bool reap();
  [[nodiscard]] int status() const { return status_; }
  /// To the whole process group.
  void kill(int signal) const;

  /// What the command wrote.
  [[nodiscard]] std::string& output() { return collected_; }

  // The worker's own notes.
  Moment renew_at;
  Moment give_up_at = Moment::max();
  Moment kill_at = Moment::max();
  bool timed_out = false;
  bool aborted = false;

 private:
  explicit Job(LeasedTask task) : task_(std::move(task)) {}

  LeasedTask task_;
  pid_t pid_ = -1;
  UniqueFd input_;   // the command's standard input
  UniqueFd output_;  // the command's standard output
  std::string to_feed_;
  std::string collected_;
  int status_ = 0;
};

}  // namespace netd::ctl
