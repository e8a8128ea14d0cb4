// What only a store with a journal in front of it can meet.
#include "daemon/tasks/journal_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/tasks/store_examiner.h"
#include "tests/support/log_capture.h"
#include "tests/unit/tasks/fragile_vfs.h"
#include "tests/unit/tasks/store_fixture.h"

namespace netd::tasks {
namespace {

using test::FragileVfs;
using test::full_record;
using test::make_op;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Kind = StoreOp::Kind;

constexpr std::uint32_t kSize = 16U << 10U;

class JournalStoreTest : public ::testing::Test {
 protected:
  JournalStoreTest() {
    options_.database.folder = dir_ / "tasks";
    options_.file_size = kSize;
    options_.apply_after = std::chrono::hours(1);
    options_.thread = false;
    options_.preallocate_log = false;
  }

  [[nodiscard]] std::string path(const std::string& name) const { return dir_ / "tasks/" + name; }

  /// The error or nothing.
  std::string open() {
    store_.reset();
    auto opened = JournalStore::open(options_);
    if (!opened) return opened.error().what();
    store_ = std::move(*opened);
    return load();
  }
  std::string load() {
    seqs_.clear();
    const auto loaded = store_->load({.task = [this](const Record& one) -> Result<void> {
                                        seqs_.push_back(one.seq);
                                        return {};
                                      },
                                      .paused_queue = [](std::string_view) {}});
    return loaded ? "" : loaded.error().what();
  }
  std::optional<StoreError> put(std::uint64_t seq, std::size_t size = 10) {
    const std::string data = "\"" + std::string(size, 'd') + "\"";
    std::vector<StoreOp> ops;
    ops.push_back(make_op(Kind::put, full_record(seq, data)));
    return store_->commit(ops);
  }
  [[nodiscard]] std::string read(std::uint64_t seq) {
    std::vector<StoreOp> ops;
    ops.push_back(make_op(Kind::read, full_record(seq)));
    EXPECT_FALSE(store_->commit(ops));
    return ops[0].found ? ops[0].text : "none";
  }

  using Files = std::map<std::string, std::string>;
  /// What a kill would leave, but for the room that is set aside.
  [[nodiscard]] Files files() const {
    Files all;
    for (const auto& file : std::filesystem::directory_iterator(options_.database.folder)) {
      if (file.path().filename() == "tasks.reserve") continue;
      all[file.path().filename()] = netd::test::read_file(file.path());
    }
    return all;
  }
  void write(const Files& files) {
    store_.reset();
    std::filesystem::remove_all(options_.database.folder);
    std::filesystem::create_directory(options_.database.folder);
    for (const auto& [name, bytes] : files) {
      std::ofstream(path(name), std::ios::binary) << bytes;
    }
  }
  void kill() { write(files()); }

  /// A store of these files is not opened, and left as it is.
  void expect_refused(const Files& strange, const std::string& reason) {
    write(strange);
    EXPECT_THAT(open(), HasSubstr(reason));
    store_.reset();
    const Files after = files();
    for (const auto& [name, bytes] : strange) EXPECT_TRUE(after.at(name) == bytes) << name;
  }
  [[nodiscard]] bool is_found_good() const {
    const auto report = examine_store(options_.database.folder, [](const Record&) {});
    return report && report->good();
  }

