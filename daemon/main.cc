// netd: arguments, exit status, and nothing else.
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string>

#include <CLI/CLI.hpp>

#include "daemon/base/log.h"
#include "daemon/base/message_ids.h"
#include "daemon/config/loader.h"
#include "daemon/event/signals.h"
#include "daemon/server/server.h"
#include "daemon/server/store_tool.h"
#include "daemon/systemd/inherited_sockets.h"
#include "daemon/systemd/service_manager.h"
#include "version.h"

namespace {

using namespace netd;

// sysexits.h; RestartPreventExitStatus= of the unit.
constexpr int kExitUsage = 2;
constexpr int kExitConfig = 78;

struct Arguments {
  std::string config_path = "/etc/netd/netd.conf";
  bool check = false;
  bool print_config = false;
  bool check_tasks = false;
  bool export_tasks = false;
};

void print(std::FILE* stream, const std::string& text) {
  // Nobody is left to be told when standard output and error are gone.
  (void)std::fputs(text.c_str(), stream);
}

/// Whoever starts netd without one of the three standard descriptors must not find a client's
/// connection, or a mailbox, in its place: what is written to standard error would go there.
void fill_standard_descriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest number that is free, which is this one. It stays open.
    (void)!::open("/dev/null", O_RDWR);
  }
}

/// What netd is limited to, and not the shell that started it: every connection is a descriptor.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

/// Each connection takes a descriptor at the least.
void check_descriptor_limit(const config::Settings& settings) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= settings.netd.max_connections) {
    return;
  }
  LogEntry(LogLevel::warning, "descriptor_limit")
      .message_id(message_id::kLimitReached)
      .field("NETD_LIMIT", "RLIMIT_NOFILE")
      .send("the limit of " + std::to_string(limit.rlim_cur) +
            " open files is too low for max_connections = " +
            std::to_string(settings.netd.max_connections) +
            "; connections will wait when it is reached (LimitNOFILE= of the unit)");
}

int serve(const Arguments& arguments, std::shared_ptr<const config::Settings> settings) {
  // A peer that is gone, or a file that may not grow, is an error of the write, not a reason to
  // die.
  (void)::signal(SIGPIPE, SIG_IGN);
  (void)::signal(SIGXFSZ, SIG_IGN);
  // In a container, as process 1, netd is left the orphans of others; nobody waits for those.
  if (::getpid() == 1) (void)::signal(SIGCHLD, SIG_IGN);
  raise_descriptor_limit();
  auto inherited = take_inherited_sockets();
  if (!inherited) {
    print(stderr, "netd: " + inherited.error().what() + "\n");
    return EXIT_FAILURE;
  }
  const SystemClock clock;
  const auto manager = make_systemd_service_manager(clock);
  int status = EXIT_SUCCESS;
  // The log's threads must not be the ones that a signal ends.
  if (auto blocked = block_signals(Server::signals()); !blocked) {
    print(stderr, "netd: " + blocked.error().what() + "\n");
    return EXIT_FAILURE;
  }
  log_start(detect_log_target(), settings->netd.log_level);
  check_descriptor_limit(*settings);
  if (const auto unmatched = unmatched_sockets(*settings, *inherited); !unmatched.empty()) {
    for (const std::string& line : unmatched) {
      LogEntry(LogLevel::error, "config_invalid")
          .message_id(message_id::kListenerFailed)
          .send(line);
    }
    log_stop();
    return kExitConfig;
  }
  auto server = Server::create({.config_path = arguments.config_path,
                                .settings = std::move(settings),
                                .inherited = std::move(*inherited)},
                               clock, *manager);
  if (server) {
    (*server)->run();
  } else {
    for (const std::string& reason : server.error()) {
      LogEntry(LogLevel::error, "start_failed")
          .message_id(message_id::kListenerFailed)
          .send("cannot start: " + reason);
    }
    status = EXIT_FAILURE;
  }
  server = nullptr;
  log_stop();
  return status;
}

/// To the journal with its level when that is where the daemon logs, else to standard error.
void report(const std::vector<config::Mistake>& mistakes, bool to_log) {
  const bool journal = to_log && detect_log_target() == LogTarget::journal;
  if (journal) log_start(LogTarget::journal, LogLevel::info);
  for (const config::Mistake& mistake : mistakes) {
    const std::string line = config::format(mistake);
    if (journal) {
      LogEntry(LogLevel::error, "config_invalid").send(line);
    } else {
      print(stderr, line + "\n");
    }
  }
  log_stop();
}

int run(const Arguments& arguments) {
  const auto schemas = protocol_schemas();
  auto settings = config::load(arguments.config_path, schemas, config::Environment::system());
  if (!settings) {
    report(settings.error(), !arguments.check && !arguments.print_config);
    return kExitConfig;
  }
  if (arguments.print_config) print(stdout, config::print(**settings));
  if (arguments.check && !arguments.print_config) {
    print(stdout, arguments.config_path + ": good\n");
  }
  if (arguments.check || arguments.print_config) return EXIT_SUCCESS;
  if (arguments.check_tasks) return check_task_store((*settings)->tasks.path);
  if (arguments.export_tasks) return export_task_store((*settings)->tasks.path);
  return serve(arguments, std::move(*settings));
}

}  // namespace

int main(int argc, char** argv) {
  fill_standard_descriptors();
  Arguments arguments;
  CLI::App app("netd: the standard network building blocks of one host, in one daemon", "netd");
  app.add_option("-c,--config", arguments.config_path, "the configuration file")
      ->type_name("FILE")
      ->capture_default_str();
  app.add_flag("--check", arguments.check, "say what is wrong with the configuration, and end");
  app.add_flag("--print-config", arguments.print_config,
               "print the configuration with every default, and end");
  app.add_flag("--check-tasks", arguments.check_tasks,
               "say what is wrong with the task store, and end; netd must not run");
  app.add_flag("--export-tasks", arguments.export_tasks,
               "print every task that can be read, one JSON object a line, and end");
  app.set_version_flag("--version", std::string("netd ") + kVersion);
  app.footer("netd stays in the foreground; `netctl` steers it. See netd(8) and netd.conf(5).");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const bool asked_for = error.get_exit_code() == 0;  // --help and --version
    app.exit(error);
    return asked_for ? EXIT_SUCCESS : kExitUsage;
  }
  return run(arguments);
}
