// RAII names for libevent's pointers.
#pragma once

#include <event2/event.h>

#include <memory>

namespace netd {

struct EventBaseFree {
  void operator()(event_base* base) const noexcept { ::event_base_free(base); }
};
struct EventFree {
  void operator()(event* e) const noexcept { ::event_free(e); }
};

using EventBasePtr = std::unique_ptr<event_base, EventBaseFree>;
/// Freeing an event also takes it out of its base.
using EventPtr = std::unique_ptr<event, EventFree>;

}  // namespace netd
