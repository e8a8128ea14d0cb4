// What a loss of power leaves, and disks that fail in the middle of a commit.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "daemon/tasks/journal_store.h"
#include "daemon/tasks/sqlite_store.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/tasks/fragile_vfs.h"

namespace netd::tasks {
namespace {

using netd::test::TempDir;
using test::FragileVfs;

struct KindOfStore {
  const char* name;
  std::uint32_t file_size;  // of the journal; 0: there is none
};

class PowerLossTest : public ::testing::TestWithParam<KindOfStore> {
 protected:
  using Rows = std::map<std::uint64_t, std::string>;

  void open(const std::string& folder,
            SqliteStore::Durability durability = SqliteStore::Durability::power_loss) {
    store_.reset();
    const SqliteStore::Options options{
        .folder = folder, .durability = durability, .vfs = FragileVfs::kName};
    std::string error;
    if (GetParam().file_size == 0) {
      auto opened = SqliteStore::open(options);
      opened ? void(store_ = std::move(*opened)) : void(error = opened.error().what());
    } else {
      auto opened = JournalStore::open({.database = options,
                                        .file_size = GetParam().file_size,
                                        .apply_after = Duration(random_() % 2 * 3'600'000'000'000),
                                        .thread = false,
                                        .open_medium = vfs_.media(),
                                        .preallocate_log = false});
      opened ? void(store_ = std::move(*opened)) : void(error = opened.error().what());
    }
    ASSERT_EQ(error, "") << "seed " << seed_;
  }
  /// Until nothing is left to do, or what is left is not due.
  void tidy() {
    for (int i = 0; i < 20 && store_->maintain(true); ++i) continue;
  }

  Rows load() {
    Rows rows;
    const auto loaded = store_->load({.task = [&](const Record& one) -> Result<void> {
                                        rows.emplace(one.seq, one.data);
                                        return {};
                                      },
                                      .paused_queue = [](std::string_view) {}});
    EXPECT_TRUE(loaded.has_value()) << loaded.error().what();
    return rows;
  }

  /// Random puts and erasures in one commit; `after` is what they make of `before`.
  std::optional<StoreError> random_commit(const Rows& before, Rows& after) {
    after = before;
    std::vector<StoreOp> ops;
    std::vector<std::unique_ptr<std::string>> texts;
    for (std::uint64_t i = 1 + random_() % 20; i > 0; --i) {
      const bool erase = after.size() > 200 || (!after.empty() && random_() % 2 == 0);
      StoreOp op{.kind = erase ? StoreOp::Kind::erase : StoreOp::Kind::put};
      if (erase) {
        const auto victim = std::next(after.begin(), static_cast<long>(random_() % after.size()));
        op.record.seq = victim->first;
        after.erase(victim);
      } else {
        op.record.seq = ++last_seq_;
        texts.push_back(std::make_unique<std::string>(random_() % 3000, 'x'));
        op.record.id = "1";
        op.record.queue = "default";
        op.record.data = *texts.back();
        after.emplace(op.record.seq, *texts.back());
      }
      ops.push_back(std::move(op));
    }
    return store_->commit(ops);
  }

  static int rounds() {
    const char* wanted = std::getenv("NETD_CRASH_ROUNDS");
    return wanted == nullptr ? 25 : std::atoi(wanted);
  }
  void write_image(const std::string& folder) const {
    std::filesystem::create_directory(folder);
    for (const auto& [name, bytes] : vfs_.image()) {
      std::ofstream(folder + "/" + name, std::ios::binary) << bytes;
    }
  }

