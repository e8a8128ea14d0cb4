// What the frames of one journal file, taken together, make of the store beneath them.
//
// A task that was put and erased within one file leaves nothing here: it never reaches the
// database.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>

#include "daemon/tasks/record.h"

namespace netd::tasks {

/// Where an operation lies in the journal file.
struct Place {
  std::uint32_t at = 0;
  std::uint32_t size = 0;
};

class Overlay {
 public:
  /// `update`: the fields that StoreOp::update sets. `put`: the task at `where`, with those fields.
  struct TaskChange {
    enum class Kind : std::uint8_t { update, put, erase };
    Kind kind = Kind::update;
    bool beneath = true;  // what lies beneath may have the task
    bool dead = false;
    std::uint32_t attempt = 0;
    Place where;
    std::int64_t ready_at = 0;
    std::int64_t expires = 0;
  };
  struct ResultChange {
    std::int64_t expires = 0;
    Place where;
    bool gone = false;  // erased since, and with it what lies beneath
  };

  /// `highest_beneath`: no task that lies beneath has a higher seq.
  explicit Overlay(std::uint64_t highest_beneath) : highest_beneath_(highest_beneath) {}
  /// Nothing is known of what lies beneath.
  Overlay() : Overlay(std::numeric_limits<std::uint64_t>::max()) {}

  /// An operation that is_change() and lies at `where`. `text`: of queues that are paused or
  /// resumed.
  void apply(StoreOp::Kind kind, const Record& record, std::string_view text, Place where);

  [[nodiscard]] bool empty() const {
    return tasks_.empty() && queues_.empty() && results_.empty() && !has_results_end_;
  }
  /// Null where this says nothing of the task.
  [[nodiscard]] const TaskChange* task(std::uint64_t seq) const {
    const auto found = tasks_.find(seq);
    return found == tasks_.end() ? nullptr : &found->second;
  }
  [[nodiscard]] const ResultChange* result(std::string_view id) const {
    const auto found = results_.find(id);
    return found == results_.end() ? nullptr : &found->second;
  }
  [[nodiscard]] const std::unordered_map<std::uint64_t, TaskChange>& tasks() const {
    return tasks_;
  }
  /// Whether they are paused from now on.
  [[nodiscard]] const std::map<std::string, bool, std::less<>>& queues() const { return queues_; }
  [[nodiscard]] const std::map<std::string, ResultChange, std::less<>>& results() const {
    return results_;
  }
  /// Of the results beneath, those that expired up to then are gone, if any are.
  [[nodiscard]] bool has_results_end() const { return has_results_end_; }
  [[nodiscard]] std::int64_t results_end() const { return results_end_; }

 private:
  void put(const Record& record, Place where);
  void update(const Record& record);
  void erase(std::uint64_t seq);
  void erase_results(std::int64_t end);

  std::uint64_t highest_beneath_;
  std::unordered_map<std::uint64_t, TaskChange> tasks_;  // by seq
  std::map<std::string, bool, std::less<>> queues_;
  std::map<std::string, ResultChange, std::less<>> results_;
  bool has_results_end_ = false;
  std::int64_t results_end_ = 0;
};

}  // namespace netd::tasks
