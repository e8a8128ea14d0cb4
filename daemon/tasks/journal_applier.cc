// How the journal gets into the database, and what keeps the database small.
#include <pthread.h>

#include <algorithm>
#include <array>
#include <system_error>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/base/message_ids.h"
#include "daemon/base/signals_blocked.h"
#include "daemon/tasks/journal_store.h"

namespace netd::tasks {

namespace {

/// What goes into one transaction: so long a reader may have to wait.
constexpr std::size_t kChunkOps = 256;
constexpr std::size_t kChunkBytes = 256U << 10U;
/// After a failure.
constexpr std::chrono::milliseconds kRetry{500};
constexpr std::chrono::microseconds kGiveWay{50};

StoreError damaged(const Error& error) {
  return {StoreError::Kind::damaged, "the journal: " + error.what()};
}

/// The file, once every frame in it has proved to be what was written.
Result<std::string> read_back(const JournalMedium& medium, std::size_t end,
                              std::uint64_t generation, std::uint64_t first, std::uint64_t last) {
  auto bytes = medium.read(0, end);
  if (!bytes) return bytes;
  std::size_t at = kFirstFrame;
  for (std::uint64_t number = first; number <= last; ++number) {
    const auto frame = read_frame(*bytes, at, generation);
    if (!frame || frame->number != number) {
      return fail("commit number " + std::to_string(number) + " is not what was written");
    }
    at += frame->size;
  }
  return bytes;
}

StoreOp make_op(StoreOp::Kind kind, std::uint64_t seq) {
  StoreOp op{.kind = kind};
  op.record.seq = seq;
  return op;
}

/// What becomes of one task; nothing where the journal's bytes do not have it.
std::optional<StoreOp> task_op(std::uint64_t seq, const Overlay::TaskChange& change,
                               std::string_view bytes) {
  using Kind = Overlay::TaskChange::Kind;
  if (change.kind == Kind::erase) return make_op(StoreOp::Kind::erase, seq);
  StoreOp op = make_op(StoreOp::Kind::update, seq);
  if (change.kind == Kind::put) {
    const auto written = op_at(bytes, change.where);
    if (!written || written->record.seq != seq) return std::nullopt;
    op.kind = StoreOp::Kind::put;
    op.record = written->record;
  }
  set_changed(op.record, change);
  return op;
}

}  // namespace

Result<void> JournalStore::start_applier() {
  const SignalsBlocked blocked;
  try {
    applier_ = std::thread([this] { run_applier(); });
  } catch (const std::system_error& failed) {
    return fail_system("start the thread of the task store", failed.code().value());
  }
  return {};
}

void JournalStore::stop_applier() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_one();
  if (applier_.joinable()) applier_.join();
}

void JournalStore::run_applier() {
  ::pthread_setname_np(::pthread_self(), "netd-tasks-db");
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (failure_) {
      work_.wait_for(lock, kRetry, [this] { return stopping_; });
    } else {
      work_.wait(lock, [this] { return stopping_ || frozen_ || tidying_; });
    }
    if (stopping_) return;
    const bool something = frozen_ != nullptr;
    lock.unlock();
    something ? apply_frozen() : tidy();
    lock.lock();
  }
}

/// Returns when the applier has nothing to do any more, or why it could not.
std::optional<StoreError> JournalStore::wait_for_applier() {
  if (!options_.thread && frozen_) apply_frozen();
  std::unique_lock lock(mutex_);
  progress_.wait(lock, [this] { return !frozen_ || failure_; });
  return frozen_ ? failure_ : std::nullopt;
}

void JournalStore::apply_frozen() {
  const Layer* layer = nullptr;
  {
    const std::lock_guard lock(mutex_);
    layer = frozen_.get();
  }
  auto failed = apply(*layer);
  tell_outcome(failed);
  std::unique_ptr<Layer> applied;  // freed without the lock
  {
    const std::lock_guard lock(mutex_);
    failure_ = std::move(failed);
    if (!failure_) applied = std::move(frozen_);
  }
  progress_.notify_all();
}

/// What was acknowledged is safe in the journal, but that has an end.
void JournalStore::tell_outcome(const std::optional<StoreError>& failed) {
  const std::string store = "tasks store " + options_.database.folder + ": ";
  if (!failed) {
    if (trouble_.ends()) {
      LogEntry(LogLevel::info, "store_caught_up")
          .send(store + "the database is brought up to date again");
    }
    return;
  }
  const std::string what = "the database cannot be brought up to date: " + failed->what +
                           "; the journal takes what it has room for";
  const bool damaged = failed->kind == StoreError::Kind::damaged;
  if (!trouble_.begins(damaged ? "damaged" : "behind", what, std::chrono::steady_clock::now())) {
    return;
  }
  LogEntry(damaged ? LogLevel::error : LogLevel::warning,
           damaged ? "store_damaged" : "store_behind")
      .message_id(damaged ? message_id::kStoreDamaged : message_id::kStoreUnavailable)
      .send(store + what);
}

