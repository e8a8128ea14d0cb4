// The store in an SQLite database, FOLDER/tasks.db, in WAL mode: the form in which tasks rest,
// which is examined and exported, and to which the journal in front of it (journal_store.h) brings
// what it has gathered. By itself it is a whole store too, for a disk that has no room for a
// journal.
//
// A commit of one record costs the write-ahead log a page and an fdatasync(2), about 110 µs where
// the journal takes 80, and some 20 µs of computing with its share of the checkpoint. Checkpoints
// are made between commits, not within them.
//
// The format is versioned (PRAGMA user_version) and each row carries a checksum. A store that is
// damaged, or that a later netd wrote, is not opened and not touched. Version 2 is version 1 with a
// table that says up to where the journal was applied, and means that the journal may hold more: a
// netd that knows nothing of journals must not open it. A clean end turns it into version 1 again.
#pragma once

#include <sqlite3.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "daemon/base/error.h"
#include "daemon/tasks/sqlite.h"
#include "daemon/tasks/store.h"

namespace netd::tasks {

class SqliteStore final : public Store {
 public:
  enum class Durability : std::uint8_t {
    power_loss,  // a commit returns when it is on the disk
    process,     // when the kernel has it; sync() makes it durable
  };
  struct Options {
    std::string folder;
    Durability durability = Durability::power_loss;
    /// Bytes of all results with their ids, and 64 for each; those that expire first make room.
    std::int64_t result_limit = 64LL << 20;
    const char* vfs = nullptr;  // SQLite's default; tests put one that fails underneath
  };

  /// Makes the folder and the store when they are missing. Fails when another process has the
  /// store open, and when it is damaged.
  [[nodiscard]] static Result<std::unique_ptr<SqliteStore>> open(const Options& options);

  [[nodiscard]] Result<void> load(const Visitor& visitor) override;
  [[nodiscard]] std::optional<StoreError> commit(std::span<StoreOp> ops) override;
  [[nodiscard]] std::optional<StoreError> sync() override;
  bool maintain(bool idle) override;
  [[nodiscard]] std::uint64_t disk_bytes() const override;

  /// What the store knows of the journal in front of it.
  struct JournalMark {
    std::uint64_t generation = 0;  // 0: no journal holds anything
    std::uint64_t applied = 0;     // the number of the last frame that is in the store
  };
  [[nodiscard]] Result<JournalMark> journal_mark();
  /// The journal that was in front last; generation 0: none ever was.
  [[nodiscard]] JournalMark ended_journal();
  /// Marks are written with what they say, and are durable on return.
  [[nodiscard]] std::optional<StoreError> begin_journal(std::uint64_t generation);
  [[nodiscard]] std::optional<StoreError> end_journal();
  /// The mark's `applied` from now on; as durable as any commit.
  [[nodiscard]] std::optional<StoreError> note_applied(std::uint64_t applied);

  /// Of the commits from now on.
  [[nodiscard]] std::optional<StoreError> set_durability(Durability durability);
  /// Gives the write-ahead log its blocks in advance: worth it where somebody waits for each
  /// commit.
  void preallocate_log();

  /// Moves what is in the write-ahead log to the database's file; `mode` is one of
  /// sqlite3_wal_checkpoint_v2().
  [[nodiscard]] std::optional<StoreError> checkpoint(int mode = SQLITE_CHECKPOINT_PASSIVE);
  /// Gives the disk the room that nothing is in, of both files; some of it where that is much.
  void give_back();
  /// Whether the last one found no room for that.
  [[nodiscard]] bool checkpoint_lacks_room() const { return checkpoint_lacks_room_; }
  /// What the log holds for the database's file, in bytes. Any thread.
  [[nodiscard]] std::uint64_t log_bytes() const {
    return static_cast<std::uint64_t>(wal_frames_) * static_cast<std::uint64_t>(page_size_);
  }

  /// For messages.
  [[nodiscard]] const std::string& file() const { return file_; }

 private:
  SqliteStore(std::string file, std::int64_t result_limit)
      : file_(std::move(file)), result_limit_(result_limit) {}

  [[nodiscard]] static Result<void> make(const Options& options, const std::string& file);
  [[nodiscard]] Result<void> attach(const Options& options);
  [[nodiscard]] Result<void> check();
  [[nodiscard]] Result<void> prepare();
  [[nodiscard]] Result<void> execute(const char* sql);
  [[nodiscard]] Result<std::int64_t> query(const char* sql);
  [[nodiscard]] Error error(std::string_view doing) const;

  [[nodiscard]] std::optional<StoreError> write(const char* sql);
  [[nodiscard]] int prepare_mark();
  [[nodiscard]] int apply(StoreOp& op);
  [[nodiscard]] int put(const Record& record);
  [[nodiscard]] int read_data(StoreOp& op);
  [[nodiscard]] int put_result(const StoreOp& op);
  [[nodiscard]] int read_result(StoreOp& op);
  /// Runs a statement whose rows are ids and results. `sum` becomes what they count for.
  [[nodiscard]] static int sum_results(Statement& statement, std::int64_t& sum);
  /// The same of results that are taken away.
  [[nodiscard]] int take_results_away(Statement& statement);
  [[nodiscard]] StoreError store_error(int code);

  std::string file_;
  SqlitePtr db_;
  std::atomic<int> wal_frames_ = 0;  // since the last checkpoint
  bool checkpoint_lacks_room_ = false;
  std::int64_t page_size_ = 4096;
  const std::int64_t result_limit_;
  std::int64_t result_bytes_ = 0;  // what counts against it

  // depend on: db_, which cannot close before they are gone
  Statement begin_, commit_, rollback_;
  Statement put_, update_, erase_, read_;
  Statement pause_, resume_;
  Statement put_result_, read_result_, drop_result_, drop_first_result_, erase_results_;
  Statement probe_, page_count_, free_pages_, vacuum_;
  Statement applied_;  // once the journal has begun
};

}  // namespace netd::tasks
