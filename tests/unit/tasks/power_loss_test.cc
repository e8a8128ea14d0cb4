// What a loss of power leaves, and disks that fail in the middle of a commit.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "daemon/tasks/sqlite_store.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/tasks/fragile_vfs.h"

namespace netd::tasks {
namespace {

using netd::test::TempDir;
using test::FragileVfs;

class PowerLossTest : public ::testing::Test {
 protected:
  using Rows = std::map<std::uint64_t, std::string>;

  void open(const std::string& folder) {
    store_.reset();
    auto opened = SqliteStore::open({.folder = folder, .vfs = FragileVfs::kName});
    ASSERT_TRUE(opened.has_value()) << opened.error().what();
    store_ = std::move(*opened);
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
  std::unique_ptr<SqliteStore> store_;
  std::uint64_t last_seq_ = 0;
};

TEST_F(PowerLossTest, KeepsWhatWasCommitted) {
  const char* wanted = std::getenv("NETD_CRASH_ROUNDS");
  const int rounds = wanted == nullptr ? 25 : std::atoi(wanted);
  Rows rows;
  std::string folder = dir_ / "0";
  ASSERT_NO_FATAL_FAILURE(open(folder));
  EXPECT_TRUE(load().empty());
  for (int round = 1; round <= rounds; ++round) {
    vfs_.lose_power_after(1 + random_() % 3000);
    Rows before = rows;
    while (!vfs_.power_lost()) {
      before = rows;
      const auto error = random_commit(before, rows);
      ASSERT_FALSE(error) << error->what;
      if (vfs_.power_lost()) break;
      before = rows;
      while (store_->maintain(true)) continue;
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

TEST_F(PowerLossTest, FailedCommitChangesNothing) {
  Rows rows;
  ASSERT_NO_FATAL_FAILURE(open(dir_ / "store"));
  EXPECT_TRUE(load().empty());
  for (int round = 0; round < 300; ++round) {
    const bool full = random_() % 8 == 0;
    const bool broken = !full && random_() % 8 == 0;
    vfs_.write_error = full ? SQLITE_FULL : SQLITE_OK;
    vfs_.sync_error = broken ? SQLITE_IOERR_FSYNC : SQLITE_OK;
    Rows after;
    const auto error = random_commit(rows, after);
    vfs_.write_error = vfs_.sync_error = SQLITE_OK;
    ASSERT_EQ(error.has_value(), full || broken);
    if (error) {
      EXPECT_EQ(error->kind, full ? StoreError::Kind::full : StoreError::Kind::io) << error->what;
    } else {
      rows = after;
    }
    store_->maintain(true);
  }
  ASSERT_NO_FATAL_FAILURE(open(dir_ / "store"));
  EXPECT_TRUE(load() == rows);
}

}  // namespace
}  // namespace netd::tasks