  netd::test::TempDir dir_;
  JournalStore::Options options_;
  std::unique_ptr<JournalStore> store_;
  std::vector<std::uint64_t> seqs_;
};

/// Where the last frame of a file with one run of frames begins, and where its operations end.
std::pair<std::size_t, std::size_t> last_frame(std::string_view file) {
  const std::uint64_t generation = decode_header(file)->generation;
  const std::vector<Frame> frames = find_frames(file, generation, 0);
  return {frames.back().at, frames.back().at + kFrameHead + frames.back().ops.size()};
}

TEST_F(JournalStoreTest, TailTornAtEveryByteLosesNothingThatWasAcknowledged) {
  ASSERT_EQ(open(), "");
  ASSERT_FALSE(put(1));
  ASSERT_FALSE(put(2));
  const Files whole = files();
  const auto [begin, end] = last_frame(whole.at("tasks.journal-a"));
  for (std::size_t torn = begin; torn <= end; ++torn) {
    for (const char rest : torn % 8 == 0 ? std::string("\0x", 2) : std::string(1, '\0')) {
      Files some = whole;
      std::string& journal = some["tasks.journal-a"];
      std::fill(journal.begin() + static_cast<std::ptrdiff_t>(torn),
                journal.begin() + static_cast<std::ptrdiff_t>(end), rest);
      write(some);
      ASSERT_EQ(open(), "") << torn;
      if (journal == whole.at("tasks.journal-a")) {
        EXPECT_THAT(seqs_, ElementsAre(1, 2)) << torn;
      } else {
        EXPECT_THAT(seqs_, ElementsAre(1)) << torn;
      }
      ASSERT_FALSE(put(3)) << "it goes on";
    }
  }
}

TEST_F(JournalStoreTest, DamageBeforeTheTailIsRefusedAndLeftAsItIs) {
  ASSERT_EQ(open(), "");
  for (std::uint64_t seq = 1; seq <= 5; ++seq) ASSERT_FALSE(put(seq));
  Files damaged = files();
  std::string& journal = damaged["tasks.journal-a"];
  const std::size_t begin = find_frames(journal, decode_header(journal)->generation, 0)[1].at;
  for (const std::size_t at : {begin, begin + 5, begin + 20, begin + kFrameHead + 8}) {
    journal[at] = static_cast<char>(journal[at] ^ 4);
    write(damaged);
    const std::string error = open();
    store_.reset();
    EXPECT_THAT(error, HasSubstr("damaged"));
    EXPECT_THAT(error, HasSubstr("commit number 2 is missing"));
    EXPECT_EQ(files().at("tasks.journal-a"), journal);
    EXPECT_EQ(files().at("tasks.db"), damaged.at("tasks.db"));

    std::vector<std::uint64_t> readable;
    const auto report = examine_store(options_.database.folder,
                                      [&](const Record& task) { readable.push_back(task.seq); });
    ASSERT_TRUE(report.has_value());
    EXPECT_FALSE(report->good());
    EXPECT_THAT(report->problems, ElementsAre(HasSubstr("commit number 2 is missing")));
    EXPECT_THAT(readable, ElementsAre(1, 3, 4, 5)) << "all that is whole";
    EXPECT_EQ(files().at("tasks.journal-a"), journal);
    journal[at] = static_cast<char>(journal[at] ^ 4);
  }
}

TEST_F(JournalStoreTest, WithoutItsJournalTheStoreIsRefused) {
  ASSERT_EQ(open(), "");
  ASSERT_FALSE(put(1));
  const Files whole = files();
  Files some = whole;
  some.erase("tasks.journal-b");
  write(some);
  EXPECT_THAT(open(), HasSubstr("damaged: its journal"));
  EXPECT_FALSE(examine_store(options_.database.folder, [](const Record&) {})->good());

  some = whole;
  some["tasks.journal-a"].resize(kSize - 1);
  write(some);
  EXPECT_THAT(open(), HasSubstr("has 16383 bytes of 16384"));

  some = whole;
  some["tasks.journal-a"][3] = 'x';
  write(some);
  EXPECT_THAT(open(), HasSubstr("is no journal of tasks"));

  // That of another store, or of this one at another time.
  write({});
  ASSERT_EQ(open(), "");
  ASSERT_FALSE(put(7));
  some = whole;
  some["tasks.journal-a"] = files().at("tasks.journal-a");
  write(some);
  EXPECT_THAT(open(), HasSubstr("of another store or of another time"));

  write(whole);
  EXPECT_EQ(open(), "");
  EXPECT_THAT(seqs_, ElementsAre(1));
}

TEST_F(JournalStoreTest, AStrangeFileInThePlaceOfAnotherIsRefusedAndLeftAsItIs) {
  ASSERT_EQ(open(), "");
  ASSERT_FALSE(put(1));
  const Files whole = files();
  Files swapped = whole;
  std::swap(swapped.at("tasks.db-wal"), swapped.at("tasks.journal-a"));
  expect_refused(swapped, "tasks.db-wal is not its write-ahead log");
  EXPECT_FALSE(is_found_good());
  Files log_lost = whole;
  log_lost.erase("tasks.db-wal");
  log_lost.at("tasks.journal-a") = whole.at("tasks.db-wal");
  expect_refused(log_lost, "tasks.journal-a is no journal of tasks");
  EXPECT_FALSE(is_found_good());
  log_lost.at("tasks.journal-a") = "a note";
  expect_refused(log_lost, "tasks.journal-a is no journal of tasks");
  EXPECT_FALSE(is_found_good());

  // What was begun and never written.
  write({});
  ASSERT_EQ(open(), "");
  store_.reset();
  Files begun = files();
  begun["tasks.db-wal"] = std::string(100, '\0');
  begun.at("tasks.journal-a").replace(3, std::string::npos, std::string(kSize - 3, '\0'));
  begun.at("tasks.journal-b") = std::string(kSize, '\0');
  write(begun);
  EXPECT_EQ(open(), "");
}

TEST_F(JournalStoreTest, ADatabaseThatKnowsNothingOfItsJournalIsRefusedAndLeftAsItIs) {
  ASSERT_EQ(open(), "");
  for (std::uint64_t seq = 1; seq <= 3; ++seq) ASSERT_FALSE(put(seq));
  store_.reset();
  ASSERT_EQ(open(), "");
  for (std::uint64_t seq = 4; seq <= 5; ++seq) ASSERT_FALSE(put(seq));
  const Files whole = files();
  ASSERT_GT(whole.at("tasks.db-wal").size(), 3000U);
  const auto expect_readable = [&](auto matcher) {
    std::vector<std::uint64_t> readable;
    const auto report = examine_store(options_.database.folder,
                                      [&](const Record& task) { readable.push_back(task.seq); });
    ASSERT_TRUE(report.has_value()) << report.error().what();
    EXPECT_FALSE(report->good());
    EXPECT_THAT(readable, matcher);
  };
  // To SQLite a log ends where it is damaged; what says that there is a journal is in it.
  for (const std::size_t at : {std::size_t{9}, std::size_t{40}, std::size_t{2000}}) {
    Files damaged = whole;
    damaged["tasks.db-wal"][at] = static_cast<char>(damaged["tasks.db-wal"][at] ^ 1);
    expect_refused(damaged, "its journal holds changes that it knows nothing of");
    expect_readable(ElementsAre(1, 2, 3, 4, 5));
  }
  Files lost = whole;
  lost.erase("tasks.db-wal");
  expect_refused(lost, "its journal holds changes that it knows nothing of");
  lost.erase("tasks.db");
  expect_refused(lost, "it is missing, but its journal holds tasks");
  Files emptied = whole;
  emptied["tasks.db"].clear();
  expect_refused(emptied, "has only 0 bytes");
  EXPECT_FALSE(examine_store(options_.database.folder, [](const Record&) {}));
  EXPECT_TRUE(files().at("tasks.db-wal") == emptied.at("tasks.db-wal"));
  write(whole);
  ASSERT_EQ(open(), "");
  EXPECT_THAT(seqs_, ElementsAre(1, 2, 3, 4, 5));
}

TEST_F(JournalStoreTest, ACopyOfTheDatabaseMayBePutBackAfterACleanEnd) {
  ASSERT_EQ(open(), "");
  ASSERT_FALSE(put(1));
  store_.reset();
  const std::string copy = files().at("tasks.db");
  ASSERT_EQ(open(), "");
  ASSERT_FALSE(put(2));
  store_.reset();
  Files restored = files();
  restored["tasks.db"] = copy;
  write(restored);
  ASSERT_EQ(open(), "");
  EXPECT_THAT(seqs_, ElementsAre(1));
}

int user_version(const std::string& file) {
  sqlite3* db = nullptr;
  EXPECT_EQ(::sqlite3_open(file.c_str(), &db), SQLITE_OK);
  const SqlitePtr owner(db);
  Statement version;
  EXPECT_EQ(version.prepare(db, "PRAGMA user_version"), SQLITE_OK);
  EXPECT_EQ(version.step(), SQLITE_ROW);
  return static_cast<int>(version.integer(0));
}

TEST_F(JournalStoreTest, ANetdWithoutJournalsMayOpenItAfterACleanEndOnly) {
  ASSERT_EQ(open(), "");
  ASSERT_FALSE(put(1));
  kill();
  EXPECT_EQ(user_version(path("tasks.db")), 2);
  ASSERT_EQ(open(), "");
  ASSERT_FALSE(put(2));
  store_.reset();
  EXPECT_EQ(user_version(path("tasks.db")), 1);
  {
    auto old = SqliteStore::open({.folder = options_.database.folder});
    ASSERT_TRUE(old.has_value()) << old.error().what();
    std::vector<StoreOp> ops;
    ops.push_back(make_op(Kind::erase, full_record(1)));
    ASSERT_FALSE((*old)->commit(ops));
  }
  ASSERT_EQ(open(), "") << "what the journal files still hold is old";
  EXPECT_THAT(seqs_, ElementsAre(2));
}

TEST_F(JournalStoreTest, FilesAreNotNeededAfterACleanEnd) {
  ASSERT_EQ(open(), "");
  ASSERT_FALSE(put(1));
  store_.reset();
  std::filesystem::remove(path("tasks.journal-a"));
  std::ofstream(path("tasks.journal-b")) << "rubbish";
  ASSERT_EQ(open(), "");
  EXPECT_THAT(seqs_, ElementsAre(1));
  ASSERT_FALSE(put(2));
  kill();
  ASSERT_EQ(open(), "");
  EXPECT_THAT(seqs_, ElementsAre(1, 2));
}

TEST_F(JournalStoreTest, ExaminationSeesTheJournalAndChangesNothing) {
  ASSERT_EQ(open(), "");
  for (std::uint64_t seq = 1; seq <= 4; ++seq) ASSERT_FALSE(put(seq));
  store_.reset();
  ASSERT_EQ(open(), "");
  ASSERT_FALSE(put(5));
  std::vector<StoreOp> ops;
  ops.push_back(make_op(Kind::erase, full_record(2)));
  Record changed = full_record(3);
  changed.attempt = 99;
  ops.push_back(make_op(Kind::update, changed));
  ASSERT_FALSE(store_->commit(ops));
  kill();
  const Files before = files();
  std::map<std::uint64_t, std::uint32_t> attempts;
  std::vector<std::uint64_t> seqs;
  const auto report = examine_store(options_.database.folder, [&](const Record& task) {
    seqs.push_back(task.seq);
    attempts[task.seq] = task.attempt;
  });
  ASSERT_TRUE(report.has_value());
  EXPECT_TRUE(report->good());
  EXPECT_EQ(report->whole, 4U);
  EXPECT_THAT(seqs, ElementsAre(1, 3, 4, 5));
  EXPECT_EQ(attempts[3], 99U);
  EXPECT_EQ(files().at("tasks.db"), before.at("tasks.db"));
  EXPECT_EQ(files().at("tasks.journal-a"), before.at("tasks.journal-a"));
}

TEST_F(JournalStoreTest, TasksThatComeAndGoNeverReachTheDatabase) {
  ASSERT_EQ(open(), "");
  ASSERT_FALSE(put(1));
  std::vector<StoreOp> ops;
  ops.push_back(make_op(Kind::erase, full_record(1)));
  ASSERT_FALSE(store_->commit(ops));
  ASSERT_FALSE(put(2));
  kill();
  ASSERT_EQ(open(), "");
  EXPECT_THAT(seqs_, ElementsAre(2));
}

TEST_F(JournalStoreTest, CommitLargerThanAFileGoesToTheDatabase) {
  ASSERT_EQ(open(), "");
  ASSERT_FALSE(put(1));
  ASSERT_FALSE(put(2, kSize));
  ASSERT_FALSE(put(3));
  EXPECT_EQ(read(2).size(), kSize + 2);
  kill();
  ASSERT_EQ(open(), "");
  EXPECT_THAT(seqs_, ElementsAre(1, 2, 3));
  std::vector<StoreOp> ops;
  ops.push_back(make_op(Kind::erase, full_record(2)));
  ASSERT_FALSE(store_->commit(ops));
  kill();
  ASSERT_EQ(open(), "");
  EXPECT_THAT(seqs_, ElementsAre(1, 3));
}

TEST_F(JournalStoreTest, WithoutRoomForFilesTheDatabaseTakesTheCommits) {
  bool full = true;
  options_.open_medium = [&full](const std::string& path, std::uint64_t size) {
    if (full && size != 0) {
      return Result<std::unique_ptr<JournalMedium>>(fail_system("write " + path, ENOSPC));
    }
    return open_journal_file(path, size);
  };
  ASSERT_EQ(open(), "");
  ASSERT_FALSE(put(1));
  EXPECT_EQ(read(1), "\"dddddddddd\"");
  kill();
  EXPECT_EQ(user_version(path("tasks.db")), 1);
  full = false;
  ASSERT_EQ(open(), "");
  EXPECT_THAT(seqs_, ElementsAre(1));
  ASSERT_FALSE(put(2));
  kill();
  EXPECT_EQ(user_version(path("tasks.db")), 2);
  full = true;
  ASSERT_EQ(open(), "") << "the files are there";
  EXPECT_THAT(seqs_, ElementsAre(1, 2));
}

// Disks that fail.

class FailingJournalTest : public JournalStoreTest {
 protected:
  FailingJournalTest() {
    options_.database.vfs = FragileVfs::kName;
    options_.open_medium = vfs_.media();
  }
  ~FailingJournalTest() override { store_.reset(); }

