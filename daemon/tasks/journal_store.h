// The store with a journal in front of it: a commit is one synced write into blocks that are there
// already, and the database gets the sum of many commits later, from another thread.
//
//   storage thread                                   applier
//     commit ── encode ── write(RWF_DSYNC) ─▶ file A
//                  └──────▶ overlay of A      A is full ──▶ read it back, check it,
//     commit ─────────────────────────────▶ file B          bring its sum into the database
//                                                           in short transactions, with the
//     A is free again, B fills up          ◀────────────    number of its last commit; sync
//
// One task on its way. `produce` puts it into a batch; the storage thread encodes the batch as
// frame 7 {put 42}, writes it behind frame 6 of file A and tells the overlay of A where task 42
// lies; then the producer gets its answer. `done` makes frame 8 {erase 42}: it is written, and the
// overlay forgets the task, since the database never knew it. Had the task stayed, a full A would
// have been closed: the applier inserts it among others into the database and records, in its last
// transaction, that all up to the last frame of A is in there. Only when that is synced, A takes
// commits again, over the old ones. Meanwhile commits go to B, and what is asked for is looked for
// in the overlay of B, that of A and the database, in this order. Commits wait for the applier only
// when both files are full; if it cannot go on because the disk fails, they are refused until it
// can. The last quarter of the second file is kept for commits of which nothing grows: consumers
// can finish tasks and empty queues meanwhile, about 35,000 one by one.
//
// What a crash leaves: frames that the database has already, which their numbers tell; whole frames
// that it has not, which are applied at the next start; and at the end perhaps one that is torn,
// which nobody was told of. A frame is whole by its length and CRC-32C, belongs to this life of the
// journal by its generation, drawn anew at each start, and is newer than what was applied by its
// number, so a file is used again without being emptied. Where a number is missing and a later
// frame says that it had been on the disk, the store is damaged and not opened. Without that word
// (sync other than always, and a loss of power) all from the missing frame on had not been
// promised.
//
// A full disk. No task is taken that could not be brought into the database: room for what the
// journal and SQLite's log hold is set aside before it is acknowledged, in the file tasks.reserve.
// When the database finds the disk full, that file is emptied, and until it can be filled again
// nothing grows.
//
// A commit that failed may be on the disk or not, as with any disk that fails: its answer is an
// error, the next commit is written over it, and if netd dies before that, it may turn up.
//
// Where there is no room for the files, commits go to the database directly.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <expected>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "daemon/base/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/trouble.h"
#include "daemon/tasks/journal_format.h"
#include "daemon/tasks/journal_medium.h"
#include "daemon/tasks/journal_overlay.h"
#include "daemon/tasks/journal_recovery.h"
#include "daemon/tasks/room_reserve.h"
#include "daemon/tasks/sqlite_store.h"
#include "daemon/tasks/store.h"

namespace netd::tasks {

class JournalStore final : public Store {
 public:
  struct Options {
    SqliteStore::Options database{};
    /// Bytes of each of the two files. What both hold is applied at a start after a crash.
    std::uint32_t file_size = 8U << 20U;
    /// When nothing else is to do, the journal is applied once its oldest commit is so old.
    Duration apply_after = std::chrono::seconds(5);
    /// Without one, the applier's work is done in maintain() and in commits that must wait for it.
    bool thread = true;
    OpenMedium open_medium = open_journal_file;
    /// On a disk that is full the database's log is what erasures can still be brought there with.
    bool preallocate_log = true;
  };

  /// As SqliteStore::open(). Fails besides when the journal is damaged or missing.
  [[nodiscard]] static Result<std::unique_ptr<JournalStore>> open(Options options);
  /// Brings everything into the database, so that the journal holds nothing.
  ~JournalStore() override;

  [[nodiscard]] Result<void> load(const Visitor& visitor) override;
  [[nodiscard]] std::optional<StoreError> commit(std::span<StoreOp> ops) override;
  [[nodiscard]] std::optional<StoreError> sync() override;
  bool maintain(bool idle) override;
  [[nodiscard]] std::string trouble() const override { return trouble_.what(); }
  [[nodiscard]] std::uint64_t disk_bytes() const override;

 private:
  /// Commits that lie above the database.
  struct Layer {
    Overlay overlay;
    const JournalMedium* medium = nullptr;  // null: the operations are in `bytes`
    std::string bytes{};
    std::uint64_t generation = 0;
    std::uint64_t first = 1;  // the numbers of its frames
    std::uint64_t last = 0;
    std::size_t end = kFirstFrame;  // where the next frame goes
    Monotonic since{};              // when it got its first frame

    [[nodiscard]] bool empty() const { return last < first; }
  };
  /// Whether the answer was found, or why it cannot be read.
  using Found = std::expected<bool, StoreError>;

