// Reads a store that netd may have refused, as far as it can be read, and changes nothing in it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "daemon/base/error.h"
#include "daemon/tasks/record.h"

namespace netd::tasks {

struct StoreReport {
  std::uint64_t whole = 0;            // tasks that are as they were written
  std::uint64_t damaged = 0;          // tasks that are there and are not
  std::vector<std::string> problems;  // for people, at most kMaxProblems

  static constexpr std::size_t kMaxProblems = 100;
  [[nodiscard]] bool good() const { return damaged == 0 && problems.empty(); }
};

/// Shows `visit` each task that is whole; the record's texts live as long as the call. Fails when
/// the store cannot be opened at all: it is missing, in use, or no store.
[[nodiscard]] Result<StoreReport> examine_store(const std::string& folder,
                                                const std::function<void(const Record&)>& visit);

/// The task as netd's control socket takes it, in one line: {"id":...,"data":...,"queue":...}. What
/// `delay` and `ttl` count from is `wall_ms`, milliseconds of CLOCK_REALTIME.
[[nodiscard]] std::string export_line(const Record& record, std::int64_t wall_ms);

}  // namespace netd::tasks
