#include "ctl/job.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include "daemon/base/text.h"
#include "daemon/control/json_text.h"

namespace netd::ctl {

namespace {

/// A string as its text, anything else as JSON: what the command reads, and what it sees of the id.
std::string plain_text(const std::string& json) {
  return control::json_string(json).value_or(json);
}

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_system("pipe", errno);
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

void set_non_blocking(const UniqueFd& fd) {
  (void)::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
}

/// posix_spawn(3)'s two objects, freed together.
class SpawnSettings {
 public:
  SpawnSettings() {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
  }
  ~SpawnSettings() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  /// Standard input and output as given; signals as any program finds them; a group of its own.
  void prepare(int input, int output) {
    ::posix_spawn_file_actions_adddup2(&actions_, input, STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions_, output, STDOUT_FILENO);
    sigset_t none;
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    sigset_t pipe;
    ::sigemptyset(&pipe);
    ::sigaddset(&pipe, SIGPIPE);
    ::posix_spawnattr_setsigdefault(&attributes_, &pipe);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    ::posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

/// The environment of this process with the task's variables.
std::vector<std::string> environment_for(const LeasedTask& task) {
  std::vector<std::string> variables;
  for (char** one = environ; *one != nullptr; ++one) {
    const std::string_view variable = *one;
    const auto name = variable.substr(0, variable.find('='));
    if (name != "NETD_TASK_ID" && name != "NETD_QUEUE" && name != "NETD_ATTEMPT") {
      variables.emplace_back(variable);
    }
  }
  variables.push_back("NETD_TASK_ID=" + plain_text(task.id));
  variables.push_back("NETD_QUEUE=" + task.queue);
  variables.push_back("NETD_ATTEMPT=" + std::to_string(task.attempt));
  return variables;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (auto& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

std::optional<LeasedTask> parse_leased_task(const std::string& answer) {
  const auto members = control::JsonMembers::parse(answer);
  const auto raw = members ? members->find("task") : std::nullopt;
  if (!raw || !control::json_is_object(*raw)) return std::nullopt;
  const auto task = control::JsonMembers::parse(*raw);
  if (!task) return std::nullopt;
  const auto id = task->find("id");
  const auto data = task->find_any("data");
  const auto attempt = task->find("attempt");
  if (!id || !data) return std::nullopt;
  LeasedTask leased{std::string(*id), std::string(*data), {}, 0};
  leased.queue = control::json_string(task->find("queue").value_or("")).value_or("");
  if (attempt) {
    leased.attempt = static_cast<std::uint64_t>(
        std::max<std::int64_t>(control::json_integer(*attempt).value_or(0), 0));
  }
  return leased;
}

Result<Job> Job::start(LeasedTask task, const std::vector<std::string>& command) {
  auto input = make_pipe();
  if (!input) return std::unexpected(input.error());
  auto output = make_pipe();
  if (!output) return std::unexpected(output.error());
  Job job(std::move(task));
  std::vector<std::string> words = command;
  std::vector<std::string> variables = environment_for(job.task_);
  SpawnSettings settings;
  settings.prepare(input->read.get(), output->write.get());
  const int error =
      ::posix_spawnp(&job.pid_, words.front().c_str(), &settings.actions_, &settings.attributes_,
                     pointers_to(words).data(), pointers_to(variables).data());
  if (error != 0) return fail_system("run " + words.front(), error);
  job.input_ = std::move(input->write);
  job.output_ = std::move(output->read);
  set_non_blocking(job.input_);
  set_non_blocking(job.output_);
  job.to_feed_ = plain_text(job.task_.data);
  job.feed();
  return job;
}

void Job::feed() {
  while (!to_feed_.empty()) {
    const ssize_t count = ::write(input_.get(), to_feed_.data(), to_feed_.size());
    if (count > 0) {
      to_feed_.erase(0, static_cast<std::size_t>(count));
    } else if (count < 0 && errno == EAGAIN) {
      return;
    } else if (count == 0 || errno != EINTR) {
      break;  // a command need not read its input
    }
  }
  to_feed_.clear();
  input_.reset();
}

void Job::collect() {
  std::array<char, 65536> buffer{};
  while (output_) {
    const ssize_t count = ::read(output_.get(), buffer.data(), buffer.size());
    if (count > 0) {
      const auto room = kMaxResult - collected_.size();
      collected_.append(buffer.data(), std::min(static_cast<std::size_t>(count), room));
    } else if (count < 0 && errno == EINTR) {
      continue;
    } else if (count < 0 && errno == EAGAIN) {
      return;
    } else {
      output_.reset();
    }
  }
}

bool Job::reap() {
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) != pid_) return false;
  status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  // What it wrote before it ended is in the pipe already; who else holds the pipe is not waited
  // for.
  collect();
  return true;
}

void Job::kill(int signal) const { ::kill(-pid_, signal); }

namespace {

/// The bytes of the character or escape that `quoted`, the inside of a JSON string, begins with.
std::size_t first_piece(std::string_view quoted) {
  if (quoted.front() == '\\') return quoted[1] == 'u' ? 6 : 2;
  return utf8_sequence_length(quoted);
}

/// The longest beginning of `text` that has at most `limit` bytes as a JSON string.
std::string quote_within(std::string_view text, std::size_t limit) {
  std::string quoted = json_quote(text);
  if (quoted.size() <= limit) return quoted;
  std::size_t end = 1;
  for (std::size_t next = end; next < limit;) {
    end = next;
    next += first_piece(std::string_view(quoted).substr(next));
  }
  quoted.resize(end);
  return quoted += '"';
}

}  // namespace

std::string result_of(std::string_view output, std::size_t limit) {
  while (output.ends_with('\n') || output.ends_with('\r')) output.remove_suffix(1);
  if (output.empty()) return {};
  if (control::is_json(output)) {
    std::string compact = control::compact_json(output);
    if (compact.size() <= limit) return compact;
  }
  return quote_within(output, limit);
}

}  // namespace netd::ctl
