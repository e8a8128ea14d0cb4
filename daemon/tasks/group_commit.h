// Takes changes to the disk in groups: what arrives while one commit runs goes into the next.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "daemon/base/clock.h"
#include "daemon/base/lifetime.h"
#include "daemon/tasks/store.h"

namespace netd {
class Dispatcher;
}

namespace netd::tasks {

/// What became of changes: an error, or nothing where they are durable. On a full disk those that
/// grow() may be refused while the others succeed.
struct Outcome {
  std::optional<StoreError> growing;
  std::optional<StoreError> others;

  [[nodiscard]] const StoreError* of(bool grow) const {
    const std::optional<StoreError>& error = grow ? growing : others;
    return error ? &*error : nullptr;
  }
};

/// Changes that become durable together or not at all, and who waits for it. When the disk is full
/// that holds for those that grow() and for the others apart.
struct Batch {
  /// `error` is null when the changes are durable. `op` is the operation that the completion was
  /// added with.
  using Completion = std::function<void(const StoreError* error, StoreOp& op)>;
  struct Waiter {
    std::size_t op;
    Completion completion;
  };
  std::vector<StoreOp> ops;
  std::vector<Waiter> waiters;
  /// Runs before the completions.
  std::function<void(const Outcome& outcome)> on_outcome;

  /// A batch should not have more bytes, nor should one commit of several: they are in memory once
  /// more on their way.
  static constexpr std::size_t kMaxBytes = 2U << 20U;
  [[nodiscard]] static std::size_t bytes_of(const StoreOp& op);

  /// For those whose operation needs no answer, leave `completion` empty.
  void add(StoreOp op, Completion completion) {
    ops.push_back(std::move(op));
    if (completion) waiters.push_back({ops.size() - 1, std::move(completion)});
  }
  /// What is in `later` comes behind what is here.
  void append(Batch later);
  /// What a failing or answering disk makes of it; runs every completion once.
  void complete(const Outcome& outcome);
};

/// One commit for all of them, and where the disk is full another without what grows. `scratch` is
/// kept for its capacity.
[[nodiscard]] Outcome commit_batches(Store& store, std::span<Batch> batches,
                                     std::vector<StoreOp>& scratch);

/// The seam between the service and the thread that works for it.
class Committer {
 public:
  Committer() = default;
  virtual ~Committer() = default;
  Committer(const Committer&) = delete;
  Committer& operator=(const Committer&) = delete;

  /// Commits the batch after all those submitted before; its completions run in the thread that
  /// submitted it, and not before submit() has returned.
  virtual void submit(Batch batch) = 0;
  [[nodiscard]] virtual std::uint64_t commits() const = 0;
  [[nodiscard]] virtual std::uint64_t disk_bytes() const = 0;
  /// Store::trouble().
  [[nodiscard]] virtual std::string trouble() const = 0;
};

/// One thread that owns the store.
class StorageThread final : public Committer {
 public:
  /// `sync_interval`: how often what was committed is synced besides; zero: never. `dispatcher`
  /// must outlive the thread.
  StorageThread(Dispatcher& dispatcher, std::unique_ptr<Store> store, Duration sync_interval);
  /// Commits what was submitted and ends. Completions that have not run yet never do.
  ~StorageThread() override;

  void submit(Batch batch) override;
  [[nodiscard]] std::uint64_t commits() const override { return commits_; }
  [[nodiscard]] std::uint64_t disk_bytes() const override { return disk_bytes_; }
  [[nodiscard]] std::string trouble() const override { return store_->trouble(); }

 private:
  struct Finished {
    std::vector<Batch> batches;
    Outcome outcome;
  };

  void run();
  /// Returns false when it is time to end.
  bool wait_for_work(std::vector<Batch>& work);
  /// Takes as many off `work` as one commit should hold, and one at least.
  [[nodiscard]] static std::vector<Batch> take_group(std::vector<Batch>& work);
  void commit(std::vector<Batch> work);
  void sync_if_due();
  void deliver();  // in the dispatcher's thread

  Dispatcher& dispatcher_;
  std::unique_ptr<Store> store_;  // the thread's own after the constructor, but for trouble()
  const Duration sync_interval_;
  bool unsynced_ = false;          // the thread's
  Monotonic synced_at_;            // the thread's
  std::vector<StoreOp> gathered_;  // the thread's; kept for its capacity

  std::mutex mutex_;
  std::condition_variable wakeup_;
  std::vector<Batch> submitted_;    // guarded by mutex_
  std::vector<Finished> finished_;  // guarded by mutex_
  bool stopping_ = false;           // guarded by mutex_
  bool waiting_ = false;            // guarded by mutex_
  std::atomic<std::uint64_t> commits_{0};
  std::atomic<std::uint64_t> disk_bytes_{0};

  Lifetime lifetime_;
  Lifetime::Watch watch_;  // copied into what is posted
  std::thread thread_;     // depends on: all of the above
};

}  // namespace netd::tasks
