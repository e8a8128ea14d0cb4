// A disk that tests look into and that fails when they say so.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "daemon/tasks/group_commit.h"
#include "daemon/tasks/store.h"

namespace netd::tasks::test {

struct Row {
  Record record;  // its texts are those below
  std::string id, queue, data;
};

/// What outlives a FakeStore, as a disk outlives a process.
struct Disk {
  std::map<std::uint64_t, Row> rows;
  std::set<std::string> paused;
  std::map<std::string, std::pair<std::string, std::int64_t>> results;
  std::optional<StoreError> failing;
  std::optional<StoreError> full;  // for what grows
  int commits = 0;
};

class FakeStore final : public Store {
 public:
  explicit FakeStore(Disk& disk) : disk_(disk) {}

  Result<void> load(const Visitor& visitor) override {
    for (const auto& [seq, row] : disk_.rows) {
      Record record = row.record;
      record.id = row.id;
      record.queue = row.queue;
      record.data = row.data;
      if (auto taken = visitor.task(record); !taken) return taken;
    }
    for (const std::string& name : disk_.paused) visitor.paused_queue(name);
    if (!visitor.result) return {};
    for (const auto& [id, result] : disk_.results) visitor.result(id);
    return {};
  }

  std::optional<StoreError> commit(std::span<StoreOp> ops) override {
    if (disk_.failing) return disk_.failing;
    if (disk_.full && std::ranges::any_of(ops, grows, &StoreOp::kind)) return disk_.full;
    ++disk_.commits;
    for (StoreOp& op : ops) apply(op);
    return std::nullopt;
  }
  std::optional<StoreError> sync() override { return disk_.failing; }
  bool maintain(bool) override { return false; }
  [[nodiscard]] std::uint64_t disk_bytes() const override { return disk_.rows.size(); }

 private:
  void apply(StoreOp& op) {
    const Record& record = op.record;
    switch (op.kind) {
      case StoreOp::Kind::put: {
        Row row{record, std::string(record.id), std::string(record.queue),
                std::string(record.data)};
        disk_.rows.insert_or_assign(record.seq, std::move(row));
        break;
      }
      case StoreOp::Kind::update:
        if (const auto found = disk_.rows.find(record.seq); found != disk_.rows.end()) {
          found->second.record.attempt = record.attempt;
          found->second.record.dead = record.dead;
          found->second.record.ready_at = record.ready_at;
          found->second.record.expires = record.expires;
        }
        break;
      case StoreOp::Kind::erase:
        disk_.rows.erase(record.seq);
        break;
      case StoreOp::Kind::read:
        if (const auto found = disk_.rows.find(record.seq); found != disk_.rows.end()) {
          op.text = found->second.data;
          op.found = true;
        }
        break;
      case StoreOp::Kind::pause:
        disk_.paused.insert(op.text);
        break;
      case StoreOp::Kind::resume:
        disk_.paused.erase(op.text);
        break;
      case StoreOp::Kind::put_result:
        disk_.results.insert_or_assign(std::string(record.id), std::pair(op.text, record.expires));
        break;
      case StoreOp::Kind::read_result:
        if (const auto found = disk_.results.find(std::string(record.id));
            found != disk_.results.end() && found->second.second > record.expires) {
          op.text = found->second.first;
          op.found = true;
        }
        break;
      case StoreOp::Kind::erase_results:
        std::erase_if(disk_.results,
                      [&](const auto& one) { return one.second.second <= record.expires; });
        break;
      case StoreOp::Kind::probe:
        break;
    }
  }

  Disk& disk_;
};

/// Commits when the test says so, in the test's own thread.
class ManualCommitter final : public Committer {
 public:
  explicit ManualCommitter(std::unique_ptr<Store> store) : store_(std::move(store)) {}
  ~ManualCommitter() override {
    for (Batch& batch : batches_) (void)store_->commit(batch.ops);
  }

  void submit(Batch batch) override { batches_.push_back(std::move(batch)); }
  [[nodiscard]] std::uint64_t commits() const override { return commits_; }
  [[nodiscard]] std::uint64_t disk_bytes() const override { return store_->disk_bytes(); }

  [[nodiscard]] std::string trouble() const override { return store_->trouble(); }

  [[nodiscard]] bool idle() const { return batches_.empty(); }
  /// What was submitted so far, in one commit.
  void commit() {
    std::vector<Batch> batches = std::exchange(batches_, {});
    std::vector<StoreOp> ops;
    const Outcome outcome = commit_batches(*store_, batches, ops);
    ++commits_;
    store_->maintain(false);
    for (Batch& batch : batches) batch.complete(outcome);
  }
  /// What a store does when nobody wants anything.
  void tidy() {
    for (int i = 0; i < 20 && store_->maintain(true); ++i) continue;
  }

 private:
  std::unique_ptr<Store> store_;
  std::vector<Batch> batches_;
  std::uint64_t commits_ = 0;
};

}  // namespace netd::tasks::test
