#include "daemon/base/thread_pool.h"

#include <pthread.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "daemon/base/signals_blocked.h"

namespace netd {

namespace {

constexpr std::size_t kMaxThreadName = 15;  // pthread_setname_np(3)

}  // namespace

ThreadPool::ThreadPool(const std::string& name, std::size_t max_threads, std::size_t max_waiting)
    : name_(name.substr(0, kMaxThreadName)),
      max_threads_(std::max<std::size_t>(max_threads, 1)),
      max_waiting_(max_waiting) {
  ::sem_init(&tokens_, 0, 0);
}

ThreadPool::~ThreadPool() {
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    threads.swap(threads_);
  }
  for (std::size_t i = 0; i < threads.size(); ++i) ::sem_post(&tokens_);
  for (std::thread& thread : threads) thread.join();
  ::sem_destroy(&tokens_);
}

bool ThreadPool::submit(Job job) {
  {
    const std::lock_guard lock(mutex_);
    if (jobs_.size() >= max_waiting_) return false;
    const bool needs_thread = idle_ <= jobs_.size() && threads_.size() < max_threads_ && !ending_;
    if (needs_thread && !start_thread() && threads_.empty()) return false;
    jobs_.push_back(std::move(job));
  }
  ::sem_post(&tokens_);
  return true;
}

std::size_t ThreadPool::waiting() const {
  const std::lock_guard lock(mutex_);
  return jobs_.size();
}

std::size_t ThreadPool::threads() const {
  const std::lock_guard lock(mutex_);
  return threads_.size();
}

bool ThreadPool::start_thread() {
  const SignalsBlocked blocked;
  try {
    threads_.emplace_back([this] { work(); });
  } catch (const std::system_error&) {
    return false;  // the process is at its limit of threads; those that run will do
  }
  ::pthread_setname_np(threads_.back().native_handle(), name_.c_str());
  return true;
}

void ThreadPool::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_;
    lock.unlock();
    while (::sem_wait(&tokens_) != 0) continue;  // interrupted
    lock.lock();
    --idle_;
    if (jobs_.empty()) return;  // ending
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    job = nullptr;  // what it owns goes before the lock is held again
    lock.lock();
  }
}

}  // namespace netd
