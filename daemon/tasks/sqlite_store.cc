#include "daemon/tasks/sqlite_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "daemon/base/unique_fd.h"
#include "daemon/tasks/store_files.h"
#include "daemon/tasks/task_row.h"

namespace netd::tasks {

namespace {

constexpr std::int64_t kApplicationId = 0x6e657464;  // "netd", PRAGMA application_id
constexpr int kDatabaseVersion = 1;                  // PRAGMA user_version

// What a store of version 1 is. begin_journal() and end_journal() lead to version 2 and back.
constexpr const char* kSchema = R"sql(
  CREATE TABLE task(
    seq INTEGER PRIMARY KEY,
    sum INTEGER NOT NULL,           -- of id, queue, data and created, see checksum()
    id TEXT NOT NULL,
    queue TEXT NOT NULL,
    priority INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL,
    dead INTEGER NOT NULL,
    created INTEGER NOT NULL,       -- CLOCK_REALTIME, ms, as all times here
    ready_at INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    data TEXT NOT NULL);
  CREATE TABLE paused_queue(name TEXT PRIMARY KEY) WITHOUT ROWID;
  CREATE TABLE result(
    id TEXT PRIMARY KEY,
    expires INTEGER NOT NULL,
    result TEXT NOT NULL) WITHOUT ROWID;
  CREATE INDEX result_by_expiry ON result(expires);
  CREATE TABLE probe(number INTEGER PRIMARY KEY);
)sql";

/// A checkpoint is worth its fsync(2) of the database from here on, when nobody waits.
constexpr int kCheckpointIdle = 1000;
/// And must be made whoever waits, lest the log grow without end.
constexpr int kCheckpointAlways = 2000;
/// The log gets its blocks in advance: a sync that need not write down a new size of the file costs
/// half. It holds kCheckpointAlways frames, so that it does not grow in the ordinary course.
constexpr std::int64_t kLogSize = (kCheckpointAlways + 64) * (4096 + 24) + 32;
constexpr int kVacuumPages = 64;
constexpr int kVacuumsAtOnce = 128;
constexpr int kUnusedPages = 256;  // too few to give back
constexpr int kSweep = 1000;
constexpr int kBusyTimeoutMs = 500;  // a netd that is just ending may still have the store

/// With what a row takes besides its texts.
std::int64_t result_cost(std::string_view id, std::string_view result) {
  return static_cast<std::int64_t>(id.size() + result.size() + 64);
}

const char* synchronous(SqliteStore::Durability durability) {
  return durability == SqliteStore::Durability::power_loss ? "PRAGMA synchronous=FULL"
                                                           : "PRAGMA synchronous=NORMAL";
}

Result<void> make_folder(const std::string& folder) {
  std::error_code failed;
  if (std::filesystem::is_directory(folder, failed)) return {};
  std::filesystem::create_directories(folder, failed);
  if (failed) return fail_system("make the folder " + folder, failed.value());
  if (::chmod(folder.c_str(), 0700) != 0) return fail_system("chmod " + folder, errno);
  const std::string parent = std::filesystem::path(folder).parent_path().string();
  return parent.empty() ? Result<void>() : sync_folder(parent);
}

/// Writes zeros behind the end of the log, which SQLite takes for the frames of no transaction.
/// What cannot be done here is left undone: the log grows then as it is written.
void preallocate(const std::string& log) {
  const UniqueFd fd(::open(log.c_str(), O_WRONLY | O_CLOEXEC));
  struct ::stat status{};
  if (!fd || ::fstat(fd.get(), &status) != 0) return;
  const std::vector<char> zeros(1U << 16U);
  for (std::int64_t at = status.st_size; at < kLogSize;) {
    const auto size = std::min<std::size_t>(zeros.size(), static_cast<std::size_t>(kLogSize - at));
    const ssize_t written = ::pwrite(fd.get(), zeros.data(), size, at);
    if (written <= 0) {
      // A full disk needs the room for better things.
      (void)!::ftruncate(fd.get(), status.st_size);
      return;
    }
    at += written;
  }
  ::fsync(fd.get());
}

}  // namespace

