#include "daemon/tasks/journal_recovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <vector>

#include "daemon/tasks/crc32c.h"

namespace netd::tasks {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::uint64_t kOwnGeneration = 77;

/// The two files of a journal; frame N puts task N.
class RecoveryTest : public ::testing::Test {
 protected:
  void add(int file, std::uint64_t number, std::uint64_t synced) {
    StoreOp put{.kind = StoreOp::Kind::put};
    put.record.seq = number;
    put.record.id = "1";
    put.record.queue = "q";
    put.record.data = "2";
    FrameBuilder builder;
    (void)builder.add(put);
    const std::string_view frame = builder.finish(kOwnGeneration, number, synced);
    std::size_t& end = ends_.at(static_cast<std::size_t>(file));
    files_.at(static_cast<std::size_t>(file)).replace(end, frame.size(), frame);
    begins_[number] = {file, end};
    end += frame.size();
  }
  /// As every commit is synced.
  void add_synced(int file, std::uint64_t from, std::uint64_t to) {
    for (std::uint64_t number = from; number <= to; ++number) add(file, number, number - 1);
  }
  void spoil(std::uint64_t number) {
    const auto [file, at] = begins_.at(number);
    files_.at(static_cast<std::size_t>(file))[at + kFrameHead + 3] ^= 1;
  }
  [[nodiscard]] RecoveredJournal recover(std::uint64_t applied = 0, bool salvage = false) const {
    return recover_journal(files_, kOwnGeneration, applied, salvage);
  }
  static std::vector<std::uint64_t> tasks(const RecoveredJournal& journal) {
    std::vector<std::uint64_t> seqs;
    const MergedTasks::Visit visit = [&](const Record& record) {
      seqs.push_back(record.seq);
      return Result<void>();
    };
    MergedTasks merged(journal.overlay, journal.bytes, visit);
    EXPECT_TRUE(merged.finish());
    return seqs;
  }