  std::uint64_t seed_ = std::random_device{}();
  std::mt19937_64 random_{seed_};
  FragileVfs vfs_{seed_};
  TempDir dir_;
  std::unique_ptr<Store> store_;
  std::uint64_t last_seq_ = 0;
};

TEST_P(PowerLossTest, KeepsWhatWasCommitted) {
  Rows rows;
  std::string folder = dir_ / "0";
  ASSERT_NO_FATAL_FAILURE(open(folder));
  EXPECT_TRUE(load().empty());
  for (int round = 1; round <= rounds(); ++round) {
    vfs_.lose_power_after(1 + random_() % 1500);
    Rows before = rows;
    while (!vfs_.power_lost()) {
      before = rows;
      const auto error = random_commit(before, rows);
      ASSERT_FALSE(error) << error->what;
      if (vfs_.power_lost()) break;
      before = rows;
      if (random_() % 4 == 0) tidy();
    }
    folder = dir_ / std::to_string(round);
    write_image(folder);
    ASSERT_NO_FATAL_FAILURE(open(folder));
    const Rows there = load();
    ASSERT_TRUE(there == before || there == rows)
        << "round " << round << ", seed " << seed_ << ": " << there.size() << " rows instead of "
        << before.size() << " or " << rows.size();
    rows = there;
  }
}

TEST_P(PowerLossTest, FailedCommitChangesNothing) {
  Rows rows;
  ASSERT_NO_FATAL_FAILURE(open(dir_ / "store"));
  EXPECT_TRUE(load().empty());
  for (int round = 0; round < 300; ++round) {
    const bool full = random_() % 8 == 0;
    const bool broken = !full && random_() % 8 == 0;
    vfs_.write_error = full ? SQLITE_FULL : SQLITE_OK;
    vfs_.sync_error = broken ? SQLITE_IOERR_FSYNC : SQLITE_OK;
    if (full) vfs_.journal_error = StoreError{StoreError::Kind::full, "full"};
    if (broken) vfs_.journal_error = StoreError{StoreError::Kind::io, "broken"};
    Rows after;
    const auto error = random_commit(rows, after);
    vfs_.write_error = vfs_.sync_error = SQLITE_OK;
    vfs_.journal_error.reset();
    ASSERT_EQ(error.has_value(), full || broken);
    if (error) {
      EXPECT_EQ(error->kind, full ? StoreError::Kind::full : StoreError::Kind::io) << error->what;
    } else {
      rows = after;
    }
    store_->maintain(true);
  }
  ASSERT_NO_FATAL_FAILURE(open(dir_ / "store"));
  EXPECT_TRUE(load() == rows) << "seed " << seed_;
}

TEST_P(PowerLossTest, WhatWasSyncedIsThereAndNothingOutOfOrder) {
  std::vector<Rows> since_sync{{}};
  std::string folder = dir_ / "0";
  ASSERT_NO_FATAL_FAILURE(open(folder, SqliteStore::Durability::process));
  EXPECT_TRUE(load().empty());
  for (int round = 1; round <= rounds(); ++round) {
    vfs_.lose_power_after(1 + random_() % 1000);
    while (true) {
      Rows after;
      const auto error = random_commit(since_sync.back(), after);
      ASSERT_FALSE(error) << error->what;
      since_sync.push_back(after);
      if (vfs_.power_lost()) break;
      if (random_() % 5 == 0) {
        vfs_.journal_sync_fails = random_() % 4 == 0;
        const auto failed = store_->sync();
        vfs_.journal_sync_fails = false;
        if (vfs_.power_lost()) break;
        if (!failed) since_sync = {after};
      }
      if (random_() % 10 == 0) tidy();
      if (vfs_.power_lost()) break;
    }
    folder = dir_ / std::to_string(round);
    write_image(folder);
    ASSERT_NO_FATAL_FAILURE(open(folder, SqliteStore::Durability::process));
    const Rows there = load();
    ASSERT_TRUE(std::ranges::find(since_sync, there) != since_sync.end())
        << "round " << round << ", seed " << seed_;
    since_sync = {there};
  }
}

INSTANTIATE_TEST_SUITE_P(Stores, PowerLossTest,
                         ::testing::Values(KindOfStore{"Database", 0},
                                           KindOfStore{"Journal", 256U << 10U},
                                           KindOfStore{"TinyJournal", 32U << 10U}),
                         [](const auto& suite) { return suite.param.name; });

}  // namespace
}  // namespace netd::tasks
