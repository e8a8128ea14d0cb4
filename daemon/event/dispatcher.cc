#include "daemon/event/dispatcher.h"

#include <event2/event.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "daemon/event/small_blocks.h"
#include "daemon/event/timer.h"

namespace netd {

namespace {

/// An idle loop shows with this that it turns; see Dispatcher::last_turn().
constexpr std::chrono::milliseconds kHeartbeat{1000};
/// Of expectations, after many that were not met.
constexpr unsigned kMaxPassedOver = 1023;

void on_wakeup(evutil_socket_t fd, short, void*) noexcept {
  std::uint64_t count = 0;
  // Nothing depends on the count, and EAGAIN only says that another turn has taken it.
  (void)!::read(fd, &count, sizeof count);
}

// The loop returns after every turn, and the turn runs what is due: nothing is left to do here.
/// libevent counts on a coarser clock than ours, and so may come a little early: whatever the time
/// is, what has fired has to be armed anew.
void on_timeout(evutil_socket_t, short, void* timeout_at) noexcept {
  *static_cast<Monotonic*>(timeout_at) = Monotonic::min();
}

timeval to_timeval(Duration delay) {
  const auto micros =
      std::max<std::int64_t>(0, std::chrono::ceil<std::chrono::microseconds>(delay).count());
  return {.tv_sec = micros / 1'000'000, .tv_usec = micros % 1'000'000};
}

/// Whose turn this thread is in: what is posted from there needs no wakeup.
thread_local const Dispatcher* turning = nullptr;

struct EventConfigFree {
  void operator()(event_config* config) const noexcept { ::event_config_free(config); }
};

}  // namespace

Dispatcher::Dispatcher(const Clock& clock) : clock_(clock), now_(clock.now()) {
  last_turn_ = now_.time_since_epoch().count();
}

Dispatcher::~Dispatcher() {
  // What is destroyed may post or defer in turn; both end with the objects that do so.
  while (!deferred_.empty()) end_turn();
}

Result<std::unique_ptr<Dispatcher>> Dispatcher::create(const Clock& clock) {
  std::unique_ptr<Dispatcher> dispatcher(new Dispatcher(clock));
  if (auto opened = dispatcher->open(); !opened) return std::unexpected(opened.error());
  return dispatcher;
}

Result<void> Dispatcher::open() {
  set_libevent_memory();
  const std::unique_ptr<event_config, EventConfigFree> config(::event_config_new());
  if (!config) return fail_system("event loop", ENOMEM);
  // One thread a loop, and post() has an eventfd of its own: libevent's locks would be dead weight.
  ::event_config_set_flag(config.get(), EVENT_BASE_FLAG_NOLOCK);
  base_.reset(::event_base_new_with_config(config.get()));
  if (!base_) return fail_system("event loop: epoll", errno);
  wakeup_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wakeup_) return fail_system("event loop: eventfd", errno);
  wakeup_event_.reset(
      ::event_new(base_.get(), wakeup_.get(), EV_READ | EV_PERSIST, on_wakeup, nullptr));
  timeout_event_.reset(::event_new(base_.get(), -1, 0, on_timeout, &timeout_at_));
  if (!wakeup_event_ || !timeout_event_ || ::event_add(wakeup_event_.get(), nullptr) != 0) {
    return fail_system("event loop", ENOMEM);
  }
  return {};
}

void Dispatcher::run() {
  while (!stopping_.load(std::memory_order_acquire)) turn(true);
  run_posted();
  end_turn();
}

void Dispatcher::turn(bool wait) {
  refresh_now();
  last_turn_.store(now_.time_since_epoch().count(), std::memory_order_relaxed);
  arm_timeout();
  now_is_fresh_ = false;
  // What a destructor deferred must not wait for the network.
  const bool idle = deferred_.empty() && !posted_here_;
  const Dispatcher* const outer = std::exchange(turning, this);
  const bool seen = std::exchange(expecting_, false) && wait && idle && look_out();
  if (!seen) ::event_base_loop(base_.get(), EVLOOP_ONCE | (wait && idle ? 0 : EVLOOP_NONBLOCK));
  run_posted();
  run_due_timers();
  end_turn();
  turning = outer;
}

/// Handles what is there without waiting; false when there was nothing.
bool Dispatcher::look_once() {
  (void)::event_base_get_max_events(base_.get(), EVENT_BASE_COUNT_ACTIVE, 1);
  ::event_base_loop(base_.get(), EVLOOP_ONCE | EVLOOP_NONBLOCK);
  return ::event_base_get_max_events(base_.get(), EVENT_BASE_COUNT_ACTIVE, 0) > 0;
}

