#include "daemon/event/read_watch.h"

#include <cerrno>

#include "daemon/event/dispatcher.h"

namespace netd {

namespace {

void on_readable(evutil_socket_t, short, void* callback) noexcept {
  (*static_cast<std::function<void()>*>(callback))();
}

}  // namespace

Result<std::unique_ptr<ReadWatch>> ReadWatch::create(Dispatcher& dispatcher, int fd,
                                                     std::function<void()> callback) {
  std::unique_ptr<ReadWatch> watch(new ReadWatch(std::move(callback)));
  watch->event_.reset(
      ::event_new(dispatcher.base(), fd, EV_READ | EV_PERSIST, on_readable, &watch->callback_));
  if (!watch->event_ || ::event_add(watch->event_.get(), nullptr) != 0) {
    return fail_system("watch a descriptor", errno);
  }
  return watch;
}

void ReadWatch::pause() { ::event_del(event_.get()); }

void ReadWatch::resume() { ::event_add(event_.get(), nullptr); }

}  // namespace netd