Result<std::unique_ptr<SqliteStore>> SqliteStore::open(const Options& options) {
  if (auto made = make_folder(options.folder); !made) {
    return std::unexpected(made.error().within("tasks"));
  }
  const std::string file = options.folder + "/tasks.db";
  struct ::stat status{};
  if (::stat(file.c_str(), &status) != 0) {
    if (errno != ENOENT) return fail_system("tasks store " + file, errno);
    if (auto made = make(options, file); !made) {
      return std::unexpected(made.error().within("tasks store " + file));
    }
  } else if (status.st_size < kSmallestDatabase) {
    // SQLite would take it for a new database, and tasks would be gone without a word.
    return fail("tasks store " + file + ": damaged: the file has only " +
                std::to_string(status.st_size) + " bytes");
  }
  if (auto log = check_write_ahead_log(file); !log) {
    return std::unexpected(log.error().within("tasks store " + file));
  }
  std::unique_ptr<SqliteStore> store(new SqliteStore(file, options.result_limit));
  auto opened = store->attach(options);
  if (!opened) return std::unexpected(opened.error().within("tasks store " + file));
  return store;
}

/// Under another name, so that a crash leaves a whole store or none.
Result<void> SqliteStore::make(const Options& options, const std::string& file) {
  if (::access((file + "-wal").c_str(), F_OK) == 0) {
    return fail("damaged: it is missing, but its write-ahead log " + file + "-wal is there");
  }
  const std::string fresh = file + ".new";
  for (const char* suffix : {"", "-journal", "-wal", "-shm"}) ::unlink((fresh + suffix).c_str());
  const UniqueFd created(::open(fresh.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!created) return fail_system("create " + fresh, errno);
  {
    SqliteStore store(fresh, options.result_limit);
    sqlite3* db = nullptr;
    const int code = ::sqlite3_open_v2(fresh.c_str(), &db, SQLITE_OPEN_READWRITE, options.vfs);
    store.db_.reset(db);
    if (code != SQLITE_OK) return std::unexpected(store.error("create"));
    for (const char* sql :
         {"PRAGMA locking_mode=EXCLUSIVE", "PRAGMA auto_vacuum=INCREMENTAL", "BEGIN", kSchema,
          "PRAGMA application_id=1852142692", "PRAGMA user_version=1", "COMMIT"}) {
      if (auto done = store.execute(sql); !done) return done;
    }
    // The mode is kept in the file. Where it is not possible SQLite stays with another, without
    // an error.
    Statement mode;
    if (mode.prepare(db, "PRAGMA journal_mode=WAL") != SQLITE_OK || mode.step() != SQLITE_ROW) {
      return std::unexpected(store.error("create"));
    }
    if (mode.text(0) != "wal") return fail("a write-ahead log is not possible there");
  }
  if (::fsync(created.get()) != 0) return fail_system("sync " + fresh, errno);
  if (::rename(fresh.c_str(), file.c_str()) != 0) return fail_system("rename " + fresh, errno);
  return sync_folder(options.folder);
}

Result<void> SqliteStore::attach(const Options& options) {
  sqlite3* db = nullptr;
  const int code = ::sqlite3_open_v2(file_.c_str(), &db, SQLITE_OPEN_READWRITE, options.vfs);
  db_.reset(db);
  if (code != SQLITE_OK) return std::unexpected(error("open"));
  ::sqlite3_extended_result_codes(db, 1);
  ::sqlite3_busy_timeout(db, kBusyTimeoutMs);
  // Until the store is known to be whole, closing it must not change a byte of it.
  ::sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  ::sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  // Nobody else reads the store while netd runs: its index needs no shared memory, and a second
  // netd is refused.
  for (const char* sql : {"PRAGMA locking_mode=EXCLUSIVE", "PRAGMA trusted_schema=OFF"}) {
    if (auto done = execute(sql); !done) return done;
  }
  if (auto done = check(); !done) return done;
  ::sqlite3_wal_hook(
      db,
      [](void* self, sqlite3*, const char*, int frames) {
        static_cast<SqliteStore*>(self)->wal_frames_ = frames;
        return SQLITE_OK;
      },
      this);
  for (const char* sql : {synchronous(options.durability), "PRAGMA journal_size_limit=67108864",
                          "PRAGMA cache_size=-16384",
                          // Takes the lock now, and not with the first task.
                          "BEGIN IMMEDIATE", "COMMIT"}) {
    if (auto done = execute(sql); !done) return done;
  }
  return prepare();
}

Result<void> SqliteStore::check() {
  const auto application = query("PRAGMA application_id");
  if (!application) return std::unexpected(application.error());
  if (*application != kApplicationId) return fail("not a store of netd's tasks");
  const auto version = query("PRAGMA user_version");
  if (!version) return std::unexpected(version.error());
  if (*version != kDatabaseVersion && *version != kFormatWithJournal) {
    return fail("written by a later netd (format " + std::to_string(*version) +
                ", this one reads 1 to " + std::to_string(kFormatWithJournal) + ")");
  }
  Statement quick_check;
  if (quick_check.prepare(db_.get(), "PRAGMA quick_check(1)") != SQLITE_OK ||
      quick_check.step() != SQLITE_ROW) {
    return std::unexpected(error("check"));
  }
  if (quick_check.text(0) != "ok") return fail("damaged: " + std::string(quick_check.text(0)));
  return {};
}

Result<void> SqliteStore::prepare() {
  const std::pair<Statement*, const char*> statements[] = {
      {&begin_, "BEGIN IMMEDIATE"},
      {&commit_, "COMMIT"},
      {&rollback_, "ROLLBACK"},
      {&put_, "INSERT OR REPLACE INTO task VALUES(?,?,?,?,?,?,?,?,?,?,?,?)"},
      {&update_, "UPDATE task SET attempt=?2, dead=?3, ready_at=?4, expires=?5 WHERE seq=?1"},
      {&erase_, "DELETE FROM task WHERE seq=?1"},
      {&read_, "SELECT sum, id, queue, created, data FROM task WHERE seq=?1"},
      {&pause_, "INSERT OR IGNORE INTO paused_queue VALUES(?1)"},
      {&resume_, "DELETE FROM paused_queue WHERE name=?1"},
      {&put_result_, "INSERT INTO result VALUES(?1,?2,?3)"},
      {&read_result_, "SELECT result FROM result WHERE id=?1 AND expires>?2"},
      {&drop_result_, "DELETE FROM result WHERE id=?1 RETURNING id, result"},
      {&drop_first_result_,
       "DELETE FROM result WHERE id=(SELECT id FROM result ORDER BY expires LIMIT 1) "
       "RETURNING id, result"},
      {&erase_results_,
       "DELETE FROM result WHERE id IN (SELECT id FROM result WHERE expires<=?1 LIMIT 1000) "
       "RETURNING id, result"},
      {&probe_, "INSERT OR REPLACE INTO probe VALUES(?1)"},
      {&page_count_, "PRAGMA page_count"},
      {&free_pages_, "PRAGMA freelist_count"},
      {&vacuum_, "PRAGMA incremental_vacuum(64)"},
  };
  static_assert(kVacuumPages == 64 && kSweep == 1000);
  for (const auto& [statement, sql] : statements) {
    if (statement->prepare(db_.get(), sql) != SQLITE_OK) return std::unexpected(error("prepare"));
  }
  const auto page_size = query("PRAGMA page_size");
  if (!page_size) return std::unexpected(page_size.error());
  page_size_ = *page_size;
  Statement results;
  if (results.prepare(db_.get(), "SELECT id, result FROM result") != SQLITE_OK ||
      sum_results(results, result_bytes_) != SQLITE_OK) {
    return std::unexpected(error("read"));
  }
  return {};
}

Result<void> SqliteStore::execute(const char* sql) {
  if (::sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  Error failed = error("");
  ::sqlite3_exec(db_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
  return std::unexpected(std::move(failed));
}

Result<std::int64_t> SqliteStore::query(const char* sql) {
  Statement statement;
  if (statement.prepare(db_.get(), sql) != SQLITE_OK || statement.step() != SQLITE_ROW) {
    return std::unexpected(error(""));
  }
  return statement.integer(0);
}

/// In the operator's words.
Error SqliteStore::error(std::string_view doing) const {
  const int code = ::sqlite3_extended_errcode(db_.get());
  const std::string reason = ::sqlite3_errmsg(db_.get());
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Error("in use by another process");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Error("damaged: " + reason);
    default:
      break;
  }
  const int reason_code = ::sqlite3_system_errno(db_.get());
  const std::string what = doing.empty() ? reason : std::string(doing) + ": " + reason;
  if (reason_code != 0 && (code & 0xff) != SQLITE_ERROR) return system_error(what, reason_code);
  return Error(what);
}

Result<void> SqliteStore::load(const Visitor& visitor) {
  Statement paused;
  if (paused.prepare(db_.get(), "SELECT name FROM paused_queue") != SQLITE_OK) {
    return std::unexpected(error("read"));
  }
  while (paused.step() == SQLITE_ROW) visitor.paused_queue(paused.text(0));
  if (visitor.result) {
    Statement results;
    if (results.prepare(db_.get(), "SELECT id FROM result") != SQLITE_OK) {
      return std::unexpected(error("read"));
    }
    while (results.step() == SQLITE_ROW) visitor.result(results.text(0));
  }

  Statement all;
  if (all.prepare(db_.get(), std::string(kSelectTasks) + " ORDER BY seq") != SQLITE_OK) {
    return std::unexpected(error("read"));
  }
  int code = all.step();
  for (; code == SQLITE_ROW; code = all.step()) {
    const auto [record, whole] = read_task_row(all);
    if (!whole) {
      return fail("tasks store " + file_ + ": damaged: task number " + std::to_string(record.seq) +
                  " is not what was written");
    }
    if (auto taken = visitor.task(record); !taken) {
      return std::unexpected(taken.error().within("tasks store " + file_));
    }
  }
  if (code != SQLITE_DONE) return std::unexpected(error("read").within("tasks store " + file_));
  // The store is whole: a clean end may tidy its files up.
  ::sqlite3_db_config(db_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, nullptr);
  return {};
}

void SqliteStore::preallocate_log() { preallocate(file_ + "-wal"); }

std::optional<StoreError> SqliteStore::commit(std::span<StoreOp> ops) {
  const std::int64_t result_bytes = result_bytes_;
  int code = begin_.run();
  for (StoreOp& op : ops) {
    if (code != SQLITE_OK) break;
    code = apply(op);
  }
  if (code == SQLITE_OK) code = commit_.run();
  if (code == SQLITE_OK) return std::nullopt;
  StoreError failed = store_error(code);
  result_bytes_ = result_bytes;
  // Some errors end the transaction by themselves.
  if (::sqlite3_get_autocommit(db_.get()) == 0) (void)rollback_.run();
  return failed;
}

int SqliteStore::apply(StoreOp& op) {
  const Record& record = op.record;
  switch (op.kind) {
    case StoreOp::Kind::put:
      return put(record);
    case StoreOp::Kind::update:
      return update_.bind(1, static_cast<std::int64_t>(record.seq))
          .bind(2, record.attempt)
          .bind(3, record.dead ? 1 : 0)
          .bind(4, record.ready_at)
          .bind(5, record.expires)
          .run();
    case StoreOp::Kind::erase:
      return erase_.bind(1, static_cast<std::int64_t>(record.seq)).run();
    case StoreOp::Kind::read:
      return read_data(op);
    case StoreOp::Kind::pause:
      return pause_.bind(1, op.text).run();
    case StoreOp::Kind::resume:
      return resume_.bind(1, op.text).run();
    case StoreOp::Kind::put_result:
      return put_result(op);
    case StoreOp::Kind::read_result:
      return read_result(op);
    case StoreOp::Kind::probe:
      return probe_.bind(1, std::int64_t{1}).run();
    case StoreOp::Kind::erase_results: {
      const int code = take_results_away(erase_results_.bind(1, record.expires));
      op.found = ::sqlite3_changes(db_.get()) == kSweep;
      return code;
    }
  }
  return SQLITE_OK;
}

int SqliteStore::put(const Record& record) {
  return put_.bind(1, static_cast<std::int64_t>(record.seq))
      .bind(2, checksum(record.id, record.queue, record.data, record.created))
      .bind(3, record.id)
      .bind(4, record.queue)
      .bind(5, record.priority)
      .bind(6, record.attempt)
      .bind(7, record.max_attempts)
      .bind(8, record.dead ? 1 : 0)
      .bind(9, record.created)
      .bind(10, record.ready_at)
      .bind(11, record.expires)
      .bind(12, record.data)
      .run();
}

int SqliteStore::read_data(StoreOp& op) {
  read_.bind(1, static_cast<std::int64_t>(op.record.seq));
  int code = read_.step();
  if (code == SQLITE_ROW) {
    op.text = read_.text(4);
    op.found =
        read_.integer(0) == checksum(read_.text(1), read_.text(2), op.text, read_.integer(3));
    code = SQLITE_DONE;
  }
  const int reset_code = read_.reset();
  return code == SQLITE_DONE ? SQLITE_OK : reset_code;
}

int SqliteStore::put_result(const StoreOp& op) {
  int code = take_results_away(drop_result_.bind(1, op.record.id));
  if (code != SQLITE_OK) return code;
  code = put_result_.bind(1, op.record.id).bind(2, op.record.expires).bind(3, op.text).run();
  result_bytes_ += result_cost(op.record.id, op.text);
  while (code == SQLITE_OK && result_bytes_ > result_limit_) {
    const std::int64_t before = result_bytes_;
    code = take_results_away(drop_first_result_);
    if (result_bytes_ == before) break;
  }
  return code;
}

int SqliteStore::take_results_away(Statement& statement) {
  std::int64_t sum = 0;
  const int code = sum_results(statement, sum);
  result_bytes_ -= sum;
  return code;
}

int SqliteStore::sum_results(Statement& statement, std::int64_t& sum) {
  sum = 0;
  int code = statement.step();
  for (; code == SQLITE_ROW; code = statement.step()) {
    sum += result_cost(statement.text(0), statement.text(1));
  }
  const int reset_code = statement.reset();
  return code == SQLITE_DONE ? SQLITE_OK : reset_code;
}

int SqliteStore::read_result(StoreOp& op) {
  read_result_.bind(1, op.record.id).bind(2, op.record.expires);
  int code = read_result_.step();
  if (code == SQLITE_ROW) {
    op.text = read_result_.text(0);
    op.found = true;
    code = SQLITE_DONE;
  }
  const int reset_code = read_result_.reset();
  return code == SQLITE_DONE ? SQLITE_OK : reset_code;
}

StoreError SqliteStore::store_error(int code) {
  const std::string what = error("write").what();
  switch (code & 0xff) {
    case SQLITE_FULL:
      return {StoreError::Kind::full, what};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return {StoreError::Kind::damaged, what};
    default:
      return {StoreError::Kind::io, what};
  }
}

// The journal's mark.

namespace {

SqliteStore::JournalMark mark_in(Statement& row) {
  return {.generation = static_cast<std::uint64_t>(row.integer(0)),
          .applied = static_cast<std::uint64_t>(row.integer(1))};
}

}  // namespace

Result<SqliteStore::JournalMark> SqliteStore::journal_mark() {
  const auto version = query("PRAGMA user_version");
  if (!version) return std::unexpected(version.error());
  if (*version != kFormatWithJournal) return JournalMark{};
  Statement row;
  if (row.prepare(db_.get(), kSelectJournal) != SQLITE_OK) return std::unexpected(error("read"));
  const int code = row.step();
  if (code == SQLITE_DONE) return fail("damaged: it does not say what its journal is");
  if (code != SQLITE_ROW || prepare_mark() != SQLITE_OK) return std::unexpected(error("read"));
  return mark_in(row);
}

SqliteStore::JournalMark SqliteStore::ended_journal() {
  Statement row;
  if (row.prepare(db_.get(), kSelectJournal) != SQLITE_OK || row.step() != SQLITE_ROW) return {};
  return mark_in(row);
}

std::optional<StoreError> SqliteStore::begin_journal(std::uint64_t generation) {
  const std::string sql =
      "BEGIN IMMEDIATE;"
      "CREATE TABLE IF NOT EXISTS journal("
      "  id INTEGER PRIMARY KEY CHECK(id=1), generation INTEGER NOT NULL, applied INTEGER NOT "
      "NULL);"
      "INSERT OR REPLACE INTO journal VALUES(1," +
      std::to_string(static_cast<std::int64_t>(generation)) + ",0);" +
      "PRAGMA user_version=2;COMMIT";
  if (auto failed = write(sql.c_str())) return failed;
  const int code = prepare_mark();
  if (code != SQLITE_OK) return store_error(code);
  return std::nullopt;
}

int SqliteStore::prepare_mark() {
  return applied_.prepare(db_.get(), "UPDATE journal SET applied=?1 WHERE id=1");
}

std::optional<StoreError> SqliteStore::note_applied(std::uint64_t applied) {
  const int code = applied_.bind(1, static_cast<std::int64_t>(applied)).run();
  if (code == SQLITE_OK) return std::nullopt;
  return store_error(code);
}

std::optional<StoreError> SqliteStore::end_journal() {
  return write("BEGIN IMMEDIATE;PRAGMA user_version=1;COMMIT");
}

/// One durable transaction.
std::optional<StoreError> SqliteStore::write(const char* sql) {
  const int code = ::sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr);
  if (code == SQLITE_OK) return sync();
  StoreError failed = store_error(code);
  if (::sqlite3_get_autocommit(db_.get()) == 0) (void)rollback_.run();
  return failed;
}

std::optional<StoreError> SqliteStore::set_durability(Durability durability) {
  const int code = ::sqlite3_exec(db_.get(), synchronous(durability), nullptr, nullptr, nullptr);
  if (code == SQLITE_OK) return std::nullopt;
  return store_error(code);
}

std::optional<StoreError> SqliteStore::sync() {
  sqlite3_file* log = nullptr;
  ::sqlite3_file_control(db_.get(), "main", SQLITE_FCNTL_JOURNAL_POINTER, static_cast<void*>(&log));
  if (log == nullptr || log->pMethods == nullptr) return std::nullopt;  // nothing was written yet
  const int code = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL);
  if (code == SQLITE_OK) return std::nullopt;
  return StoreError{StoreError::Kind::io, "sync " + file_ + "-wal: " + ::sqlite3_errstr(code)};
}

