// `netctl task work`: takes tasks, runs a command for each, and tells netd how it went.
#pragma once

#include <deque>
#include <list>
#include <optional>
#include <string>
#include <vector>

#include "ctl/context.h"
#include "ctl/job.h"
#include "daemon/base/unique_fd.h"

namespace netd::ctl {

struct WorkOptions {
  std::vector<std::string> command;
  std::size_t jobs = 1;
  std::optional<std::string> queue;
  milliseconds lease{60'000};
  milliseconds job_timeout{0};  ///< zero: none
  std::uint64_t count = 0;      ///< tasks to take; 0: for ever
  bool drain = false;           ///< end when no task is ready
};

class Worker {
 public:
  Worker(WorkOptions options, const Context& context);
  /// Until it is told to stop or its work is done. Returns the exit status.
  [[nodiscard]] int run();

 private:
  /// How often a daemon that is gone is looked for.
  static constexpr milliseconds kReconnect{500};
  static constexpr milliseconds kTerminateTime{5000};
  static constexpr milliseconds kWait{30'000};

  [[nodiscard]] bool open_signals();
  [[nodiscard]] bool connect();
  void disconnect(const Error& why);
  void ask_for_task();
  void wait_for_something();
  [[nodiscard]] milliseconds time_to_wait() const;
  void on_signals();
  void on_stop_signal();
  void on_taken(const std::string& answer);
  void on_told(const std::string& answer);
  void start(const LeasedTask& task);
  void read_answers();
  void serve_jobs();
  void finish(Job& job);
  void look_at_time(Job& job, Moment now);
  /// What netd was told of a task and has not answered.
  struct Told {
    LeasedTask task;
    std::string output{};   // of a command that is done
    std::size_t limit = 0;  // of the result that was made of it
    std::size_t size = 0;   // of that result
  };
  /// A change of a task; `members` begins with a comma or is empty.
  void tell(std::string_view type, Told told, const std::string& members = {});
  void tell_done(Told told);
  [[nodiscard]] bool is_done() const;
  [[nodiscard]] bool may_take() const;

  const WorkOptions options_;
  const Context& context_;
  UniqueFd signals_;
  // Two connections: a parked `consume` would hold up the answers behind it.
  std::optional<ControlClient> take_;
  std::optional<ControlClient> tell_;
  Moment reconnect_at_;
  std::list<Job> jobs_;
  bool asked_ = false;  // for a task; the answer is on its way
  bool drained_ = false;
  int stop_signals_ = 0;
  std::uint64_t taken_ = 0;
  std::deque<Told> told_;  // the oldest first
  int status_ = kDone;
};

}  // namespace netd::ctl
