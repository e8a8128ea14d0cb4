// Threads for work that may block: disks, name look-ups.
#pragma once

#include <semaphore.h>

#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace netd {

/// Runs jobs on a few threads of its own, first come first served. A job that has an answer posts
/// it to the dispatcher of whoever asked.
class ThreadPool {
 public:
  using Job = std::move_only_function<void()>;

  /// Threads start when jobs find none idle, up to `max_threads` (at least 1). `name` is what the
  /// system calls them (ps -L), cut to 15 characters. `max_waiting` bounds the jobs that wait for a
  /// thread.
  ThreadPool(const std::string& name, std::size_t max_threads, std::size_t max_waiting);

  /// Runs what still waits, then joins the threads: nothing that was accepted is lost. Not to be
  /// destroyed by one of its own jobs.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  /// Never blocks. False, and the job is destroyed unrun, when `max_waiting` jobs wait already or
  /// no thread could be started. A job must not throw. Any thread, jobs included.
  [[nodiscard]] bool submit(Job job);

  /// Jobs that wait for a thread. Any thread.
  [[nodiscard]] std::size_t waiting() const;
  /// Threads started so far. Any thread.
  [[nodiscard]] std::size_t threads() const;

 private:
  bool start_thread();
  void work();

  const std::string name_;
  const std::size_t max_threads_;
  const std::size_t max_waiting_;

  // One for each job that waits, and at the end one for each thread. Not a condition variable: what
  // that wakes leaves the mutex with a system call, whether somebody waits for it or not.
  sem_t tokens_{};
  mutable std::mutex mutex_;  // guards all below
  std::deque<Job> jobs_;
  std::vector<std::thread> threads_;
  std::size_t idle_ = 0;
  bool ending_ = false;
};

}  // namespace netd