/// With nothing to apply: moves what was applied from SQLite's log to its file, and gives room
/// back.
void JournalStore::tidy() {
  for (bool more = true; more;) {
    {
      const std::lock_guard lock(database_mutex_);
      more = maintain_database(true);
    }
    const std::lock_guard lock(mutex_);
    more = more && !stopping_ && !frozen_;
    if (!more) tidying_ = false;
  }
}

/// What takes room comes behind what leaves some: the disk may be full.
std::optional<StoreError> JournalStore::apply(const Layer& layer) {
  std::string read;
  std::string_view bytes = layer.bytes;
  if (layer.medium != nullptr) {
    auto back = read_back(*layer.medium, layer.end, layer.generation, layer.first, layer.last);
    if (!back) return damaged(back.error());
    read = std::move(*back);
    bytes = read;
  }
  if (auto failed = apply_queues(layer)) return failed;
  if (auto failed = apply_tasks(layer, bytes, Part::erasures)) return failed;
  if (auto failed = apply_results(layer, bytes)) return failed;
  if (auto failed = apply_tasks(layer, bytes, Part::others)) return failed;
  const std::lock_guard lock(database_mutex_);
  const auto note = [&] { return database_->note_applied(layer.last); };
  if (auto failed = write_with_reserve(note)) return failed;
  return database_->sync();
}

std::optional<StoreError> JournalStore::apply_queues(const Layer& layer) {
  std::vector<StoreOp> ops;
  for (const auto& [name, paused] : layer.overlay.queues()) {
    ops.push_back({.kind = paused ? StoreOp::Kind::pause : StoreOp::Kind::resume});
    ops.back().text = name;
  }
  return to_database(ops, Room::reserved);
}

/// Those that are gone are put to expire with the others that go, then come those that stay.
std::optional<StoreError> JournalStore::apply_results(const Layer& layer, std::string_view bytes) {
  const std::int64_t end = layer.overlay.results_end();
  std::vector<StoreOp> ops;
  const auto flush = [&](std::size_t at_least) -> std::optional<StoreError> {
    if (ops.size() < at_least) return std::nullopt;
    auto failed = to_database(ops, Room::reserved);
    ops.clear();
    return failed;
  };
  const auto put = [&](std::string_view id, std::int64_t expires, std::string_view text) {
    ops.push_back({.kind = StoreOp::Kind::put_result});
    ops.back().record.id = id;
    ops.back().record.expires = expires;
    ops.back().text = text;
    return flush(kChunkOps);
  };
  for (const auto& [id, change] : layer.overlay.results()) {
    if (!change.gone) continue;
    if (auto failed = put(id, end, "")) return failed;
  }
  if (auto failed = flush(1)) return failed;
  bool more = layer.overlay.has_results_end();
  while (more) {
    std::array<StoreOp, 1> sweep{StoreOp{.kind = StoreOp::Kind::erase_results}};
    sweep[0].record.expires = end;
    if (auto failed = to_database(sweep, Room::reserved)) return failed;
    more = sweep[0].found;  // a bounded number at a time
  }
  for (const auto& [id, change] : layer.overlay.results()) {
    if (change.gone) continue;
    const auto written = op_at(bytes, change.where);
    if (!written) return damaged(Error("the result of " + id));
    if (auto failed = put(id, change.expires, written->text)) return failed;
  }
  return flush(1);
}

std::optional<StoreError> JournalStore::apply_tasks(const Layer& layer, std::string_view bytes,
                                                    Part part) {
  std::vector<std::pair<std::uint64_t, const Overlay::TaskChange*>> changes;
  changes.reserve(layer.overlay.tasks().size());
  for (const auto& [seq, change] : layer.overlay.tasks()) {
    const bool erases = change.kind == Overlay::TaskChange::Kind::erase;
    if (erases == (part == Part::erasures)) changes.emplace_back(seq, &change);
  }
  std::ranges::sort(changes);
  std::vector<StoreOp> ops;
  std::size_t size = 0;
  for (const auto& [seq, change] : changes) {
    auto op = task_op(seq, *change, bytes);
    if (!op) return damaged(Error("task number " + std::to_string(seq)));
    size += op->record.data.size();
    ops.push_back(std::move(*op));
    if (ops.size() < kChunkOps && size < kChunkBytes) continue;
    if (auto failed = to_database(ops, Room::reserved)) return failed;
    ops.clear();
    size = 0;
  }
  return to_database(ops, Room::reserved);
}

/// One transaction. Whoever waits to read goes first.
std::optional<StoreError> JournalStore::to_database(std::span<StoreOp> ops, Room room) {
  if (ops.empty()) return std::nullopt;
  const bool reads = !is_change(ops.front().kind);
  if (reads) {
    ++readers_;
  } else {
    while (readers_ > 0) std::this_thread::sleep_for(kGiveWay);
  }
  const std::lock_guard lock(database_mutex_);
  if (reads) --readers_;
  const auto commit = [&] { return database_->commit(ops); };
  auto failed = room == Room::reserved ? write_with_reserve(commit) : commit();
  // Whatever came of it: SQLite's log may be what the disk is full of.
  if (!reads) maintain_database(false);
  return failed;
}

}  // namespace netd::tasks
