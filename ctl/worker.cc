#include "ctl/worker.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <limits>

#include "ctl/printers.h"
#include "ctl/waiting.h"
#include "daemon/control/json_text.h"

namespace netd::ctl {

namespace {

// sysexits.h's EX_TEMPFAIL: the command wants another try, and the attempt is not its fault.
constexpr int kTryAgain = 75;
/// Of a result that is still cut where netd does not take it, in bytes of JSON text.
constexpr std::size_t kLeastResult = 8;

std::string seconds_text(milliseconds time) {
  control::JsonWriter writer;
  writer.add_decimal("s", static_cast<double>(time.count()) / 1000.0);
  const std::string object = writer.object();  // {"s":60}
  return object.substr(5, object.size() - 6);
}

std::string plain_id(const LeasedTask& task) {
  return control::json_string(task.id).value_or(task.id);
}

}  // namespace

Worker::Worker(WorkOptions options, const Context& context)
    : options_(std::move(options)), context_(context), reconnect_at_(now()) {}

int Worker::run() {
  if (!open_signals()) return complain("signals cannot be watched", kFailed, context_);
  if (!connect()) return kUnreachable;
  while (!is_done()) {
    if ((!take_ || !tell_) && now() >= reconnect_at_) (void)connect();
    ask_for_task();
    wait_for_something();
    read_answers();
    serve_jobs();
  }
  return status_;
}

bool Worker::open_signals() {
  sigset_t watched;
  ::sigemptyset(&watched);
  for (const int number : {SIGTERM, SIGINT, SIGCHLD}) ::sigaddset(&watched, number);
  if (::pthread_sigmask(SIG_BLOCK, &watched, nullptr) != 0) return false;
  // A command that ends without reading its input must not end netctl.
  (void)std::signal(SIGPIPE, SIG_IGN);
  signals_ = UniqueFd(::signalfd(-1, &watched, SFD_NONBLOCK | SFD_CLOEXEC));
  return static_cast<bool>(signals_);
}

bool Worker::connect() {
  const bool first = taken_ == 0 && jobs_.empty() && !drained_ && reconnect_at_ <= now();
  auto take = context_.connect();
  auto tell = context_.connect();
  if (!take || !tell) {
    reconnect_at_ = now() + kReconnect;
    if (first && !take_) complain((take ? tell : take).error().what(), kUnreachable, context_);
    return false;
  }
  take_ = std::move(*take);
  tell_ = std::move(*tell);
  asked_ = false;
  told_.clear();
  return true;
}

/// Leases end with the connection. The commands that run go on: their tasks come back to somebody,
/// as after every crash, and who finishes first has done it.
void Worker::disconnect(const Error& why) {
  complain(why.what() + "; trying again", kUnreachable);
  take_.reset();
  tell_.reset();
  asked_ = false;
  told_.clear();
  reconnect_at_ = now() + kReconnect;
}

bool Worker::may_take() const {
  return stop_signals_ == 0 && !drained_ && jobs_.size() < options_.jobs &&
         (options_.count == 0 || taken_ < options_.count);
}

bool Worker::is_done() const {
  if (!jobs_.empty() || !told_.empty()) return false;
  if (stop_signals_ > 0 || drained_) return true;
  return options_.count > 0 && taken_ >= options_.count;
}

void Worker::ask_for_task() {
  if (!take_ || asked_ || !may_take()) return;
  control::JsonWriter request;
  request.add("type", "consume");
  if (options_.queue) request.add("queue", *options_.queue);
  request.add_raw("wait", options_.drain ? "0" : seconds_text(kWait));
  request.add_raw("lease", seconds_text(options_.lease)).add("bind", true);
  if (auto sent = take_->send(request.object(), context_.timeout); !sent) {
    disconnect(sent.error());
    return;
  }
  asked_ = true;
}

milliseconds Worker::time_to_wait() const {
  Moment next = Moment::max();
  if (!take_ || !tell_) next = reconnect_at_;
  for (const Job& job : jobs_) {
    next = std::min({next, job.renew_at, job.give_up_at, job.kill_at});
  }
  if (next == Moment::max()) return milliseconds(-1);
  const auto left = std::chrono::ceil<milliseconds>(next - now());
  return std::clamp(left, milliseconds(0), milliseconds(3'600'000));
}

void Worker::wait_for_something() {
  std::vector<pollfd> watched = {{signals_.get(), POLLIN, 0}};
  if (take_) watched.push_back({take_->fd(), POLLIN, 0});
  if (tell_) watched.push_back({tell_->fd(), POLLIN, 0});
  for (const Job& job : jobs_) {
    if (job.input_fd() >= 0) watched.push_back({job.input_fd(), POLLOUT, 0});
    if (job.output_fd() >= 0) watched.push_back({job.output_fd(), POLLIN, 0});
  }
  (void)::poll(watched.data(), watched.size(), static_cast<int>(time_to_wait().count()));
  on_signals();
}

void Worker::on_signals() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (info.ssi_signo != static_cast<std::uint32_t>(SIGCHLD)) on_stop_signal();
  }
}

