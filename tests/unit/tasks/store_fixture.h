// Stores of every kind, opened, closed and killed.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <ostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "daemon/tasks/journal_store.h"
#include "daemon/tasks/sqlite_store.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/tasks/fake_store.h"

namespace netd::tasks::test {

struct StoreKind {
  const char* name;
  std::uint32_t file_size = 0;  // of the journal; 0: there is none
  bool thread = false;
  bool killed = false;  // how it ends: a copy of its files is opened
};

class StoreFixture {
 public:
  explicit StoreFixture(const StoreKind& kind) : kind_(kind) {}

  [[nodiscard]] std::string folder() const { return dir_ / std::to_string(life_); }
  [[nodiscard]] std::string file() const { return folder() + "/tasks.db"; }

  [[nodiscard]] SqliteStore::Options database_options() const { return {.folder = folder()}; }
  [[nodiscard]] JournalStore::Options journal_options() const {
    return {.database = database_options(),
            .file_size = kind_.file_size,
            .apply_after = Duration::zero(),
            .thread = kind_.thread,
            .preallocate_log = kind_.thread};
  }
  [[nodiscard]] Result<std::unique_ptr<Store>> try_open() const {
    if (kind_.file_size == 0) {
      auto store = SqliteStore::open(database_options());
      if (!store) return std::unexpected(store.error());
      return std::move(*store);
    }
    auto store = JournalStore::open(journal_options());
    if (!store) return std::unexpected(store.error());
    return std::move(*store);
  }
  /// Opens and loads. The error or nothing.
  std::string open() {
    disk_ = {};
    auto opened = try_open();
    if (!opened) return opened.error().what();
    store_ = std::move(*opened);
    const auto loaded = store_->load(
        {.task = [this](const Record& one) -> Result<void> {
           Row row{one, std::string(one.id), std::string(one.queue), std::string(one.data)};
           disk_.rows.emplace(one.seq, std::move(row));
           order_.push_back(one.seq);
           return {};
         },
         .paused_queue =
             [this](std::string_view name) { EXPECT_TRUE(disk_.paused.emplace(name).second); }});
    return loaded ? "" : loaded.error().what();
  }
  /// The same store in its next life.
  void reopen() {
    order_.clear();
    const std::string before = folder();
    if (kind_.killed) {
      ++life_;
      std::filesystem::copy(before, folder());
    }
    store_.reset();
    ASSERT_EQ(open(), "");
  }

  /// What open() saw.
  [[nodiscard]] const Disk& loaded() const { return disk_; }
  [[nodiscard]] const std::vector<std::uint64_t>& order() const { return order_; }
  [[nodiscard]] Store& store() { return *store_; }
  void close() { store_.reset(); }

  void commit(StoreOp one) {
    std::vector<StoreOp> ops;
    ops.push_back(std::move(one));
    const auto error = store_->commit(ops);
    EXPECT_FALSE(error) << error->what;
  }

 private:
  const StoreKind kind_;
  netd::test::TempDir dir_;
  int life_ = 0;
  std::unique_ptr<Store> store_;
  Disk disk_;
  std::vector<std::uint64_t> order_;
};

inline Record full_record(std::uint64_t seq, std::string_view data = "\"data\"") {
  Record made;
  made.seq = seq;
  made.id = "\"id\"";
  made.queue = "default";
  made.data = data;
  made.priority = -5;
  made.attempt = 2;
  made.max_attempts = 7;
  made.created = 1'767'323'045'123;
  made.ready_at = 1'767'323'055'123;
  made.expires = 1'767'323'065'123;
  return made;
}

inline StoreOp make_op(StoreOp::Kind kind, const Record& of = {}, std::string text = "") {
  StoreOp made{.kind = kind};
  made.record = of;
  made.text = std::move(text);
  return made;
}

}  // namespace netd::tasks::test