  FragileVfs vfs_{std::random_device{}()};
};

TEST_F(FailingJournalTest, FullDiskIsFeltWhenBothFilesAreFullAndRecovers) {
  ASSERT_EQ(open(), "");
  std::uint64_t seq = 0;
  vfs_.write_error = SQLITE_FULL;
  std::optional<StoreError> error;
  while (seq < 100 && !error) error = put(++seq, 1000);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind, StoreError::Kind::full);
  EXPECT_GT(seq, (2 * (kSize - kFirstFrame) - kSize / 4) / 1200) << "but for the last quarter";
  error = put(seq, 1000);
  EXPECT_TRUE(error) << "and no more";
  EXPECT_EQ(read(1).size(), 1002U) << "reads go on";
  EXPECT_EQ(read(seq - 1).size(), 1002U);

  // Even so netd can start, and knows everything; it takes nothing more.
  kill();
  ASSERT_EQ(open(), "");
  EXPECT_EQ(seqs_.size(), seq - 1);
  EXPECT_EQ(read(1).size(), 1002U);
  EXPECT_TRUE(put(seq, 1000));

  vfs_.write_error = SQLITE_OK;
  ASSERT_FALSE(put(seq, 1000));
  while (store_->maintain(true)) continue;
  ASSERT_FALSE(put(seq + 1, 1000));
  kill();
  ASSERT_EQ(open(), "");
  EXPECT_EQ(seqs_.size(), seq + 1);
}

TEST_F(FailingJournalTest, OnAFullDiskTasksCanStillBeFinished) {
  ASSERT_EQ(open(), "");
  std::uint64_t last = 0;
  vfs_.write_error = SQLITE_FULL;
  while (!put(++last, 100)) ASSERT_LT(last, 1000U);
  // As many as the quarter holds, with a result each.
  const auto finish = [this](std::uint64_t seq) {
    std::vector<StoreOp> ops;
    Record result;
    result.id = "\"r\"";
    result.expires = 1'767'323'065'123;
    ops.push_back(make_op(Kind::put_result, result, "1"));
    ops.push_back(make_op(Kind::erase, full_record(seq)));
    return store_->commit(ops);
  };
  std::uint64_t finished = 0;
  while (!finish(finished + 1)) ASSERT_LT(++finished, last);
  EXPECT_GE(finished, kSize / 4 / 100);
  EXPECT_TRUE(put(last)) << "what they left behind has no room before the disk has";
  kill();
  vfs_.write_error = SQLITE_OK;
  ASSERT_EQ(open(), "");
  EXPECT_EQ(seqs_.size(), last - 1 - finished);
  EXPECT_EQ(seqs_.front(), finished + 1);
  ASSERT_FALSE(put(last));
}

TEST_F(FailingJournalTest, AnApplierThatFailsIsToldOnceAndWhenItIsOver) {
  const netd::test::LogCapture log;
  ASSERT_EQ(open(), "");
  EXPECT_EQ(store_->trouble(), "");
  vfs_.write_error = SQLITE_FULL;
  std::uint64_t seq = 0;
  while (log.entries("store_behind").empty()) {
    ASSERT_FALSE(put(++seq, 1000)) << "nobody has to hear of it yet";
    store_->maintain(true);
  }
  const auto told = log.entries("store_behind")[0];
  EXPECT_THAT(told.message, HasSubstr("cannot be brought up to date: "));
  EXPECT_THAT(store_->trouble(), HasSubstr("cannot be brought up to date: "));
  for (int i = 0; i < 5; ++i) store_->maintain(true);
  EXPECT_EQ(log.entries("store_behind").size(), 1U);
  vfs_.write_error = SQLITE_OK;
  store_->maintain(true);
  EXPECT_EQ(log.entries("store_caught_up").size(), 1U);
  EXPECT_EQ(store_->trouble(), "");
}

TEST_F(FailingJournalTest, PowerMayGoWhileItStartsOrEnds) {
  ASSERT_EQ(open(), "");
  for (std::uint64_t seq = 1; seq <= 30; ++seq) ASSERT_FALSE(put(seq, 500));
  const Files whole = files();
  for (std::uint64_t count = 1;; ++count) {
    write(whole);
    vfs_.forget();
    vfs_.lose_power_after(count);
    ASSERT_EQ(open(), "") << count;
    store_.reset();
    if (!vfs_.power_lost()) {
      EXPECT_GT(count, 20U);
      break;
    }
    Files left = whole;
    for (const auto& [name, bytes] : vfs_.image()) left[name] = bytes;
    write(left);
    vfs_.forget();
    ASSERT_EQ(open(), "") << count;
    EXPECT_EQ(seqs_.size(), 30U) << count;
  }
}

TEST_F(FailingJournalTest, FailedCommitIsWrittenOver) {
  ASSERT_EQ(open(), "");
  ASSERT_FALSE(put(1));
  vfs_.journal_error = StoreError{StoreError::Kind::io, "broken"};
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(put(2));
  vfs_.journal_error.reset();
  ASSERT_FALSE(put(3));
  kill();
  ASSERT_EQ(open(), "");
  EXPECT_THAT(seqs_, ElementsAre(1, 3));
}

TEST_F(FailingJournalTest, FailedCommitDoesNotMeetTheNextFile) {
  for (int round = 0; round < 20; ++round) {
    write({});
    ASSERT_EQ(open(), "");
    std::uint64_t seq = 0;
    // So much that a small one still fits into the first file and a large one does not.
    for (int i = 0; i < 10; ++i) ASSERT_FALSE(put(++seq, 1000));
    vfs_.journal_error = StoreError{StoreError::Kind::io, "broken"};
    EXPECT_TRUE(put(90));
    vfs_.journal_error.reset();
    ASSERT_FALSE(put(++seq, 3000));
    ASSERT_FALSE(put(++seq));
    kill();
    ASSERT_EQ(open(), "");
    EXPECT_EQ(seqs_.size(), seq);
    EXPECT_EQ(seqs_.back(), seq) << "90 was refused, and others came after it";
  }
}

TEST_F(FailingJournalTest, FailedSyncIsMadeGoodByTheDatabase) {
  options_.database.durability = SqliteStore::Durability::process;
  ASSERT_EQ(open(), "");
  ASSERT_FALSE(put(1));
  vfs_.journal_sync_fails = true;  // and the journal's bytes are lost for ever
  EXPECT_TRUE(store_->sync());
  vfs_.journal_sync_fails = false;
  ASSERT_FALSE(put(2));
  ASSERT_FALSE(store_->sync());
  vfs_.lose_power_after(1);
  ASSERT_FALSE(put(3));
  ASSERT_TRUE(vfs_.power_lost());
  write(vfs_.image());
  ASSERT_EQ(open(), "");
  EXPECT_GE(seqs_.size(), 2U);
}

}  // namespace
}  // namespace netd::tasks
