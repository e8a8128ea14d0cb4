#include "daemon/tasks/group_commit.h"

#include <pthread.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "daemon/base/signals_blocked.h"
#include "daemon/event/dispatcher.h"

namespace netd::tasks {

namespace {

/// House-keeping begins when nothing was to do for so long.
constexpr std::chrono::milliseconds kIdle{200};

}  // namespace

std::size_t Batch::bytes_of(const StoreOp& op) {
  return op.record.id.size() + op.record.data.size() + op.text.size();
}

void Batch::append(Batch later) {
  if (ops.empty()) {
    ops = std::move(later.ops);
    waiters = std::move(later.waiters);
    return;
  }
  const std::size_t ahead = ops.size();
  std::ranges::move(later.ops, std::back_inserter(ops));
  for (Waiter& waiter : later.waiters) {
    waiters.push_back({waiter.op + ahead, std::move(waiter.completion)});
  }
}

void Batch::complete(const Outcome& outcome) {
  if (on_outcome) on_outcome(outcome);
  for (Waiter& waiter : waiters) {
    StoreOp& op = ops[waiter.op];
    waiter.completion(outcome.of(grows(op.kind)), op);
  }
}

namespace {

/// With or without what grows. The operations go back to their batches for the answers.
std::optional<StoreError> commit_gathered(Store& store, std::span<Batch> batches, bool growing,
                                          std::vector<StoreOp>& scratch) {
  const auto each = [&](auto visit) {
    for (Batch& batch : batches) {
      for (StoreOp& op : batch.ops) {
        if (growing || !grows(op.kind)) visit(op);
      }
    }
  };
  scratch.clear();
  each([&scratch](StoreOp& op) { scratch.push_back(std::move(op)); });
  auto failed = store.commit(scratch);
  auto from = scratch.begin();
  each([&from](StoreOp& op) { op = std::move(*from++); });
  return failed;
}

}  // namespace

Outcome commit_batches(Store& store, std::span<Batch> batches, std::vector<StoreOp>& scratch) {
  auto failed = batches.size() == 1 ? store.commit(batches.front().ops)
                                    : commit_gathered(store, batches, true, scratch);
  if (!failed || failed->kind != StoreError::Kind::full) {
    return {.growing = failed, .others = failed};
  }
  return {.growing = std::move(failed), .others = commit_gathered(store, batches, false, scratch)};
}

StorageThread::StorageThread(Dispatcher& dispatcher, std::unique_ptr<Store> store,
                             Duration sync_interval)
    : dispatcher_(dispatcher),
      store_(std::move(store)),
      sync_interval_(sync_interval),
      synced_at_(std::chrono::steady_clock::now()),
      disk_bytes_(store_->disk_bytes()),
      watch_(lifetime_.watch()) {
  const SignalsBlocked blocked;
  thread_ = std::thread([this] { run(); });
}

StorageThread::~StorageThread() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wakeup_.notify_one();
  thread_.join();
}

void StorageThread::submit(Batch batch) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    submitted_.push_back(std::move(batch));
    wake = waiting_;
  }
  if (wake) wakeup_.notify_one();
}

void StorageThread::run() {
  ::pthread_setname_np(::pthread_self(), "netd-tasks");
  std::vector<Batch> work;
  while (wait_for_work(work)) {
    while (!work.empty()) commit(take_group(work));
    store_->maintain(false);
    sync_if_due();
  }
  if (unsynced_) (void)store_->sync();
  store_.reset();
}

bool StorageThread::wait_for_work(std::vector<Batch>& work) {
  std::unique_lock lock(mutex_);
  const auto something = [this] { return stopping_ || !submitted_.empty(); };
  bool more_to_tidy = true;
  while (!something()) {
    waiting_ = true;
    if (unsynced_) {
      wakeup_.wait_until(lock, synced_at_ + sync_interval_, something);
    } else if (more_to_tidy) {
      wakeup_.wait_for(lock, kIdle, something);
    } else {
      wakeup_.wait(lock, something);
    }
    waiting_ = false;
    if (something()) break;
    lock.unlock();
    sync_if_due();
    if (more_to_tidy) {
      more_to_tidy = store_->maintain(true);
      disk_bytes_ = store_->disk_bytes();
    }
    lock.lock();
  }
  work.swap(submitted_);
  return !work.empty();
}

std::vector<Batch> StorageThread::take_group(std::vector<Batch>& work) {
  std::size_t bytes = 0;
  auto end = work.begin();
  for (; end != work.end(); ++end) {
    for (const StoreOp& op : end->ops) bytes += Batch::bytes_of(op);
    if (bytes > Batch::kMaxBytes && end != work.begin()) break;
  }
  if (end == work.end()) return std::exchange(work, {});
  std::vector<Batch> group(std::move_iterator(work.begin()), std::move_iterator(end));
  work.erase(work.begin(), end);
  return group;
}

void StorageThread::commit(std::vector<Batch> work) {
  Finished finished{.batches = {}, .outcome = commit_batches(*store_, work, gathered_)};
  ++commits_;
  unsynced_ = sync_interval_ > Duration::zero();
  finished.batches = std::move(work);
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = finished_.empty();
    finished_.push_back(std::move(finished));
  }
  if (!first) return;
  dispatcher_.post([this, watch = watch_] {
    if (watch.alive()) deliver();
  });
}

void StorageThread::sync_if_due() {
  if (!unsynced_) return;
  const Monotonic now = std::chrono::steady_clock::now();
  if (now < synced_at_ + sync_interval_) return;
  // A sync that fails is tried again after the next interval.
  if (!store_->sync()) unsynced_ = false;
  synced_at_ = now;
}

void StorageThread::deliver() {
  std::vector<Finished> finished;
  {
    const std::lock_guard lock(mutex_);
    finished.swap(finished_);
  }
  for (Finished& one : finished) {
    for (Batch& batch : one.batches) batch.complete(one.outcome);
  }
}

}  // namespace netd::tasks