  JournalStore(Options options, std::unique_ptr<SqliteStore> database);

  // Its beginning and its end.
  [[nodiscard]] Result<void> recover(const SqliteStore::JournalMark& mark);
  [[nodiscard]] std::optional<StoreError> begin();
  [[nodiscard]] std::optional<StoreError> begin_file(int file, std::uint64_t generation);
  void begin_if_due();
  void drop_files();
  [[nodiscard]] std::unique_ptr<Layer> new_layer(int file) const;
  void finish();

  // Room.
  [[nodiscard]] bool has_room(std::uint64_t bytes);
  [[nodiscard]] std::optional<StoreError> check_room(std::span<StoreOp> ops);
  [[nodiscard]] StoreError refuse_growth();
  void make_room();
  bool maintain_database(bool idle);
  /// What must be possible on a full disk gets what was set aside for it. With database_mutex_.
  template <class Write>
  [[nodiscard]] std::optional<StoreError> write_with_reserve(Write write) {
    auto failed = write();
    if (!failed || failed->kind != StoreError::Kind::full) return failed;
    make_room();
    return write();
  }

  // Commits.
  [[nodiscard]] std::optional<StoreError> commit_to_database(std::span<StoreOp> ops);
  [[nodiscard]] std::optional<StoreError> commit_too_large(std::span<StoreOp> ops);
  [[nodiscard]] std::optional<StoreError> write_frame(FrameBuilder& builder, bool growing);
  [[nodiscard]] std::optional<StoreError> take(std::span<StoreOp> ops, std::size_t frame_at);
  [[nodiscard]] std::optional<StoreError> switch_files();

  // Reads.
  [[nodiscard]] std::optional<StoreError> read(StoreOp& op);
  [[nodiscard]] std::optional<StoreError> read_beneath(StoreOp& op, std::int64_t bound);
  [[nodiscard]] std::optional<StoreError> read_again(StoreOp& op);
  [[nodiscard]] static Found look_in(const Layer& layer, StoreOp& op, std::int64_t& bound);
  [[nodiscard]] static Found copy_text(const Layer& layer, Place where, StoreOp& op);

  // The applier: see journal_applier.cc.
  [[nodiscard]] Result<void> start_applier();
  void stop_applier();
  void run_applier();
  [[nodiscard]] std::optional<StoreError> wait_for_applier();
  void apply_frozen();
  void tell_outcome(const std::optional<StoreError>& failed);
  void tidy();
  [[nodiscard]] std::optional<StoreError> apply(const Layer& layer);
  [[nodiscard]] std::optional<StoreError> apply_queues(const Layer& layer);
  [[nodiscard]] std::optional<StoreError> apply_results(const Layer& layer, std::string_view bytes);
  enum class Part : std::uint8_t { erasures, others };
  [[nodiscard]] std::optional<StoreError> apply_tasks(const Layer& layer, std::string_view bytes,
                                                      Part part);
  enum class Room : std::uint8_t { common, reserved };
  [[nodiscard]] std::optional<StoreError> to_database(std::span<StoreOp> ops, Room room);

  const Options options_;
  const bool durable_;
  RoomReserve reserve_;
  std::array<std::unique_ptr<JournalMedium>, kJournalFiles> files_;

  // The storage thread's:
  std::unique_ptr<Layer> active_;  // null: commits go to the database
  int active_file_ = 0;
  bool loaded_ = false;
  std::uint64_t generation_ = 0;
  std::uint64_t number_ = 0;  // of the last frame that was written
  std::uint64_t synced_ = 0;  // all up to this one are on the disk
  bool uncertain_ = false;    // the last write failed: what lies at active_->end is unknown
  bool distrusted_ = false;   // a sync failed: only the database can make good for it
  std::array<bool, kJournalFiles> unsynced_{};
  std::uint64_t highest_seq_ = 0;
  Monotonic begin_tried_{};
  bool untidy_ = true;
  FrameBuilder builder_;
  std::vector<std::size_t> places_;  // of the operations in the frame, and its end

  std::atomic<int> readers_{0};  // that wait for database_mutex_
  std::mutex database_mutex_;
  std::unique_ptr<SqliteStore> database_;  // guarded by database_mutex_

  std::mutex mutex_;
  std::condition_variable work_;      // for the applier
  std::condition_variable progress_;  // for who waits for it
  // Guarded by mutex_; what it points at does not change, and the applier alone takes it away.
  std::unique_ptr<Layer> frozen_;
  std::optional<StoreError> failure_;  // guarded by mutex_; of the applier's last try
  Trouble trouble_;                    // the applier's
  bool tidying_ = false;               // guarded by mutex_
  bool stopping_ = false;              // guarded by mutex_
  std::thread applier_;                // depends on: all of the above
};

}  // namespace netd::tasks
