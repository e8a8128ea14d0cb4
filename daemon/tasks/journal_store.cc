#include "daemon/tasks/journal_store.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <random>
#include <utility>

#include "daemon/tasks/group_commit.h"
#include "daemon/tasks/store_files.h"

namespace netd::tasks {

namespace {

constexpr std::chrono::seconds kBeginAgain{10};
/// This part of a file takes nothing that grows while the other file is not applied.
constexpr std::uint32_t kReserve = 4;

/// What is brought into the database may take so many times its bytes in the journal: a page holds
/// one row of a little more than half its size.
constexpr std::uint64_t kSpread = 2;
/// For SQLite's log, while it brings the rest to its place. Parts of a journal file's size.
constexpr std::uint32_t kMarginWithJournal = 4;
constexpr std::uint32_t kMarginWithout = 32;
constexpr std::uint64_t kShortLog = 1U << 20U;  // bytes
constexpr std::size_t kRowBytes = 64;           // beside its texts

bool is_result(const StoreOp& op) {
  return op.kind == StoreOp::Kind::put_result && !op.text.empty();
}

StoreError no_room() {
  return {StoreError::Kind::full, "no room on the disk for what the database must hold"};
}

std::uint64_t new_generation() {
  std::random_device entropy;
  const std::uint64_t drawn = (std::uint64_t{entropy()} << 32U) | entropy();
  return drawn == 0 ? 1 : drawn;  // 0 means that there is none
}

}  // namespace

JournalStore::JournalStore(Options options, std::unique_ptr<SqliteStore> database)
    : options_(std::move(options)),
      durable_(options_.database.durability == SqliteStore::Durability::power_loss),
      reserve_(options_.database.folder + "/tasks.reserve"),
      database_(std::move(database)) {}

JournalStore::~JournalStore() {
  stop_applier();
  finish();
}

/// What cannot be brought into the database stays in the journal for the next start.
void JournalStore::finish() {
  if (!loaded_) return;
  if (frozen_) apply_frozen();
  if (frozen_ || !active_) return;
  FrameBuilder nothing;
  if (uncertain_ && write_frame(nothing, false)) return;  // what perhaps lies there never happened
  if (!active_->empty() && apply(*active_)) return;
  if (write_with_reserve([this] { return database_->end_journal(); })) return;
  // From now on the files have no part in the store: it may be copied or put back without them.
  for (const auto& file : files_) {
    (void)file->write(0, encode_header({.generation = 0, .size = options_.file_size}), true);
  }
}

// Its beginning.

Result<std::unique_ptr<JournalStore>> JournalStore::open(Options options) {
  const std::string& folder = options.database.folder;
  const std::string file = folder + "/tasks.db";
  if (::access(file.c_str(), F_OK) != 0 && errno == ENOENT &&
      stray_generation(options.open_medium, folder, 0, 0) != 0) {
    return fail("tasks store " + file + ": damaged: it is missing, but its journal holds tasks");
  }
  auto database = SqliteStore::open(options.database);
  if (!database) return std::unexpected(database.error());
  const auto mark = (*database)->journal_mark();
  if (!mark) return std::unexpected(mark.error().within("tasks store " + file));
  if (mark->generation == 0) {
    const auto ended = (*database)->ended_journal();
    if (ended.generation == 0) {
      if (auto own = check_no_stranger(options.open_medium, folder); !own) {
        return std::unexpected(own.error().within("tasks store " + file));
      }
    }
    if (stray_generation(options.open_medium, folder, ended.generation, ended.applied) != 0) {
      return fail("tasks store " + file + ": damaged: its journal holds changes that it knows " +
                  "nothing of; its write-ahead log is damaged, or they are of another store");
    }
  }
  std::unique_ptr<JournalStore> store(new JournalStore(std::move(options), std::move(*database)));
  if (mark->generation != 0) {
    if (auto recovered = store->recover(*mark); !recovered) {
      return std::unexpected(recovered.error().within("tasks store " + store->database_->file()));
    }
  }
  return store;
}

Result<void> JournalStore::recover(const SqliteStore::JournalMark& mark) {
  std::array<std::string, kJournalFiles> contents;
  for (int file = 0; file < kJournalFiles; ++file) {
    const std::string path = journal_path(options_.database.folder, file);
    auto content = read_journal_file(options_.open_medium, path, mark.generation);
    if (!content) return std::unexpected(content.error());
    contents.at(static_cast<std::size_t>(file)) = std::move(*content);
  }
  RecoveredJournal journal = recover_journal(contents, mark.generation, mark.applied, false);
  if (!journal.damage.empty()) return fail("damaged: its journal: " + journal.damage);
  frozen_ = std::make_unique<Layer>(Layer{.overlay = std::move(journal.overlay),
                                          .bytes = std::move(journal.bytes),
                                          .generation = mark.generation,
                                          .first = mark.applied + 1,
                                          .last = journal.last});
  return {};
}

Result<void> JournalStore::load(const Visitor& visitor) {
  const MergedTasks::Visit visit = [&](const Record& record) {
    highest_seq_ = std::max(highest_seq_, record.seq);
    return visitor.task(record);
  };
  const Layer nothing;
  const Layer& above = frozen_ ? *frozen_ : nothing;
  MergedTasks merged(above.overlay, above.bytes, visit);
  const auto& queues = above.overlay.queues();
  auto loaded = database_->load({.task = [&](const Record& row) { return merged.row(row); },
                                 .paused_queue =
                                     [&](std::string_view name) {
                                       if (!queues.contains(name)) visitor.paused_queue(name);
                                     },
                                 .result = visitor.result});
  if (loaded) loaded = merged.finish();
  if (!loaded) return loaded;
  for (const auto& [name, paused] : queues) {
    if (paused) visitor.paused_queue(name);
  }
  if (visitor.result) {
    for (const auto& [id, change] : above.overlay.results()) visitor.result(id);
  }
  loaded_ = true;
  if (frozen_) apply_frozen();
  if (!frozen_) begin_if_due();
  if (options_.preallocate_log) database_->preallocate_log();
  // For what a disk that others fill can still take.
  if (active_) (void)has_room(options_.file_size);
  return options_.thread ? start_applier() : Result<void>();
}

/// Where the journal cannot begin, it is tried again from time to time: what was in the way, as a
/// full disk, may be gone.
void JournalStore::begin_if_due() {
  const Monotonic now = std::chrono::steady_clock::now();
  if (active_ || (begin_tried_ != Monotonic{} && now < begin_tried_ + kBeginAgain)) return;
  begin_tried_ = now;
  const std::lock_guard lock(database_mutex_);
  if (begin()) active_.reset();
}

/// When the journal holds nothing. The steps are such that a crash between them leaves a store that
/// says so too.
std::optional<StoreError> JournalStore::begin() {
  const auto mark = database_->journal_mark();
  if (!mark) return store_error(mark.error());
  if (mark->generation != 0) {
    if (auto failed = write_with_reserve([this] { return database_->end_journal(); })) {
      return failed;
    }
  }
  if (!reserve_.ensure(options_.file_size / kMarginWithJournal + database_->log_bytes())) {
    return no_room();
  }
  const std::uint64_t generation = new_generation();
  for (int file = 0; file < kJournalFiles; ++file) {
    auto failed = begin_file(file, generation);
    if (!failed) continue;
    if (failed->kind == StoreError::Kind::full) drop_files();
    return failed;
  }
  if (auto synced = sync_folder(options_.database.folder); !synced) {
    return store_error(synced.error());
  }
  const auto mark_beginning = [&] { return database_->begin_journal(generation); };
  if (auto failed = write_with_reserve(mark_beginning)) return failed;
  // From here on it is synced where the applier says so.
  if (auto failed = database_->set_durability(SqliteStore::Durability::process)) return failed;
  generation_ = generation;
  number_ = synced_ = 0;
  active_file_ = 0;
  active_ = new_layer(active_file_);
  return std::nullopt;
}

/// Where one has no room, the other is of no use.
void JournalStore::drop_files() {
  for (int file = 0; file < kJournalFiles; ++file) {
    files_.at(static_cast<std::size_t>(file)).reset();
    ::unlink(journal_path(options_.database.folder, file).c_str());
  }
}

std::optional<StoreError> JournalStore::begin_file(int file, std::uint64_t generation) {
  std::unique_ptr<JournalMedium>& medium = files_.at(static_cast<std::size_t>(file));
  const std::string path = journal_path(options_.database.folder, file);
  if (auto there = options_.open_medium(path, 0); there && (*there)->size() == options_.file_size) {
    medium = std::move(*there);
  } else {
    auto made = options_.open_medium(path, options_.file_size);
    if (!made) return store_error(made.error());
    medium = std::move(*made);
  }
  return medium->write(0, encode_header({.generation = generation, .size = options_.file_size}),
                       true);
}

std::unique_ptr<JournalStore::Layer> JournalStore::new_layer(int file) const {
  return std::make_unique<Layer>(Layer{.overlay = Overlay(highest_seq_),
                                       .medium = files_.at(static_cast<std::size_t>(file)).get(),
                                       .generation = generation_,
                                       .first = number_ + 1,
                                       .last = number_});
}

// Room.

/// Whether all that is acknowledged and has not reached the database's file could still be brought
/// there, with so many bytes more.
bool JournalStore::has_room(std::uint64_t bytes) {
  std::uint64_t held = bytes + (active_ ? active_->end : 0);
  {
    const std::lock_guard lock(mutex_);
    if (frozen_) held += frozen_->medium == nullptr ? frozen_->bytes.size() : frozen_->end;
  }
  const std::uint64_t margin = options_.file_size / (active_ ? kMarginWithJournal : kMarginWithout);
  return reserve_.ensure(kSpread * held + database_->log_bytes() + margin);
}

/// Tasks that there is no room for are refused. Results of tasks that are done are forgotten: a
/// full disk must not keep tasks from being done.
std::optional<StoreError> JournalStore::check_room(std::span<StoreOp> ops) {
  std::uint64_t tasks = 0;
  std::uint64_t results = 0;
  for (const StoreOp& op : ops) {
    if (grows(op.kind)) tasks += Batch::bytes_of(op) + kRowBytes;
    if (is_result(op)) results += Batch::bytes_of(op) + kRowBytes;
  }
  if (tasks + results == 0 || has_room(tasks + results)) return std::nullopt;
  if (tasks > 0) return refuse_growth();
  for (StoreOp& op : ops) {
    if (!is_result(op)) continue;
    op.record.expires = 1;  // long ago
    op.text.clear();
  }
  return std::nullopt;
}

/// Until the next attempt, what is on its way to the database comes to rest there, where it takes
/// least room, or unused room is given back.
StoreError JournalStore::refuse_growth() {
  {
    const std::lock_guard lock(mutex_);
    if (frozen_) return no_room();
  }
  if (active_ && !active_->empty()) {
    (void)switch_files();
  } else {
    const std::lock_guard lock(database_mutex_);
    database_->give_back();
    if (database_->checkpoint_lacks_room()) make_room();
  }
  return no_room();
}

/// With database_mutex_.
void JournalStore::make_room() {
  reserve_.release();
  (void)database_->checkpoint();
}

/// With database_mutex_.
bool JournalStore::maintain_database(bool idle) {
  // What was set aside is not for a longer log.
  if (reserve_.size() == 0 && database_->log_bytes() > kShortLog) (void)database_->checkpoint();
  const bool more = database_->maintain(idle);
  if (database_->checkpoint_lacks_room()) make_room();
  return more;
}

// Commits.

std::optional<StoreError> JournalStore::commit(std::span<StoreOp> ops) {
  untidy_ = true;
  if (auto refused = check_room(ops)) return refused;
  if (!active_) return commit_to_database(ops);
  builder_.clear();
  places_.clear();
  bool growing = false;
  for (StoreOp& op : ops) {
    growing = growing || grows(op.kind);
    if (is_change(op.kind)) {
      places_.push_back(builder_.add(op));
    } else if (auto failed = places_.empty() ? read(op) : read_beneath(op, op.record.expires)) {
      return failed;
    }
  }
  places_.push_back(builder_.end());
  if (builder_.size() > options_.file_size - kFirstFrame) return commit_too_large(ops);
  if (!builder_.empty()) {
    if (auto failed = write_frame(builder_, growing)) return failed;
  }
  return take(ops, active_->end - builder_.size());
}

/// The overlay learns of changes that are written, and reads of what the changes before them say.
std::optional<StoreError> JournalStore::take(std::span<StoreOp> ops, std::size_t frame_at) {
  std::size_t change = 0;
  for (StoreOp& op : ops) {
    if (!is_change(op.kind)) {
      if (change == 0) continue;  // as it was read
      if (auto failed = read_again(op)) return failed;
      continue;
    }
    const Place where{.at = static_cast<std::uint32_t>(frame_at + places_[change]),
                      .size = static_cast<std::uint32_t>(places_[change + 1] - places_[change])};
    ++change;
    active_->overlay.apply(op.kind, op.record, op.text, where);
    if (op.kind == StoreOp::Kind::put) highest_seq_ = std::max(highest_seq_, op.record.seq);
  }
  return std::nullopt;
}

std::optional<StoreError> JournalStore::write_frame(FrameBuilder& builder, bool growing) {
  const std::size_t reserve = options_.file_size / kReserve;
  if (growing && active_->end + builder.size() > options_.file_size - reserve) {
    if (auto failed = wait_for_applier()) return failed;
  }
  if (active_->end + builder.size() > options_.file_size) {
    if (auto failed = switch_files()) return failed;
  }
  JournalMedium& medium = *files_.at(static_cast<std::size_t>(active_file_));
  const std::string_view frame = builder.finish(generation_, number_ + 1, synced_);
  if (auto failed = medium.write(active_->end, frame, durable_)) {
    uncertain_ = true;
    return failed;
  }
  uncertain_ = false;
  if (active_->empty()) active_->since = std::chrono::steady_clock::now();
  active_->end += frame.size();
  active_->last = ++number_;
  if (durable_) {
    synced_ = number_;
  } else {
    unsynced_.at(static_cast<std::size_t>(active_file_)) = true;
  }
  return std::nullopt;
}

/// The file in use goes to the applier, and commits go to the other.
std::optional<StoreError> JournalStore::switch_files() {
  if (auto failed = wait_for_applier()) return failed;
  if (uncertain_) {
    // A frame that perhaps lies there must not have the number of one in the other file.
    FrameBuilder nothing;
    if (auto failed = write_frame(nothing, false)) return failed;
  }
  active_file_ = 1 - active_file_;
  {
    const std::lock_guard lock(mutex_);
    frozen_ = std::exchange(active_, nullptr);
  }
  work_.notify_one();
  active_ = new_layer(active_file_);
  return std::nullopt;
}

std::optional<StoreError> JournalStore::commit_to_database(std::span<StoreOp> ops) {
  if (std::ranges::none_of(ops, is_change, &StoreOp::kind)) {
    for (StoreOp& op : ops) {
      if (auto failed = read(op)) return failed;
    }
    return std::nullopt;
  }
  if (auto failed = wait_for_applier()) return failed;
  for (const StoreOp& op : ops) {
    if (op.kind == StoreOp::Kind::put) highest_seq_ = std::max(highest_seq_, op.record.seq);
  }
  const bool growing = std::ranges::any_of(ops, [](const StoreOp& op) { return grows(op.kind); });
  return to_database(ops, growing ? Room::common : Room::reserved);
}

/// More than a file holds: it goes to the database behind all that the journal has.
std::optional<StoreError> JournalStore::commit_too_large(std::span<StoreOp> ops) {
  if (!active_->empty()) {
    if (auto failed = switch_files()) return failed;
  }
  if (auto failed = wait_for_applier()) return failed;
  const auto set = [this](SqliteStore::Durability durability) {
    const std::lock_guard lock(database_mutex_);
    return database_->set_durability(durability);
  };
  if (auto failed = set(SqliteStore::Durability::power_loss)) return failed;
  auto outcome = commit_to_database(ops);
  (void)set(SqliteStore::Durability::process);  // else later ones are synced twice
  active_ = new_layer(active_file_);            // which knows of the seqs that are beneath it now
  return outcome;
}

std::optional<StoreError> JournalStore::sync() {
  if (!active_) {
    const std::lock_guard lock(database_mutex_);
    return database_->sync();
  }
  if (distrusted_) {
    // After a sync that failed the next may well succeed without having written anything.
    if (auto failed = switch_files()) return failed;
    if (auto failed = wait_for_applier()) return failed;
    distrusted_ = false;
    unsynced_.fill(false);
  }
  for (std::size_t file = 0; file < files_.size(); ++file) {
    if (!unsynced_.at(file)) continue;
    if (auto failed = files_.at(file)->sync()) {
      distrusted_ = true;
      return failed;
    }
    unsynced_.at(file) = false;
  }
  synced_ = number_;
  return std::nullopt;
}

// Reads.

std::optional<StoreError> JournalStore::read(StoreOp& op) {
  std::int64_t bound = op.record.expires;
  if (active_) {
    const Found found = look_in(*active_, op, bound);
    if (!found) return found.error();
    if (*found) return std::nullopt;
  }
  return read_beneath(op, bound);
}

/// What lies under the file in use.
std::optional<StoreError> JournalStore::read_beneath(StoreOp& op, std::int64_t bound) {
  op.found = false;
  op.text.clear();
  {
    const std::lock_guard lock(mutex_);
    if (frozen_) {
      const Found found = look_in(*frozen_, op, bound);
      if (!found) return found.error();
      if (*found) return std::nullopt;
    }
  }
  const std::int64_t asked = std::exchange(op.record.expires, bound);
  auto failed = to_database({&op, 1}, Room::common);
  op.record.expires = asked;
  return failed;
}

/// With what lies beneath read already: the changes before it in its own commit are there now.
std::optional<StoreError> JournalStore::read_again(StoreOp& op) {
  // The commit was the first of this file: what lay above then is beneath now.
  if (active_->first == active_->last) return read(op);
  std::int64_t bound = op.record.expires;
  const Found found = look_in(*active_, op, bound);
  if (!found) return found.error();
  if (*found || bound == op.record.expires) return std::nullopt;
  return read_beneath(op, bound);  // not those that are gone now
}

/// Whether the layer says what is asked for, or that it is not there. `bound`: results that expire
/// until then are not there; the layer may raise it for what lies beneath.
JournalStore::Found JournalStore::look_in(const Layer& layer, StoreOp& op, std::int64_t& bound) {
  if (op.kind == StoreOp::Kind::read) {
    const Overlay::TaskChange* change = layer.overlay.task(op.record.seq);
    if (change == nullptr || change->kind == Overlay::TaskChange::Kind::update) return false;
    if (change->kind == Overlay::TaskChange::Kind::put) return copy_text(layer, change->where, op);
  } else {
    const Overlay::ResultChange* change = layer.overlay.result(op.record.id);
    if (change == nullptr) {
      if (layer.overlay.has_results_end()) bound = std::max(bound, layer.overlay.results_end());
      return false;
    }
    if (!change->gone && change->expires > bound) return copy_text(layer, change->where, op);
  }
  op.found = false;
  op.text.clear();
  return true;
}

JournalStore::Found JournalStore::copy_text(const Layer& layer, Place where, StoreOp& op) {
  Result<std::string> bytes = layer.medium == nullptr ? layer.bytes.substr(where.at, where.size)
                                                      : layer.medium->read(where.at, where.size);
  if (!bytes) return std::unexpected(store_error(bytes.error()));
  const auto written = op_at(*bytes, {.at = 0, .size = where.size});
  if (!written) return true;  // not what was written: not found
  op.text = op.kind == StoreOp::Kind::read ? written->record.data : written->text;
  op.found = true;
  return true;
}

// House-keeping.

bool JournalStore::maintain(bool idle) {
  if (!idle) {
    if (active_) return false;
    const std::lock_guard lock(database_mutex_);
    return maintain_database(false);
  }
  if (!options_.thread) {
    if (frozen_) apply_frozen();
    if (!frozen_) tidy();
  }
  {
    const std::lock_guard lock(mutex_);
    if (failure_) return false;  // the applier tries again by itself
    if (frozen_ || tidying_) return true;
  }
  begin_if_due();
  if (active_ && !active_->empty()) {
    if (std::chrono::steady_clock::now() < active_->since + options_.apply_after) return true;
    return !switch_files();
  }
  if (!std::exchange(untidy_, false)) return false;
  {
    const std::lock_guard lock(mutex_);
    tidying_ = true;
  }
  work_.notify_one();
  return true;
}

std::uint64_t JournalStore::disk_bytes() const {
  std::uint64_t sum = database_->disk_bytes() + reserve_.size();
  for (const auto& file : files_) sum += file ? file->size() : 0;
  return sum;
}

}  // namespace netd::tasks
