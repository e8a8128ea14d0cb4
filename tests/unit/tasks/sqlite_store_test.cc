#include "daemon/tasks/sqlite_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "daemon/tasks/store_examiner.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/tasks/store_fixture.h"

namespace netd::tasks {
namespace {

using netd::test::TempDir;
using test::full_record;
using test::make_op;
using ::testing::HasSubstr;

class SqliteStoreTest : public ::testing::Test {
 protected:
  std::string folder() const { return dir_ / "tasks"; }
  std::string file() const { return dir_ / "tasks/tasks.db"; }

  std::unique_ptr<SqliteStore> open() {
    auto store = SqliteStore::open({.folder = folder()});
    EXPECT_TRUE(store.has_value()) << store.error().what();
    return store ? std::move(*store) : nullptr;
  }
  std::string open_error() {
    auto store = SqliteStore::open({.folder = folder()});
    if (!store) return store.error().what();
    return load_error(**store);
  }
  static std::string load_error(Store& store) {
    const auto loaded = store.load({.task = [](const Record&) -> Result<void> { return {}; },
                                    .paused_queue = [](std::string_view) {}});
    return loaded ? "" : loaded.error().what();
  }
  static std::vector<std::uint64_t> seqs(Store& store) {
    std::vector<std::uint64_t> all;
    const auto loaded = store.load({.task = [&](const Record& one) -> Result<void> {
                                      all.push_back(one.seq);
                                      return {};
                                    },
                                    .paused_queue = [](std::string_view) {}});
    EXPECT_TRUE(loaded.has_value());
    return all;
  }
  static void commit(Store& store, StoreOp one) {
    std::vector<StoreOp> ops;
    ops.push_back(std::move(one));
    const auto error = store.commit(ops);
    EXPECT_FALSE(error) << error->what;
  }