bool Dispatcher::look_out() {
  if (pass_over_ > 0) {
    --pass_over_;
    return false;
  }
  const auto end = std::chrono::steady_clock::now() + kLookOut;
  do {
    if (look_once()) {
      in_vain_ = 0;
      return true;
    }
    ::sched_yield();
  } while (std::chrono::steady_clock::now() < end);
  in_vain_ = pass_over_ = std::min(2 * in_vain_ + 1, kMaxPassedOver);
  return false;
}

void Dispatcher::refresh_now() {
  now_ = clock_.now();
  now_is_fresh_ = true;
}

void Dispatcher::end_turn() {
  // Destructors may defer more: those wait for the next turn.
  std::vector<std::unique_ptr<DeferredDeletable>> dying;
  dying.swap(deferred_);
}

void Dispatcher::stop() {
  stopping_.store(true, std::memory_order_release);
  const std::uint64_t one = 1;
  (void)!::write(wakeup_.get(), &one, sizeof one);
}

void Dispatcher::post(std::function<void()> work) {
  bool first = false;
  {
    const std::lock_guard lock(posted_mutex_);
    first = posted_.empty();
    posted_.push_back(std::move(work));
  }
  if (turning == this) {
    posted_here_ = true;
    return;
  }
  if (!first) return;  // the loop has been woken for the first one
  const std::uint64_t one = 1;
  (void)!::write(wakeup_.get(), &one, sizeof one);
}

void Dispatcher::run_posted() {
  {
    const std::lock_guard lock(posted_mutex_);
    running_.swap(posted_);
  }
  posted_here_ = false;
  for (auto& work : running_) work();
  running_.clear();
}

void Dispatcher::defer(std::unique_ptr<DeferredDeletable> object) {
  deferred_.push_back(std::move(object));
}

Monotonic Dispatcher::last_turn() const {
  return Monotonic(Monotonic::duration(last_turn_.load(std::memory_order_relaxed)));
}

void Dispatcher::arm_timeout() {
  const Monotonic now = now_;
  Monotonic next = now + kHeartbeat;
  if (!timers_.empty()) next = std::min(next, timers_.front()->queued_for_);
  // The heartbeat moves with every turn; setting the event anew for it would cost each of them.
  if (timeout_at_ > now && timeout_at_ <= next) return;
  timeout_at_ = next;
  const timeval delay = to_timeval(next - now);
  ::event_add(timeout_event_.get(), &delay);
}

void Dispatcher::run_due_timers() {
  refresh_now();
  const Monotonic now = now_;
  // A callback may arm a timer for "now": it gets its turn in the next round, so this loop ends.
  std::size_t left = timers_.size();
  while (left-- > 0 && !timers_.empty() && timers_.front()->queued_for_ <= now) {
    Timer& timer = *timers_.front();
    if (timer.deadline_ > now) {
      timer.queued_for_ = timer.deadline_;
      sift_down(0);
      continue;
    }
    remove(timer);
    timer.armed_ = false;
    // The callback may destroy the timer, and must not lose the ground under its feet by it.
    running_timer_ = &timer;
    auto callback = std::move(timer.callback_);
    callback();
    if (running_timer_ == &timer) timer.callback_ = std::move(callback);
    running_timer_ = nullptr;
  }
}

void Dispatcher::insert(Timer& timer) {
  timers_.push_back(&timer);
  timer.index_ = static_cast<std::uint32_t>(timers_.size() - 1);
  sift_up(timer.index_);
}

void Dispatcher::remove(Timer& timer) {
  const std::size_t at = timer.index_;
  timer.index_ = Timer::kNotQueued;
  Timer* last = timers_.back();
  timers_.pop_back();
  if (last == &timer) return;
  place(at, last);
  sift_up(at);
  sift_down(last->index_);
}

void Dispatcher::place(std::size_t at, Timer* timer) {
  timers_[at] = timer;
  timer->index_ = static_cast<std::uint32_t>(at);
}

void Dispatcher::sift_up(std::size_t at) {
  Timer* moving = timers_[at];
  while (at > 0) {
    const std::size_t parent = (at - 1) / 2;
    if (timers_[parent]->queued_for_ <= moving->queued_for_) break;
    place(at, timers_[parent]);
    at = parent;
  }
  place(at, moving);
}

void Dispatcher::sift_down(std::size_t at) {
  Timer* moving = timers_[at];
  for (;;) {
    std::size_t child = 2 * at + 1;
    if (child >= timers_.size()) break;
    if (child + 1 < timers_.size() &&
        timers_[child + 1]->queued_for_ < timers_[child]->queued_for_) {
      ++child;
    }
    if (moving->queued_for_ <= timers_[child]->queued_for_) break;
    place(at, timers_[child]);
    at = child;
  }
  place(at, moving);
}

}  // namespace netd
