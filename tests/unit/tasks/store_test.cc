// What every store does, whatever is in front of it and however it ends.
#include "daemon/tasks/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "tests/unit/tasks/store_fixture.h"

namespace netd::tasks {
namespace {

using test::full_record;
using test::make_op;
using test::StoreFixture;
using test::StoreKind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Kind = StoreOp::Kind;

class StoreTest : public ::testing::TestWithParam<StoreKind>, protected StoreFixture {
 protected:
  StoreTest() : StoreFixture(GetParam()) { EXPECT_EQ(open(), ""); }
};

TEST_P(StoreTest, KeepsAllOfATask) {
  commit(make_op(Kind::put, full_record(3)));
  reopen();
  ASSERT_THAT(order(), ElementsAre(3));
  const auto& [record, id, queue, data] = loaded().rows.at(3);
  EXPECT_EQ(id, "\"id\"");
  EXPECT_EQ(queue, "default");
  EXPECT_EQ(data, "\"data\"");
  EXPECT_EQ(record.priority, -5);
  EXPECT_EQ(record.attempt, 2U);
  EXPECT_EQ(record.max_attempts, 7U);
  EXPECT_FALSE(record.dead);
  EXPECT_EQ(record.created, 1'767'323'045'123);
  EXPECT_EQ(record.ready_at, 1'767'323'055'123);
  EXPECT_EQ(record.expires, 1'767'323'065'123);
}

TEST_P(StoreTest, UpdatesAndErases) {
  for (const std::uint64_t seq : {1U, 2U, 3U}) commit(make_op(Kind::put, full_record(seq)));
  Record changed = full_record(2);
  changed.dead = true;
  changed.attempt = 9;
  commit(make_op(Kind::update, changed));
  commit(make_op(Kind::erase, full_record(1)));
  commit(make_op(Kind::update, full_record(77)));
  reopen();
  EXPECT_THAT(order(), ElementsAre(2, 3));
  EXPECT_TRUE(loaded().rows.at(2).record.dead);
  EXPECT_EQ(loaded().rows.at(2).record.attempt, 9U);
  EXPECT_FALSE(loaded().rows.at(3).record.dead);
  EXPECT_EQ(loaded().rows.at(3).record.attempt, 2U);
  // And once more, now that the tasks have rested.
  while (store().maintain(true)) continue;
  commit(make_op(Kind::update, changed = full_record(3)));
  commit(make_op(Kind::put, full_record(1)));
  commit(make_op(Kind::erase, full_record(2)));
  commit(make_op(Kind::put, full_record(5)));
  reopen();
  EXPECT_THAT(order(), ElementsAre(1, 3, 5)) << "in the order of seq";
}

TEST_P(StoreTest, ReadsDataAndResults) {
  commit(make_op(Kind::put, full_record(1, "[1,2]")));
  Record before = full_record(1);
  before.expires -= 1;
  std::vector<StoreOp> ops;
  ops.push_back(make_op(Kind::read, full_record(1)));
  ops.push_back(make_op(Kind::read, full_record(2)));
  ops.push_back(make_op(Kind::put_result, full_record(1), "\"yes\""));
  ops.push_back(make_op(Kind::read_result, before));
  ops.push_back(make_op(Kind::erase_results, full_record(1)));
  ops.push_back(make_op(Kind::read_result, before));
  ASSERT_FALSE(store().commit(ops));
  EXPECT_TRUE(ops[0].found);
  EXPECT_EQ(ops[0].text, "[1,2]");
  EXPECT_FALSE(ops[1].found);
  EXPECT_TRUE(ops[3].found);
  EXPECT_EQ(ops[3].text, "\"yes\"");
  EXPECT_FALSE(ops[5].found);
}

TEST_P(StoreTest, ReadsWhatOtherCommitsLeft) {
  Record before = full_record(1);
  before.expires -= 1;
  commit(make_op(Kind::put, full_record(1, "[1]")));
  commit(make_op(Kind::put_result, full_record(1), "\"yes\""));
  for (const char* where : {"as it was written", "at rest", "in the next life"}) {
    std::vector<StoreOp> ops;
    ops.push_back(make_op(Kind::read, full_record(1)));
    ops.push_back(make_op(Kind::read_result, before));
    ops.push_back(make_op(Kind::read_result, full_record(1)));
    ASSERT_FALSE(store().commit(ops));
    EXPECT_EQ(ops[0].text, "[1]") << where;
    EXPECT_EQ(ops[1].text, "\"yes\"") << where;
    EXPECT_FALSE(ops[2].found) << where << ": it has expired";
    if (std::string(where) == "at rest") reopen();
    while (store().maintain(true)) continue;
  }
  commit(make_op(Kind::erase, full_record(1)));
  commit(make_op(Kind::erase_results, full_record(1)));
  std::vector<StoreOp> ops;
  ops.push_back(make_op(Kind::read, full_record(1)));
  ops.push_back(make_op(Kind::read_result, before));
  ASSERT_FALSE(store().commit(ops));
  EXPECT_FALSE(ops[0].found);
  EXPECT_FALSE(ops[1].found);
}

TEST_P(StoreTest, RemembersPausedQueues) {
  for (const char* name : {"a", "b"}) commit(make_op(Kind::pause, {}, name));
  commit(make_op(Kind::resume, {}, "a"));
  reopen();
  EXPECT_THAT(loaded().paused, ElementsAre("b"));
  commit(make_op(Kind::resume, {}, "b"));
  commit(make_op(Kind::pause, {}, "c"));
  reopen();
  EXPECT_THAT(loaded().paused, ElementsAre("c"));
}

TEST_P(StoreTest, IsForItsOwnerOnly) {
  commit(make_op(Kind::put, full_record(1)));
  struct ::stat status{};
  ASSERT_EQ(::stat(folder().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0700U);
  for (const auto& file : std::filesystem::directory_iterator(folder())) {
    ASSERT_EQ(::stat(file.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U) << file.path();
  }
}

TEST_P(StoreTest, SecondOpenIsRefused) {
  const auto second = try_open();
  ASSERT_FALSE(second.has_value());
  EXPECT_THAT(second.error().what(), HasSubstr("in use by another process"));
}

TEST_P(StoreTest, FileDoesNotGrowForEver) {
  const std::string data = "\"" + std::string(1000, 'x') + "\"";
  std::uint64_t most = 0;
  std::uint64_t seq = 0;
  for (int round = 0; round < 20; ++round) {
    std::vector<StoreOp> ops;
    for (int i = 0; i < 1000; ++i) ops.push_back(make_op(Kind::put, full_record(++seq, data)));
    ASSERT_FALSE(store().commit(ops));
    if (round % 2 == 0) {
      while (store().maintain(true)) continue;
    }
    ops.clear();
    for (std::uint64_t one = seq - 999; one <= seq; ++one) {
      ops.push_back(make_op(Kind::erase, full_record(one)));
    }
    ASSERT_FALSE(store().commit(ops));
    while (store().maintain(true)) continue;
    if (round == 4) most = store().disk_bytes();
  }
  EXPECT_LE(store().disk_bytes(), most);
  close();
  EXPECT_LT(std::filesystem::file_size(file()), 2'000'000U) << "an empty store is small";
}

/// Random commits beside a plain map, with the store's house-keeping and its ends in between.
TEST_P(StoreTest, IsThePlainMapThatItLooksLike) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  test::Disk model;
  test::FakeStore reference(model);
  std::uint64_t last_seq = 0;
  const auto some_seq = [&] { return last_seq == 0 ? 1 : 1 + random() % last_seq; };
  for (int step = 0; step < 1000; ++step) {
    std::vector<std::unique_ptr<std::string>> texts;
    const auto text = [&](std::string made) -> std::string_view {
      texts.push_back(std::make_unique<std::string>(std::move(made)));
      return *texts.back();
    };
    std::vector<StoreOp> ops;
    for (std::uint64_t i = random() % 8; i > 0; --i) {
      Record record = full_record(some_seq());
      record.attempt = static_cast<std::uint32_t>(random() % 9);
      record.ready_at = static_cast<std::int64_t>(random() % 1000);
      switch (random() % 10) {
        case 0:
        case 1:
        case 2:
          record.seq = random() % 10 == 0 ? some_seq() : ++last_seq;
          record.data = text(std::string(random() % 200, 'x'));
          ops.push_back(make_op(Kind::put, record));
          break;
        case 3:
          ops.push_back(make_op(Kind::update, record));
          break;
        case 4:
        case 5:
          ops.push_back(make_op(Kind::erase, record));
          break;
        case 6:
          ops.push_back(make_op(random() % 2 == 0 ? Kind::pause : Kind::resume, {},
                                std::string(1, static_cast<char>('a' + random() % 4))));
          break;
        case 7:
          record.id = text(std::to_string(random() % 20));
          record.expires = static_cast<std::int64_t>(random() % 1000);
          ops.push_back(make_op(Kind::put_result, record, std::to_string(step)));
          break;
        case 8:
          record.id = text(std::to_string(random() % 20));
          record.expires = static_cast<std::int64_t>(random() % 1000);
          ops.push_back(
              make_op(random() % 20 == 0 ? Kind::erase_results : Kind::read_result, record));
          break;
        default:
          ops.push_back(make_op(Kind::read, record));
      }
    }
    std::vector<StoreOp> same;
    for (const StoreOp& op : ops) same.push_back(make_op(op.kind, op.record, op.text));
    ASSERT_FALSE(store().commit(ops));
    ASSERT_FALSE(reference.commit(same));
    for (std::size_t i = 0; i < ops.size(); ++i) {
      if (ops[i].kind != Kind::read && ops[i].kind != Kind::read_result) continue;
      ASSERT_EQ(ops[i].found, same[i].found) << "step " << step;
      ASSERT_EQ(ops[i].text, same[i].text) << "step " << step;
    }
    if (random() % 20 == 0) store().maintain(true);
    if (random() % 200 != 0) continue;
    ASSERT_NO_FATAL_FAILURE(reopen());
    ASSERT_EQ(loaded().paused, model.paused) << "step " << step;
    ASSERT_EQ(loaded().rows.size(), model.rows.size()) << "step " << step;
    ASSERT_TRUE(std::ranges::is_sorted(order()));
    for (const auto& [seq, row] : model.rows) {
      ASSERT_TRUE(loaded().rows.contains(seq)) << "step " << step;
      const test::Row& there = loaded().rows.at(seq);
      ASSERT_EQ(there.data, row.data);
      ASSERT_EQ(there.record.attempt, row.record.attempt) << "step " << step << ", task " << seq;
      ASSERT_EQ(there.record.ready_at, row.record.ready_at);
    }
  }
}

constexpr std::uint32_t kSmall = 16U << 10U;

INSTANTIATE_TEST_SUITE_P(
    Stores, StoreTest,
    ::testing::Values(StoreKind{.name = "Database"},
                      StoreKind{.name = "DatabaseKilled", .killed = true},
                      StoreKind{.name = "Journal", .file_size = 8U << 20U, .thread = true},
                      StoreKind{.name = "JournalKilled", .file_size = 1U << 20U, .killed = true},
                      StoreKind{.name = "SmallJournal", .file_size = kSmall},
                      StoreKind{
                          .name = "SmallJournalWithThread", .file_size = kSmall, .thread = true},
                      StoreKind{.name = "SmallJournalKilled", .file_size = kSmall, .killed = true}),
    [](const auto& suite) { return suite.param.name; });

}  // namespace
}  // namespace netd::tasks
