#include "daemon/tasks/task_row.h"

namespace netd::tasks {

namespace {

/// FNV-1a: any one changed byte changes the sum, which is what damage on a disk looks like.
class Checksum {
 public:
  Checksum& add(std::string_view bytes) {
    for (const char byte : bytes) mix(static_cast<unsigned char>(byte));
    mix(0xff);  // a boundary: no text has this byte
    return *this;
  }
  Checksum& add(std::int64_t number) {
    for (int shift = 0; shift < 64; shift += 8) {
      mix(static_cast<unsigned char>(static_cast<std::uint64_t>(number) >> shift));
    }
    return *this;
  }
  [[nodiscard]] std::int64_t value() const { return static_cast<std::int64_t>(sum_); }

 private:
  void mix(unsigned char byte) { sum_ = (sum_ ^ byte) * 0x100000001b3ULL; }
  std::uint64_t sum_ = 0xcbf29ce484222325ULL;
};

}  // namespace

std::int64_t checksum(std::string_view id, std::string_view queue, std::string_view data,
                      std::int64_t created) {
  return Checksum().add(id).add(queue).add(data).add(created).value();
}

TaskRow read_task_row(Statement& row) {
  TaskRow task;
  Record& record = task.record;
  record.seq = static_cast<std::uint64_t>(row.integer(0));
  record.id = row.text(2);
  record.queue = row.text(3);
  record.priority = static_cast<std::int32_t>(row.integer(4));
  record.attempt = static_cast<std::uint32_t>(row.integer(5));
  record.max_attempts = static_cast<std::uint32_t>(row.integer(6));
  record.dead = row.integer(7) != 0;
  record.created = row.integer(8);
  record.ready_at = row.integer(9);
  record.expires = row.integer(10);
  record.data = row.text(11);
  task.whole = row.integer(1) == checksum(record.id, record.queue, record.data, record.created);
  return task;
}

}  // namespace netd::tasks
