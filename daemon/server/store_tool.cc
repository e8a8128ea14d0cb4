#include "daemon/server/store_tool.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "daemon/tasks/store_examiner.h"

namespace netd {

namespace {

void print(std::FILE* stream, const std::string& line) {
  // A reader that is gone shows in the status: see finish().
  (void)std::fputs((line + "\n").c_str(), stream);
}

int finish(const Result<tasks::StoreReport>& report, std::FILE* remarks) {
  if (!report) {
    print(stderr, "netd: " + report.error().what());
    return EXIT_FAILURE;
  }
  for (const std::string& problem : report->problems) print(remarks, problem);
  const bool written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  if (!written) print(stderr, "netd: standard output: not all of it could be written");
  return report->good() && written ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace

int check_task_store(const std::string& folder) {
  const auto report = tasks::examine_store(folder, [](const tasks::Record&) {});
  if (report) {
    print(stdout, folder + ": " + (report->good() ? "good" : "damaged") + ", " +
                      std::to_string(report->whole) + " tasks are whole, " +
                      std::to_string(report->damaged) + " are not");
  }
  return finish(report, stdout);
}

int export_task_store(const std::string& folder) {
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  const auto report = tasks::examine_store(
      folder, [now](const tasks::Record& task) { print(stdout, tasks::export_line(task, now)); });
  return finish(report, stderr);
}

}  // namespace netd