std::optional<StoreError> SqliteStore::checkpoint(int mode) {
  int left = 0;
  int moved = 0;
  const int code = ::sqlite3_wal_checkpoint_v2(db_.get(), nullptr, mode, &left, &moved);
  checkpoint_lacks_room_ = (code & 0xff) == SQLITE_FULL;
  if (!checkpoint_lacks_room_) wal_frames_ = 0;
  if (code == SQLITE_OK) return std::nullopt;
  return store_error(code);
}

void SqliteStore::give_back() {
  for (int i = 0; i < kVacuumsAtOnce && maintain(true); ++i) continue;
  if (!checkpoint()) (void)checkpoint(SQLITE_CHECKPOINT_TRUNCATE);
}

bool SqliteStore::maintain(bool idle) {
  if (wal_frames_ >= (idle ? kCheckpointIdle : kCheckpointAlways)) {
    // An error leaves the log as it is, and the next commit or checkpoint meets it again.
    (void)checkpoint();
    return false;
  }
  if (!idle) return false;
  if (free_pages_.step() != SQLITE_ROW) return free_pages_.reset(), false;
  const std::int64_t unused = free_pages_.integer(0);
  free_pages_.reset();
  if (page_count_.step() != SQLITE_ROW) return page_count_.reset(), false;
  const std::int64_t pages = page_count_.integer(0);
  page_count_.reset();
  // What is in use now may come again: half of the file may stay empty.
  if (unused <= kUnusedPages || unused <= pages / 2) return false;
  return vacuum_.run() == SQLITE_OK;
}

std::uint64_t SqliteStore::disk_bytes() const {
  struct ::stat status{};
  std::uint64_t sum = 0;
  for (const char* suffix : {"", "-wal"}) {
    if (::stat((file_ + suffix).c_str(), &status) == 0) {
      sum += static_cast<std::uint64_t>(status.st_size);
    }
  }
  return sum;
}

}  // namespace netd::tasks
