// Stores as released versions of netd wrote them. What stands here is never changed: a new format
// gets a new text.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "daemon/tasks/sqlite.h"
#include "daemon/tasks/sqlite_store.h"
#include "tests/support/temp_dir.h"

namespace netd::tasks {
namespace {

constexpr const char* kFormat1 = R"sql(
  PRAGMA auto_vacuum=INCREMENTAL;
  PRAGMA journal_mode=WAL;
  CREATE TABLE task(seq INTEGER PRIMARY KEY, sum INTEGER NOT NULL, id TEXT NOT NULL,
    queue TEXT NOT NULL, priority INTEGER NOT NULL, attempt INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL, dead INTEGER NOT NULL, created INTEGER NOT NULL,
    ready_at INTEGER NOT NULL, expires INTEGER NOT NULL, data TEXT NOT NULL);
  CREATE TABLE paused_queue(name TEXT PRIMARY KEY) WITHOUT ROWID;
  CREATE TABLE result(id TEXT PRIMARY KEY, expires INTEGER NOT NULL, result TEXT NOT NULL)
    WITHOUT ROWID;
  CREATE INDEX result_by_expiry ON result(expires);
  CREATE TABLE probe(number INTEGER PRIMARY KEY);
  INSERT INTO task VALUES(3, -2417337698578400264, '"a"', 'default', -2, 1, 20, 0, 1767323045123, 0, 0, '{"n":1}');
  INSERT INTO task VALUES(9, -8880702001501083426, '7', 'mail', 5, 3, 3, 1, 1767323045124, 1767323050000,
    1767323060000, '"x"');
  INSERT INTO paused_queue VALUES('mail');
  INSERT INTO result VALUES('"done"', 1767323070000, '[true]');
  PRAGMA application_id=1852142692;
  PRAGMA user_version=1;
)sql";

std::string text_of(const Record& task) {
  std::string text = std::to_string(task.seq);
  for (const std::string_view word : {task.id, task.queue, task.data}) {
    text.append(" ").append(word);
  }
  for (const std::int64_t number :
       {std::int64_t{task.priority}, std::int64_t{task.attempt}, std::int64_t{task.max_attempts},
        std::int64_t{task.dead}, task.created, task.ready_at, task.expires}) {
    text.append(" ").append(std::to_string(number));
  }
  return text;
}

class StoreFormatTest : public ::testing::TestWithParam<const char*> {};

TEST_P(StoreFormatTest, IsReadAndWritten) {
  const netd::test::TempDir dir;
  const std::string folder = dir / "tasks";
  std::filesystem::create_directory(folder);
  {
    sqlite3* db = nullptr;
    ASSERT_EQ(::sqlite3_open((folder + "/tasks.db").c_str(), &db), SQLITE_OK);
    const SqlitePtr owner(db);
    ASSERT_EQ(::sqlite3_exec(db, GetParam(), nullptr, nullptr, nullptr), SQLITE_OK)
        << ::sqlite3_errmsg(db);
  }
  // The second time it is as this version has left it.
  for (const char* time : {"at first", "again"}) {
    auto store = SqliteStore::open({.folder = folder});
    ASSERT_TRUE(store.has_value()) << time << ": " << store.error().what();
    std::vector<std::string> tasks;
    std::vector<std::string> paused;
    const auto loaded =
        (*store)->load({.task = [&](const Record& task) -> Result<void> {
                          return tasks.push_back(text_of(task)), Result<void>();
                        },
                        .paused_queue = [&](std::string_view name) { paused.emplace_back(name); }});
    ASSERT_TRUE(loaded.has_value()) << time << ": " << loaded.error().what();
    EXPECT_THAT(tasks, ::testing::ElementsAre(
                           "3 \"a\" default {\"n\":1} -2 1 20 0 1767323045123 0 0",
                           "9 7 mail \"x\" 5 3 3 1 1767323045124 1767323050000 1767323060000"));
    EXPECT_THAT(paused, ::testing::ElementsAre("mail"));
    std::vector<StoreOp> ops;
    ops.push_back({.kind = StoreOp::Kind::read_result});
    ops.back().record.id = "\"done\"";
    ops.push_back({.kind = StoreOp::Kind::put_result});
    ops.back().record.id = "\"new\"";
    ops.back().text = "1";
    EXPECT_FALSE((*store)->commit(ops)) << time;
    EXPECT_EQ(ops.front().text, "[true]");
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, StoreFormatTest, ::testing::Values(kFormat1),
                         [](const auto& suite) { return std::to_string(suite.index + 1); });

}  // namespace
}  // namespace netd::tasks
