#include "daemon/tasks/store_examiner.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "daemon/base/text.h"
#include "daemon/tasks/journal_medium.h"
#include "daemon/tasks/journal_recovery.h"
#include "daemon/tasks/sqlite.h"
#include "daemon/tasks/store_files.h"
#include "daemon/tasks/task_row.h"

namespace netd::tasks {

namespace {

class Examiner {
 public:
  explicit Examiner(const std::function<void(const Record&)>& visit)
      : visit_([this, &visit](const Record& record) {
          ++report_.whole;
          visit(record);
          return Result<void>();
        }) {}

  Result<StoreReport> run(const std::string& folder);

 private:
  Result<void> open(const std::string& file);
  void check_structure();
  void read_journal(const std::string& folder);
  void read_journal_of(const std::string& folder, std::uint64_t generation, std::uint64_t applied);
  void read_database();
  /// False when the rows end at a place that cannot be read.
  bool read(const char* sql, std::int64_t bound);
  void look_at(Statement& row);
  void problem(std::string what);

  const MergedTasks::Visit visit_;
  SqlitePtr db_;
  StoreReport report_;
  RecoveredJournal journal_;
  std::optional<MergedTasks> merged_;
  bool in_order_ = true;
  std::int64_t last_ = 0;  // the highest seq read from the front
};

Result<void> Examiner::open(const std::string& file) {
  struct ::stat status{};
  if (::stat(file.c_str(), &status) == 0 && status.st_size < kSmallestDatabase) {
    // SQLite would take it for a new database, and drop its log.
    return fail(file + ": damaged: the file has only " + std::to_string(status.st_size) + " bytes");
  }
  sqlite3* db = nullptr;
  const int code = ::sqlite3_open_v2(file.c_str(), &db, SQLITE_OPEN_READWRITE, nullptr);
  db_.reset(db);
  if (code != SQLITE_OK) return fail("open " + file + ": " + ::sqlite3_errmsg(db));
  // What the log holds is read with the rest; nothing is moved from it to the database.
  ::sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  for (const char* sql : {"PRAGMA locking_mode=EXCLUSIVE", "PRAGMA query_only=ON",
                          "PRAGMA trusted_schema=OFF", "SELECT count(*) FROM sqlite_schema"}) {
    const int done = ::sqlite3_exec(db, sql, nullptr, nullptr, nullptr);
    if (done == SQLITE_BUSY) return fail(file + ": in use: stop netd first");
    if (done != SQLITE_OK) return fail(file + ": cannot be read: " + ::sqlite3_errmsg(db));
  }
  return {};
}

void Examiner::problem(std::string what) {
  if (report_.problems.size() < StoreReport::kMaxProblems) {
    report_.problems.push_back(std::move(what));
  }
}

void Examiner::check_structure() {
  Statement check;
  if (check.prepare(db_.get(), "PRAGMA integrity_check(100)") != SQLITE_OK) {
    return problem(::sqlite3_errmsg(db_.get()));
  }
  int code = check.step();
  for (; code == SQLITE_ROW; code = check.step()) {
    if (check.text(0) != "ok") problem(std::string(check.text(0)));
  }
  if (code != SQLITE_DONE) problem(::sqlite3_errmsg(db_.get()));
}

void Examiner::look_at(Statement& row) {
  const TaskRow task = read_task_row(row);
  if (!task.whole) {
    ++report_.damaged;
    return problem("task number " + std::to_string(task.record.seq) + " (id " +
                   printable(task.record.id) + ") is not what was written");
  }
  (void)(in_order_ ? merged_->row(task.record) : merged_->stray(task.record));
}

bool Examiner::read(const char* sql, std::int64_t bound) {
  Statement rows;
  if (rows.prepare(db_.get(), sql) != SQLITE_OK) return false;
  rows.bind(1, bound);
  int code = rows.step();
  for (; code == SQLITE_ROW; code = rows.step()) {
    last_ = std::max(last_, rows.integer(0));
    look_at(rows);
  }
  return code == SQLITE_DONE;
}

/// What the journal holds and the database has not got, as far as it can be read.
void Examiner::read_journal(const std::string& folder) {
  Statement version;
  if (version.prepare(db_.get(), "PRAGMA user_version") != SQLITE_OK ||
      version.step() != SQLITE_ROW) {
    return problem(::sqlite3_errmsg(db_.get()));
  }
  Statement mark;
  const bool known =
      mark.prepare(db_.get(), kSelectJournal) == SQLITE_OK && mark.step() == SQLITE_ROW;
  const auto generation = known ? static_cast<std::uint64_t>(mark.integer(0)) : 0;
  const auto applied = known ? static_cast<std::uint64_t>(mark.integer(1)) : 0;
  if (version.integer(0) >= kFormatWithJournal) {
    if (!known) return problem("the database does not say what its journal is");
    return read_journal_of(folder, generation, applied);
  }
  if (generation == 0) {
    if (auto own = check_no_stranger(open_journal_file, folder); !own) problem(own.error().what());
  }
  const auto stray = stray_generation(open_journal_file, folder, generation, applied);
  if (stray == 0) return;
  problem("the journal holds changes that the database knows nothing of");
  read_journal_of(folder, stray, stray == generation ? applied : 0);
}

void Examiner::read_journal_of(const std::string& folder, std::uint64_t generation,
                               std::uint64_t applied) {
  std::vector<std::string> files;
  for (int file = 0; file < kJournalFiles; ++file) {
    auto content = read_journal_file(open_journal_file, journal_path(folder, file), generation);
    if (content) {
      files.push_back(std::move(*content));
    } else {
      problem(content.error().what());
    }
  }
  journal_ = recover_journal(files, generation, applied, true);
  if (!journal_.damage.empty()) problem("the journal: " + journal_.damage);
}

void Examiner::read_database() {
  static const std::string forwards = std::string(kSelectTasks) + " WHERE seq>?1 ORDER BY seq";
  static const std::string backwards =
      std::string(kSelectTasks) + " WHERE seq>?1 ORDER BY seq DESC";
  if (read(forwards.c_str(), 0)) return;
  problem("the tasks after number " + std::to_string(last_) + ": " + ::sqlite3_errmsg(db_.get()));
  // What lies behind the damage is reached from the other end.
  in_order_ = false;
  (void)read(backwards.c_str(), last_);
}

Result<StoreReport> Examiner::run(const std::string& folder) {
  const std::string file = folder + "/tasks.db";
  if (auto log = check_write_ahead_log(file); !log) problem(log.error().what());
  if (auto opened = open(file); !opened) return std::unexpected(opened.error());
  check_structure();
  read_journal(folder);
  merged_.emplace(journal_.overlay, journal_.bytes, visit_);
  read_database();
  if (auto rest = merged_->finish(); !rest) problem(rest.error().what());
  return std::move(report_);
}

}  // namespace

Result<StoreReport> examine_store(const std::string& folder,
                                  const std::function<void(const Record&)>& visit) {
  return Examiner(visit).run(folder);
}

std::string export_line(const Record& record, std::int64_t wall_ms) {
  const auto seconds = [&](std::int64_t at) {
    const std::int64_t left = std::max<std::int64_t>(at - wall_ms, 1);
    const std::string ms = std::to_string(left % 1000);
    return std::to_string(left / 1000) + "." + std::string(3 - ms.size(), '0') + ms;
  };
  std::string line = "{\"id\":";
  line.append(record.id).append(",\"data\":").append(record.data);
  line.append(",\"queue\":").append(json_quote(record.queue));
  line.append(",\"priority\":").append(std::to_string(record.priority));
  line.append(",\"max_attempts\":").append(std::to_string(record.max_attempts));
  if (record.ready_at > wall_ms) line.append(",\"delay\":").append(seconds(record.ready_at));
  if (record.expires != 0) line.append(",\"ttl\":").append(seconds(record.expires));
  return line + "}";
}

}  // namespace netd::tasks
