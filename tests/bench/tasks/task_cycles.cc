// Full cycles (produce, take under a lease, done) a second in one process, without a socket: what
// the queue, its thread and the disk can do.
//
//   bench_task_cycles FOLDER [always|batch|off] [CLIENTS] [SECONDS] [BYTES]
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/base/clock.h"
#include "daemon/event/dispatcher.h"
#include "daemon/event/timer.h"
#include "daemon/tasks/task_service.h"

namespace netd::tasks {
namespace {

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// One client in a closed loop: the next step begins when the last was answered.
class Client {
 public:
  Client(TaskService& service, std::string data, std::uint64_t& cycles)
      : service_(service), data_(std::move(data)), cycles_(cycles) {}

  void start() {
    NewTask task;
    task.data = data_;
    service_.produce(std::move(task), [this](const TaskResult<Produced>& answer) {
      if (!answer) fail(answer.error());
      take();
    });
  }

 private:
  void take() {
    TakeRequest request;
    request.lease = std::chrono::minutes(1);
    request.wait = std::chrono::seconds(10);
    service_.take(std::move(request), [this](TaskResult<std::optional<Task>> task) {
      if (!task) fail(task.error());
      service_.done({(*task)->id, {}}, "", [this](const TaskResult<void>& answer) {
        if (!answer) fail(answer.error());
        ++cycles_;
        start();
      });
      return true;
    });
  }

  [[noreturn]] static void fail(const TaskError& error) {
    std::fprintf(stderr, "task_cycles: %s\n", error.message.c_str());
    std::exit(1);
  }

  TaskService& service_;
  std::string data_;
  std::uint64_t& cycles_;
};

int run(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(
        stderr, "usage: bench_task_cycles FOLDER [always|batch|off] [CLIENTS] [SECONDS] [BYTES]\n");
    return 2;
  }
  const std::string mode = argc > 2 ? argv[2] : "always";
  const int clients = argc > 3 ? std::atoi(argv[3]) : 16;
  const double seconds = argc > 4 ? std::atof(argv[4]) : 3;
  const auto bytes = static_cast<std::size_t>(argc > 5 ? std::atoi(argv[5]) : 100);

  const SystemClock clock;
  auto dispatcher = Dispatcher::create(clock);
  TaskServiceSettings settings;
  settings.path = argv[1];
  settings.sync = mode == "off"     ? SyncMode::off
                  : mode == "batch" ? SyncMode::batch
                                    : SyncMode::always;
  settings.sync_interval = milliseconds(100);
  auto service = TaskService::create(**dispatcher, settings);
  if (!service) {
    std::fprintf(stderr, "task_cycles: %s\n", service.error().what().c_str());
    return 1;
  }
  std::uint64_t cycles = 0;
  std::vector<std::unique_ptr<Client>> all;
  for (int i = 0; i < clients; ++i) {
    all.push_back(
        std::make_unique<Client>(**service, "\"" + std::string(bytes, 'x') + "\"", cycles));
    all.back()->start();
  }
  const double cpu = cpu_seconds();
  const auto begin = std::chrono::steady_clock::now();
  std::chrono::duration<double> took{};
  while ((took = std::chrono::steady_clock::now() - begin).count() < seconds)
    (*dispatcher)->turn(true);
  const TaskStats stats = (*service)->stats();
  std::printf(
      "%-6s %4d clients: %8.0f cycles/s  %6.0f commits/s  %5.1f cycles a commit  %5.2f us CPU a "
      "cycle\n",
      mode.c_str(), clients, static_cast<double>(cycles) / took.count(),
      static_cast<double>(stats.commits) / took.count(),
      static_cast<double>(cycles) / static_cast<double>(stats.commits),
      (cpu_seconds() - cpu) * 1e6 / static_cast<double>(cycles));
  return 0;
}

}  // namespace
}  // namespace netd::tasks

int main(int argc, char** argv) { return netd::tasks::run(argc, argv); }
