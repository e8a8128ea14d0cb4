// A task as it lies on the disk, and the changes that a commit is made of.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace netd::tasks {

/// The texts belong to whoever made the record. Leases are not kept on the disk: what was leased is
/// ready when netd starts again.
struct Record {
  std::uint64_t seq = 0;  // the order of production, and the key
  std::string_view id;
  std::string_view queue;
  std::string_view data;
  std::int32_t priority = 0;
  std::uint32_t attempt = 0;
  std::uint32_t max_attempts = 0;
  bool dead = false;
  // Milliseconds of CLOCK_REALTIME since the epoch, so that they outlive the machine's uptime:
  std::int64_t created = 0;
  std::int64_t ready_at = 0;  // 0: at once
  std::int64_t expires = 0;   // 0: never
};

struct StoreOp {
  enum class Kind : std::uint8_t {
    put,            // `record`, all of it; replaces what has its seq
    update,         // attempt, dead, ready_at and expires of the task `seq`, if it is there
    erase,          // the task `seq`, if it is there
    read,           // the data of the task `seq` into `text`
    pause,          // the queue `text`
    resume,         // the queue `text`
    put_result,     // `text` is the result of the task `id`, until record.expires
    read_result,    // the result of the task `id` into `text`
    probe,          // tries whether the disk takes a change
    erase_results,  // those that expired before record.expires, up to a bounded number
  };
  Kind kind;
  Record record{};
  std::string text{};  // see above
  bool found = false;  // out, of the reads; of erase_results: there may be more
  /// What the record's views show where nothing else keeps it; does not move when this does.
  std::unique_ptr<char[]> owned{};
};

}  // namespace netd::tasks