  TempDir dir_;
};

TEST_F(SqliteStoreTest, TheOldestResultsMakeRoomForNewOnes) {
  const SqliteStore::Options options{.folder = folder(), .result_limit = 10'000};
  const std::string text = "\"" + std::string(1000, 'x') + "\"";
  const auto put = [&](Store& store, std::uint64_t number) {
    const std::string id = std::to_string(100 + number);
    StoreOp one{.kind = StoreOp::Kind::put_result};
    one.record.id = id;
    one.record.expires = static_cast<std::int64_t>(number);
    one.text = text;
    commit(store, std::move(one));
  };
  const auto kept = [&](Store& store) {
    std::vector<std::uint64_t> numbers;
    for (std::uint64_t number = 1; number <= 30; ++number) {
      const std::string id = std::to_string(100 + number);
      std::vector<StoreOp> ops;
      ops.push_back({.kind = StoreOp::Kind::read_result});
      ops.back().record.id = id;
      EXPECT_FALSE(store.commit(ops));
      if (ops.back().found) numbers.push_back(number);
    }
    return numbers;
  };
  using Numbers = std::vector<std::uint64_t>;
  {
    auto store = std::move(SqliteStore::open(options).value());
    for (std::uint64_t number = 1; number <= 20; ++number) put(*store, number);
    EXPECT_EQ(kept(*store), (Numbers{12, 13, 14, 15, 16, 17, 18, 19, 20}));
    for (int i = 0; i < 20; ++i) put(*store, 20);
    EXPECT_EQ(kept(*store).size(), 9U) << "one that is replaced counts once";
  }
  auto store = std::move(SqliteStore::open(options).value());
  put(*store, 21);
  EXPECT_EQ(kept(*store), (Numbers{13, 14, 15, 16, 17, 18, 19, 20, 21})) << "counted at the start";
  StoreOp expired{.kind = StoreOp::Kind::erase_results};
  expired.record.expires = 20;
  commit(*store, std::move(expired));
  for (std::uint64_t number = 22; number <= 29; ++number) put(*store, number);
  EXPECT_EQ(kept(*store), (Numbers{21, 22, 23, 24, 25, 26, 27, 28, 29}));
}

TEST_F(SqliteStoreTest, FolderThatCannotBeMadeIsAnError) {
  std::ofstream(dir_ / "file") << "x";
  auto store = SqliteStore::open({.folder = dir_ / "file/tasks"});
  ASSERT_FALSE(store.has_value());
  EXPECT_THAT(store.error().what(), HasSubstr("Not a directory"));
}

// Damage.

class DamagedStoreTest : public SqliteStoreTest {
 protected:
  DamagedStoreTest() {
    auto store = open();
    EXPECT_TRUE(seqs(*store).empty());
    const std::string data = "\"" + std::string(100, 'd') + "\"";
    std::vector<StoreOp> ops;
    for (std::uint64_t seq = 1; seq <= 500; ++seq) {
      ops.push_back(make_op(StoreOp::Kind::put, full_record(seq, data)));
    }
    EXPECT_FALSE(store->commit(ops));
  }
  std::string contents() const {
    std::ifstream in(file(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void write(const std::string& bytes) const {
    std::ofstream(file(), std::ios::binary | std::ios::trunc) << bytes;
  }
  /// Refused, with the file left as it is.
  void expect_refused(const std::string& bytes, const std::string& reason = "damaged") {
    write(bytes);
    EXPECT_THAT(open_error(), HasSubstr(reason));
    EXPECT_TRUE(contents() == bytes) << "the file was touched";
  }
};

TEST_F(DamagedStoreTest, EmptyFile) { expect_refused(""); }

TEST_F(DamagedStoreTest, Garbage) { expect_refused(std::string(100'000, 'x')); }

TEST_F(DamagedStoreTest, CutInHalf) {
  const std::string whole = contents();
  expect_refused(whole.substr(0, whole.size() / 2));
  expect_refused(whole.substr(0, whole.size() - 1000));
  expect_refused(whole.substr(0, 50));
}

TEST_F(DamagedStoreTest, OverwrittenPage) {
  std::string bytes = contents();
  bytes.replace(8192, 4096, 4096, '\xff');
  expect_refused(bytes);
}

TEST_F(DamagedStoreTest, OneChangedByteOfData) {
  std::string bytes = contents();
  const auto at = bytes.find(std::string(100, 'd'), bytes.size() / 2);
  ASSERT_NE(at, std::string::npos);
  bytes[at + 50] = 'e';
  expect_refused(bytes);
}

TEST_F(DamagedStoreTest, ForeignDatabase) {
  std::string bytes = contents();
  bytes[68] = 'x';  // the application id
  expect_refused(bytes, "not a store of netd's tasks");
}

TEST_F(DamagedStoreTest, LaterFormat) {
  std::string bytes = contents();
  bytes[63] = 99;  // the user version
  expect_refused(bytes, "written by a later netd");
}

TEST_F(DamagedStoreTest, MissingDatabaseBesideItsLog) {
  std::filesystem::remove(file());
  std::ofstream(file() + "-wal") << "x";
  EXPECT_THAT(open_error(), HasSubstr("damaged"));
  EXPECT_FALSE(std::filesystem::exists(file()));
}

// Examination.

TEST_F(DamagedStoreTest, ExaminationFindsAWholeStoreGood) {
  int seen = 0;
  const auto report = examine_store(folder(), [&](const Record&) { ++seen; });
  ASSERT_TRUE(report.has_value()) << report.error().what();
  EXPECT_TRUE(report->good());
  EXPECT_EQ(report->whole, 500U);
  EXPECT_EQ(seen, 500);
}

TEST_F(DamagedStoreTest, ExaminationReadsAroundOneDamagedTask) {
  std::string bytes = contents();
  bytes[bytes.find(std::string(100, 'd'), bytes.size() / 2) + 50] = 'e';
  write(bytes);
  const auto report = examine_store(folder(), [](const Record&) {});
  ASSERT_TRUE(report.has_value()) << report.error().what();
  EXPECT_EQ(report->whole, 499U);
  EXPECT_EQ(report->damaged, 1U);
  EXPECT_TRUE(contents() == bytes);
}

TEST_F(DamagedStoreTest, ExaminationReadsBothSidesOfADamagedPage) {
  std::string bytes = contents();
  bytes.replace(bytes.size() / 2 / 4096 * 4096, 4096, 4096, '\xff');
  write(bytes);
  std::set<std::uint64_t> read;
  const auto report = examine_store(folder(), [&](const Record& task) { read.insert(task.seq); });
  ASSERT_TRUE(report.has_value()) << report.error().what();
  EXPECT_FALSE(report->good());
  EXPECT_GT(read.size(), 400U) << "a page has room for some thirty tasks";
  EXPECT_EQ(read.size(), report->whole) << "none twice";
  EXPECT_TRUE(read.contains(1) && read.contains(500));
  EXPECT_TRUE(contents() == bytes);
}

TEST_F(DamagedStoreTest, ExaminationOfWhatIsNoStoreFails) {
  write(std::string(100'000, 'x'));
  EXPECT_FALSE(examine_store(folder(), [](const Record&) {}).has_value());
  EXPECT_FALSE(examine_store(dir_ / "nowhere", [](const Record&) {}).has_value());
}

TEST(StoreExportTest, LineIsWhatProduceTakes) {
  const Record task = full_record(1, "{\"a\":1}");
  EXPECT_EQ(export_line(task, task.created),
            R"({"id":"id","data":{"a":1},"queue":"default","priority":-5,"max_attempts":7,)"
            R"("delay":10.000,"ttl":20.000})");
}

TEST_F(SqliteStoreTest, TornLogLosesNothingThatWasWhole) {
  const std::string wal = file() + "-wal";
  std::string log_bytes;
  std::string database;
  {
    auto store = open();
    commit(*store, make_op(StoreOp::Kind::put, full_record(1)));
    const auto whole = std::filesystem::file_size(wal);
    commit(*store, make_op(StoreOp::Kind::put, full_record(2)));
    // What a crash leaves: the files as they are while the store is open.
    std::ifstream in(wal, std::ios::binary);
    log_bytes.assign(std::istreambuf_iterator<char>(in), {});
    std::ifstream db(file(), std::ios::binary);
    database.assign(std::istreambuf_iterator<char>(db), {});
    ASSERT_GT(log_bytes.size(), whole);
    store.reset();
    for (std::size_t cut = whole; cut < log_bytes.size(); cut += 397) {
      std::ofstream(file(), std::ios::binary | std::ios::trunc) << database;
      std::ofstream(wal, std::ios::binary | std::ios::trunc) << log_bytes.substr(0, cut);
      auto again = open();
      EXPECT_THAT(seqs(*again), ::testing::ElementsAre(1)) << cut;
    }
    std::ofstream(file(), std::ios::binary | std::ios::trunc) << database;
    std::ofstream(wal, std::ios::binary | std::ios::trunc) << log_bytes;
    EXPECT_THAT(seqs(*open()), ::testing::ElementsAre(1, 2));
  }
}

}  // namespace
}  // namespace netd::tasks