  std::array<std::string, 2> files_{std::string(16384, '\0'), std::string(16384, '\0')};
  std::array<std::size_t, 2> ends_{kFirstFrame, kFirstFrame};
  std::map<std::uint64_t, std::pair<int, std::size_t>> begins_;
};

TEST_F(RecoveryTest, NothingWritten) {
  const auto journal = recover();
  EXPECT_EQ(journal.damage, "");
  EXPECT_TRUE(journal.overlay.empty());
  EXPECT_EQ(journal.last, 0U);
}

TEST_F(RecoveryTest, BothFilesInTheOrderOfNumbers) {
  add_synced(1, 1, 3);
  add_synced(0, 4, 5);
  const auto journal = recover();
  EXPECT_EQ(journal.damage, "");
  EXPECT_THAT(tasks(journal), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_EQ(journal.last, 5U);
}

TEST_F(RecoveryTest, WhatTheDatabaseHasIsLeftOut) {
  add_synced(0, 1, 3);
  add_synced(1, 4, 5);
  EXPECT_THAT(tasks(recover(3)), ElementsAre(4, 5));
  EXPECT_TRUE(tasks(recover(5)).empty());
  EXPECT_EQ(recover(5).last, 5U);
}

TEST_F(RecoveryTest, TheLastOneMayBeTorn) {
  add_synced(0, 1, 3);
  add_synced(1, 4, 6);
  spoil(6);
  const auto journal = recover();
  EXPECT_EQ(journal.damage, "");
  EXPECT_THAT(tasks(journal), ElementsAre(1, 2, 3, 4, 5));
}

TEST_F(RecoveryTest, ASpoiltOneBeforeTheLastIsDamage) {
  add_synced(0, 1, 3);
  add_synced(1, 4, 6);
  for (std::uint64_t number = 1; number <= 5; ++number) {
    spoil(number);
    EXPECT_THAT(recover().damage, HasSubstr("number " + std::to_string(number)));
    EXPECT_EQ(tasks(recover()).size(), number - 1) << "up to the damage";
    EXPECT_EQ(tasks(recover(0, true)).size(), 5U) << "all but the damaged one";
    EXPECT_EQ(recover(number).damage, "") << "the database has it";
    spoil(number);
  }
}

TEST_F(RecoveryTest, AMissingFileIsDamage) {
  add_synced(0, 1, 3);
  add_synced(1, 4, 6);
  files_[0].assign(16384, '\0');
  EXPECT_THAT(recover().damage, HasSubstr("number 1"));
}

TEST_F(RecoveryTest, TheSameNumberTwiceIsDamage) {
  add_synced(0, 1, 3);
  add_synced(1, 3, 4);
  EXPECT_NE(recover().damage, "");
}

TEST_F(RecoveryTest, WhatWasNeverSyncedMayHaveHoles) {
  add(0, 1, 0);
  add(0, 2, 0);
  add(0, 3, 2);
  add(0, 4, 2);
  add(1, 5, 2);
  spoil(4);
  EXPECT_EQ(recover().damage, "");
  EXPECT_THAT(tasks(recover()), ElementsAre(1, 2, 3));
  EXPECT_THAT(tasks(recover(0, true)), ElementsAre(1, 2, 3));
  spoil(2);
  EXPECT_THAT(recover().damage, HasSubstr("number 2")) << "frame 5 says that it was on the disk";
}

TEST_F(RecoveryTest, AWholeFrameThatCannotBeUnderstoodIsDamage) {
  add_synced(0, 1, 2);
  std::string& file = files_[0];
  const std::size_t at = begins_.at(2).second;
  const std::size_t size = kFrameHead + read_frame(file, at, kOwnGeneration)->ops.size();
  file[at + kFrameHead] = 99;  // the kind of its operation
  const std::uint32_t sum = crc32c(std::string_view(file).substr(at + 8, size - 8));
  for (std::size_t i = 0; i < 4; ++i) file[at + 4 + i] = static_cast<char>(sum >> (8 * i));
  ASSERT_TRUE(read_frame(file, at, kOwnGeneration));
  EXPECT_THAT(recover().damage, HasSubstr("number 2 cannot be understood"));
  EXPECT_THAT(tasks(recover()), ElementsAre(1));
}

TEST_F(RecoveryTest, EveryCutOfTheFilesIsTakenForWhatItIs) {
  add_synced(0, 1, 4);
  const std::string whole = files_[0];
  for (std::size_t cut = kFirstFrame; cut <= ends_[0]; ++cut) {
    files_[0] = whole;
    std::fill(files_[0].begin() + static_cast<std::ptrdiff_t>(cut), files_[0].end(), '\0');
    const auto journal = recover();
    EXPECT_EQ(journal.damage, "") << cut;
    for (const auto& [number, begin] : begins_) {
      const std::size_t end =
          begin.second + kFrameHead + read_frame(whole, begin.second, kOwnGeneration)->ops.size();
      if (cut >= end) {
        EXPECT_GE(journal.last, number) << cut;
      }
      if (cut < end && whole[end - 1] != '\0') {
        EXPECT_LT(journal.last, number) << cut;
      }
    }
  }
}

// The overlay.

Record task(std::uint64_t seq, std::uint32_t attempt = 0) {
  Record record;
  record.seq = seq;
  record.attempt = attempt;
  return record;
}

TEST(OverlayTest, WhatComesAndGoesLeavesNothing) {
  Overlay overlay(10);
  overlay.apply(StoreOp::Kind::put, task(11), "", {});
  overlay.apply(StoreOp::Kind::update, task(11, 3), "", {});
  ASSERT_NE(overlay.task(11), nullptr);
  EXPECT_EQ(overlay.task(11)->attempt, 3U);
  EXPECT_EQ(overlay.task(11)->kind, Overlay::TaskChange::Kind::put);
  overlay.apply(StoreOp::Kind::erase, task(11), "", {});
  EXPECT_TRUE(overlay.empty());
}

TEST(OverlayTest, WhatMayLieBeneathIsErasedThere) {
  Overlay overlay(10);
  overlay.apply(StoreOp::Kind::put, task(10), "", {});  // put back
  overlay.apply(StoreOp::Kind::erase, task(10), "", {});
  ASSERT_NE(overlay.task(10), nullptr);
  EXPECT_EQ(overlay.task(10)->kind, Overlay::TaskChange::Kind::erase);
  overlay.apply(StoreOp::Kind::update, task(10, 1), "", {});
  EXPECT_EQ(overlay.task(10)->kind, Overlay::TaskChange::Kind::erase) << "there is none to change";
  overlay.apply(StoreOp::Kind::put, task(10), "", {});
  EXPECT_EQ(overlay.task(10)->kind, Overlay::TaskChange::Kind::put);
  overlay.apply(StoreOp::Kind::erase, task(4), "", {});
  EXPECT_EQ(overlay.task(4)->kind, Overlay::TaskChange::Kind::erase);

  Overlay unknown;
  unknown.apply(StoreOp::Kind::put, task(11), "", {});
  unknown.apply(StoreOp::Kind::erase, task(11), "", {});
  EXPECT_FALSE(unknown.empty());
}

TEST(OverlayTest, ResultsAndQueues) {
  Overlay overlay(0);
  Record result;
  result.id = "\"a\"";
  result.expires = 100;
  overlay.apply(StoreOp::Kind::put_result, result, "1", {});
  ASSERT_NE(overlay.result("\"a\""), nullptr);
  Record sweep;
  sweep.expires = 99;
  overlay.apply(StoreOp::Kind::erase_results, sweep, "", {});
  ASSERT_NE(overlay.result("\"a\""), nullptr);
  EXPECT_FALSE(overlay.result("\"a\"")->gone);
  sweep.expires = 100;
  overlay.apply(StoreOp::Kind::erase_results, sweep, "", {});
  sweep.expires = 50;
  overlay.apply(StoreOp::Kind::erase_results, sweep, "", {});
  EXPECT_TRUE(overlay.result("\"a\"")->gone);
  EXPECT_EQ(overlay.results_end(), 100);
  overlay.apply(StoreOp::Kind::pause, {}, "q", {});
  EXPECT_TRUE(overlay.queues().at("q"));
  overlay.apply(StoreOp::Kind::resume, {}, "q", {});
  EXPECT_FALSE(overlay.queues().at("q"));
}

}  // namespace
}  // namespace netd::tasks
