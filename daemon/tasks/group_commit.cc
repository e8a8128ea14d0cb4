#include "daemon/tasks/group_commit.h"

#include <pthread.h>

#include <iterator>
#include <utility>

#include "daemon/base/signals_blocked.h"
#include "daemon/event/dispatcher.h"

namespace netd::tasks {

namespace {

/// House-keeping begins when nothing was to do for so long.
constexpr std::chrono::milliseconds kIdle{200};

}  // namespace

void Batch::complete(const StoreError* error) {
  if (outcome) outcome(error);
  for (Waiter& waiter : waiters) waiter.completion(error, ops[waiter.op]);
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
    commit(std::exchange(work, {}));
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

void StorageThread::commit(std::vector<Batch> work) {
  Finished finished;
  if (work.size() == 1) {
    finished.error = store_->commit(work.front().ops);
  } else {
    // One commit for all of them. The operations go back to their batches for the answers.
    gathered_.clear();
    for (Batch& batch : work) std::ranges::move(batch.ops, std::back_inserter(gathered_));
    finished.error = store_->commit(gathered_);
    auto from = gathered_.begin();
    for (Batch& batch : work) {
      for (StoreOp& op : batch.ops) op = std::move(*from++);
    }
  }
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
    for (Batch& batch : one.batches) batch.complete(one.error ? &*one.error : nullptr);
  }
}

}  // namespace netd::tasks
