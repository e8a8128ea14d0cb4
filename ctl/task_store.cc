// `netctl task check`, `export` and `import`. The first two are for a store that netd refuses, so
// they cannot ask it: netd is run on the store's files instead.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>

#include <CLI/CLI.hpp>

#include "ctl/custom_commands.h"
#include "ctl/printers.h"
#include "daemon/base/text.h"
#include "daemon/base/unique_fd.h"
#include "daemon/control/json_text.h"

namespace netd::ctl {

namespace {

constexpr const char* kDefaultConfig = "/etc/netd/netd.conf";

/// netd beside netctl, as it is installed or built; else the one of PATH.
std::string daemon_program() {
  std::error_code failed;
  const auto own = std::filesystem::read_symlink("/proc/self/exe", failed);
  if (!failed) {
    for (const char* place : {"netd", "../sbin/netd", "../daemon/netd"}) {
      const auto program = own.parent_path() / place;
      if (::access(program.c_str(), X_OK) == 0 && !std::filesystem::is_directory(program, failed)) {
        return program.string();
      }
    }
  }
  return "netd";
}

/// Becomes netd; returns only where that fails.
std::string become_daemon(const char* task, const std::string& config) {
  const std::string program = daemon_program();
  ::execlp(program.c_str(), "netd", "-c", config.c_str(), task, nullptr);
  const int code = errno;
  return "run " + program + ": " + std::generic_category().message(code);
}

/// All that can be read there, in one line; of much the beginning.
std::string read_remarks(int fd) {
  constexpr std::size_t kShown = 4096;
  std::string remarks;
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    remarks.append(buffer.data(), static_cast<std::size_t>(got));
    remarks.resize(std::min(remarks.size(), kShown));
  }
  std::string line;
  for (const std::string_view one : split(trim(remarks), '\n')) {
    line.append(line.empty() ? "" : "; ").append(one);
  }
  return line;
}

/// With --json: what netd has to say becomes a document. What it exports stays as it is.
int run_daemon_for_document(const char* task, const std::string& config, bool exports,
                            const Context& context) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return complain("pipe", kFailed, context);
  UniqueFd from(ends[0]);
  UniqueFd to(ends[1]);
  (void)std::fflush(stdout);
  const pid_t child = ::fork();
  if (child < 0) return complain("start netd", kFailed, context);
  if (child == 0) {
    ::dup2(to.get(), STDERR_FILENO);
    if (!exports) ::dup2(to.get(), STDOUT_FILENO);
    const std::string failed = become_daemon(task, config);
    (void)!::write(STDERR_FILENO, failed.data(), failed.size());
    ::_exit(kFailed);
  }
  to.reset();
  const std::string remarks = read_remarks(from.get());
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  const bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  if (!good) return complain(remarks.empty() ? "netd failed" : remarks, kFailed, context);
  if (!exports) {
    print(control::JsonWriter().add("status", "ok").add("message", remarks).object() + "\n");
  }
  return kDone;
}

std::function<int(const Context&)> define_on_store(CLI::App& command, const char* task,
                                                   bool exports) {
  const auto config = std::make_shared<std::string>(kDefaultConfig);  // lives with the callback
  command.add_option("-c,--config", *config, "netd's configuration, which names the store")
      ->type_name("FILE")
      ->capture_default_str();
  return [config, task, exports](const Context& context) {
    if (context.json) return run_daemon_for_document(task, *config, exports, context);
    (void)std::fflush(stdout);
    return complain(become_daemon(task, *config), kFailed);
  };
}

/// Sends tasks ahead of their answers: those that are under way together share a write to the disk.
class Import {
 public:
  Import(ControlClient client, const Context& context)
      : client_(std::move(client)), context_(context) {}

  int run();

 private:
  static constexpr std::size_t kAhead = 32;

  /// Both return false when netd cannot be reached any more.
  bool send(const std::string& line);
  bool read_answer();

  ControlClient client_;
  const Context& context_;
  std::deque<std::uint64_t> under_way_;  // the numbers of their lines
  std::uint64_t line_number_ = 0;
  std::uint64_t imported_ = 0;
  std::uint64_t duplicates_ = 0;
  std::uint64_t refused_ = 0;
};

bool Import::send(const std::string& line) {
  if (!control::is_json(line) || !control::json_is_object(line)) {
    complain("line " + std::to_string(line_number_) + ": not a JSON object", kFailed);
    ++refused_;
    return true;
  }
  if (under_way_.size() >= kAhead && !read_answer()) return false;
  const auto sent = client_.send(R"({"type":"produce","task":)" + line + "}", context_.timeout);
  if (!sent) return complain(sent.error().what(), kUnreachable), false;
  under_way_.push_back(line_number_);
  return true;
}

bool Import::read_answer() {
  const auto answer = client_.read_line(context_.timeout);
  if (!answer) return complain(answer.error().what(), kUnreachable), false;
  const std::uint64_t number = under_way_.front();
  under_way_.pop_front();
  if (outcome_of(*answer).status == "queued") {
    const auto members = control::JsonMembers::parse(*answer);
    ++(members && members->find("duplicate") ? duplicates_ : imported_);
    return true;
  }
  ++refused_;
  complain("line " + std::to_string(number) + ": " + render_error(*answer), kFailed);
  return true;
}

int Import::run() {
  std::string line;
  bool reached = true;
  for (int c = 0; reached && c != EOF;) {
    c = std::getc(stdin);
    if (c != '\n' && c != EOF) {
      line.push_back(static_cast<char>(c));
      continue;
    }
    ++line_number_;
    if (!trim(line).empty()) reached = send(line);
    line.clear();
  }
  while (reached && !under_way_.empty()) reached = read_answer();
  const auto count = [](std::uint64_t number) { return std::to_string(number); };
  if (context_.json) {
    print(R"({"status":")" + std::string(reached && refused_ == 0 ? "ok" : "error") +
          R"(","imported":)" + count(imported_) + R"(,"duplicates":)" + count(duplicates_) +
          R"(,"refused":)" + count(refused_) + "}\n");
  } else {
    print(count(imported_) + " imported, " + count(duplicates_) + " were there already, " +
          count(refused_) + " refused\n");
  }
  if (!reached) return kUnreachable;
  return refused_ == 0 ? kDone : kFailed;
}

}  // namespace

std::function<int(const Context&)> define_task_check(CLI::App& command) {
  return define_on_store(command, "--check-tasks", false);
}

std::function<int(const Context&)> define_task_export(CLI::App& command) {
  return define_on_store(command, "--export-tasks", true);
}

std::function<int(const Context&)> define_task_import(CLI::App&) {
  return [](const Context& context) {
    auto client = context.connect();
    if (!client) return complain(client.error().what(), kUnreachable, context);
    return Import(std::move(*client), context).run();
  };
}

}  // namespace netd::ctl