/// The first lets what runs finish; the second does not.
void Worker::on_stop_signal() {
  ++stop_signals_;
  if (stop_signals_ == 1) {
    if (!jobs_.empty()) complain("waiting for the commands that run", kDone);
    return;
  }
  for (Job& job : jobs_) {
    job.aborted = true;
    job.kill(SIGTERM);
    job.kill_at = now() + kTerminateTime;
  }
}

void Worker::read_answers() {
  while (take_) {
    auto answer = take_->read_ready();
    if (!answer) return disconnect(answer.error());
    if (!*answer) break;
    on_taken(**answer);
  }
  while (tell_) {
    auto answer = tell_->read_ready();
    if (!answer) return disconnect(answer.error());
    if (!*answer) break;
    on_told(**answer);
  }
}

void Worker::on_taken(const std::string& answer) {
  asked_ = false;
  const Outcome outcome = outcome_of(answer);
  if (outcome.status == "empty") {
    drained_ = drained_ || options_.drain;
    return;
  }
  auto task = parse_leased_task(answer);
  if (outcome.status == "success" && task) {
    start(*task);
    return;
  }
  // A daemon that is stopping will be back; anything else would be answered alike for ever.
  if (outcome.code == "stopping") {
    complain(render_error(answer), kFailed);
    return;
  }
  status_ = complain(render_error(answer), kFailed, outcome.code, context_);
  drained_ = true;
}

void Worker::start(const LeasedTask& task) {
  if (stop_signals_ > 0) {
    tell("give_back", {task});
    return;
  }
  ++taken_;
  auto job = Job::start(task, options_.command);
  if (!job) {
    status_ = complain(job.error().what(), kFailed, context_);
    drained_ = true;  // the next task would fare no better
    tell("give_back", {task});
    return;
  }
  job->renew_at = now() + options_.lease / 3;
  if (options_.job_timeout > milliseconds(0)) job->give_up_at = now() + options_.job_timeout;
  jobs_.push_back(std::move(*job));
}

void Worker::tell(std::string_view type, Told told, const std::string& members) {
  if (!tell_) return;
  control::JsonWriter request;
  request.add("type", type).add_raw("id", told.task.id).add("attempt", told.task.attempt);
  std::string text = request.object();
  text.insert(text.size() - 1, members);
  if (auto sent = tell_->send(text, context_.timeout); !sent) {
    disconnect(sent.error());
    return;
  }
  told_.push_back(std::move(told));
}

void Worker::tell_done(Told told) {
  const std::string result = result_of(told.output, told.limit);
  told.size = result.size();
  // Without one nothing would be kept, and `task wait` might come too late.
  tell("done", std::move(told), ",\"result\":" + (result.empty() ? "null" : result));
}

void Worker::on_told(const std::string& answer) {
  if (told_.empty()) return;
  Told told = std::move(told_.front());
  told_.pop_front();
  const Outcome outcome = outcome_of(answer);
  if (outcome.status != "error") return;
  if (outcome.code != "too_large" || told.size < kLeastResult) {
    complain(render_error(answer), kFailed);
    return;
  }
  // What the command did is done: only its output is cut, until netd takes it.
  if (told.limit == Job::kMaxResultText) {
    complain("task " + plain_id(told.task) + ": its output is cut to what max_data takes", kDone);
  }
  told.limit = told.size / 4 * 3;
  tell_done(std::move(told));
}

void Worker::serve_jobs() {
  const Moment time = now();
  for (auto job = jobs_.begin(); job != jobs_.end();) {
    if (job->input_fd() >= 0) job->feed();
    job->collect();
    if (job->reap()) {
      finish(*job);
      job = jobs_.erase(job);
    } else {
      look_at_time(*job, time);
      ++job;
    }
  }
}

void Worker::look_at_time(Job& job, Moment time) {
  if (time >= job.renew_at) {
    job.renew_at = time + options_.lease / 3;
    tell("touch", {job.task()}, ",\"lease\":" + seconds_text(options_.lease));
  }
  if (time >= job.give_up_at) {
    job.give_up_at = Moment::max();
    job.timed_out = true;
    job.kill(SIGTERM);
    job.kill_at = time + kTerminateTime;
  }
  if (time >= job.kill_at) {
    job.kill_at = Moment::max();
    job.kill(SIGKILL);
  }
}

void Worker::finish(Job& job) {
  const std::string name = plain_id(job.task());
  if (job.timed_out) {
    job.kill(SIGKILL);  // whatever of its group is left
    complain("task " + name + ": took too long", kFailed);
    tell("fail", {job.task()});
  } else if (job.aborted || job.status() == kTryAgain) {
    tell("give_back", {job.task()});
  } else if (job.status() == 0) {
    tell_done({job.task(), std::move(job.output()), Job::kMaxResultText});
  } else {
    complain("task " + name + ": exit status " + std::to_string(job.status()), kFailed);
    tell("fail", {job.task()});
  }
}

}  // namespace netd::ctl
