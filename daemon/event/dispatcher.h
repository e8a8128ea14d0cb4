// One event loop: readiness through libevent, work posted from other threads, timers and deferred
// deletion. The main thread has one, and each worker.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "daemon/base/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/unique_fd.h"
#include "daemon/event/event_ptr.h"

namespace netd {

class Timer;

/// What may still be on the call stack when its owner lets go of it.
class DeferredDeletable {
 public:
  virtual ~DeferredDeletable() = default;
};

/// Belongs to the thread that calls run(). Only post(), stop() and last_turn() may be called from
/// others.
class Dispatcher {
 public:
  /// `clock` must outlive the dispatcher. Fails when the process has no descriptors left.
  [[nodiscard]] static Result<std::unique_ptr<Dispatcher>> create(const Clock& clock);
  ~Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  /// Turns until stop().
  void run();
  /// One turn: what is ready now, or, with `wait`, the next thing that becomes ready. For tests.
  void turn(bool wait);
  /// Ends run() after the current turn. What was posted before still runs. Any thread.
  void stop();

  /// Runs `work` in this dispatcher's thread, in the order of the calls. Any thread; never blocks
  /// on the loop. Work that is still queued when the dispatcher goes is destroyed unrun. Posted by
  /// what the loop has called for an event, it runs at the end of the same turn.
  void post(std::function<void()> work);

  /// Something is likely to come at once, as the answer to what was just sent. Before it sleeps the
  /// loop looks for it again and again for up to kLookOut, because to be woken can take longer than
  /// that takes to come: on a virtual machine an idle processor goes back to the host. Other
  /// threads of this processor are let through meanwhile. While nothing comes in time, that is done
  /// more and more rarely, so that it costs nothing to speak of.
  void expect_soon() { expecting_ = true; }
  static constexpr std::chrono::microseconds kLookOut{100};

  /// Frees `object` when the loop has unwound to the top.
  void defer(std::unique_ptr<DeferredDeletable> object);

  /// The time of this turn: asked of the clock once, after the wait. Exact enough for time-outs.
  [[nodiscard]] Monotonic now() {
    if (!now_is_fresh_) refresh_now();
    return now_;
  }
  [[nodiscard]] const Clock& clock() const { return clock_; }

  /// When the loop last came round. An idle loop comes round at least once a second, so that a
  /// watchdog can tell idle from stuck. Any thread.
  [[nodiscard]] Monotonic last_turn() const;

  /// Runs the timers that are due by clock(); run() does so by itself. For tests with a fake clock.
  void run_due_timers();

  [[nodiscard]] event_base* base() const { return base_.get(); }

 private:
  friend class Timer;

  explicit Dispatcher(const Clock& clock);
  Result<void> open();
  void refresh_now();
  [[nodiscard]] bool look_once();
  [[nodiscard]] bool look_out();
  void end_turn();
  void run_posted();
  void arm_timeout();

  // The heap of timers, a binary heap by Timer::queued_for_; each timer knows its index.
  void insert(Timer& timer);
  void remove(Timer& timer);
  void sift_up(std::size_t at);
  void sift_down(std::size_t at);
  void place(std::size_t at, Timer* timer);

  const Clock& clock_;
  EventBasePtr base_;
  Monotonic now_;
  bool now_is_fresh_ = false;
  std::atomic<Monotonic::rep> last_turn_{0};
  std::atomic<bool> stopping_{false};

  UniqueFd wakeup_;         // eventfd(2): something was posted, or stop() was called
  EventPtr wakeup_event_;   // depends on: base_, wakeup_
  EventPtr timeout_event_;  // depends on: base_; set for the earliest timer
  Monotonic timeout_at_ = Monotonic::max();
  std::vector<Timer*> timers_;
  Timer* running_timer_ = nullptr;  // whose callback is on the stack, unless it destroyed it

  bool expecting_ = false;
  unsigned in_vain_ = 0;    // so many expectations are passed over after one that was not met
  unsigned pass_over_ = 0;  // so many of them are left

  std::mutex posted_mutex_;  // guards posted_
  std::vector<std::function<void()>> posted_;
  bool posted_here_ = false;                    // by this thread in this turn, which wakes nobody
  std::vector<std::function<void()>> running_;  // posted_ of this turn; kept for its capacity
  std::vector<std::unique_ptr<DeferredDeletable>> deferred_;
};

}  // namespace netd
