#include "daemon/server/worker.h"

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace netd {

namespace {

// How soon the end of the last busy connection is noticed while something drains.
constexpr std::chrono::milliseconds kCheckInterval{20};

const WorkerPlan::ListenerPlan* find_plan(const WorkerPlan& plan, const Listener& listener) {
  const auto found = std::ranges::find_if(
      plan.listeners, [&](const auto& one) { return one.shared.get() == &listener.shared(); });
  return found == plan.listeners.end() ? nullptr : &*found;
}

}  // namespace

Worker::Worker(unsigned index, std::unique_ptr<Dispatcher> dispatcher, ServedPorts& ports)
    : index_(index),
      dispatcher_(std::move(dispatcher)),
      ports_(ports),
      io_(*dispatcher_),
      check_timer_(*dispatcher_, [this] { check_retiring(); }) {}

Worker::~Worker() { join(); }

Result<std::unique_ptr<Worker>> Worker::create(unsigned index, const Clock& clock,
                                               ServedPorts& ports) {
  auto dispatcher = Dispatcher::create(clock);
  if (!dispatcher) return std::unexpected(dispatcher.error());
  return std::unique_ptr<Worker>(new Worker(index, std::move(*dispatcher), ports));
}

Result<void> Worker::start() {
  try {
    thread_ = std::thread([this] { dispatcher_->run(); });
  } catch (const std::system_error& error) {
    return fail_system("start a worker thread", error.code().value());
  }
  const std::string name = "netd-worker" + std::to_string(index_);
  (void)::pthread_setname_np(thread_.native_handle(), name.substr(0, 15).c_str());
  return {};
}

void Worker::join() {
  if (!thread_.joinable()) return;
  dispatcher_->stop();
  thread_.join();
}

Listener* Worker::find(std::string_view name) {
  const auto found =
      std::ranges::find_if(listeners_, [&](const auto& one) { return one->name() == name; });
  return found == listeners_.end() ? nullptr : found->get();
}

void Worker::apply(WorkerPlan plan, std::chrono::milliseconds drain_timeout) {
  release_unwanted(plan);
  retire_unwanted(plan, drain_timeout);
  for (auto& wanted : plan.listeners) {
    Listener* listener = find(wanted.shared->name);
    if (listener == nullptr) {
      listeners_.push_back(std::make_unique<Listener>(io_, wanted.shared, index_, ports_));
      listener = listeners_.back().get();
    }
    listener->set_generation(std::move(wanted.generation));
    for (auto& address : wanted.addresses) place_sockets(*listener, address);
  }
  // What nobody took: the service manager may have it open for a moment longer, and a socket that
  // listens would keep its address from the next one.
  for (const auto& [configured, sockets] : moving_) {
    for (const BoundSocket& socket : sockets) {
      if (socket.fd && configured.transport == Transport::tcp) {
        (void)::shutdown(socket.fd.get(), SHUT_RD);
      }
    }
  }
  moving_.clear();
}

/// Takes from every listener the sockets that it does not keep.
void Worker::release_unwanted(const WorkerPlan& plan) {
  for (auto& listener : listeners_) {
    const WorkerPlan::ListenerPlan* wanted = find_plan(plan, *listener);
    for (const Endpoint& configured : listener->configured_addresses()) {
      const bool stays =
          wanted != nullptr && std::ranges::any_of(wanted->addresses, [&](const auto& address) {
            return address.configured == configured && address.moved_from.empty();
          });
      if (!stays) moving_.emplace_back(configured, listener->release_sockets(configured));
    }
  }
}

void Worker::retire_unwanted(const WorkerPlan& plan, std::chrono::milliseconds drain_timeout) {
  const Monotonic until = dispatcher_->now() + drain_timeout;
  for (auto& listener : listeners_) {
    if (find_plan(plan, *listener) != nullptr) continue;
    listener->shut_down_connections();
    retiring_.push_back({std::move(listener), until});
  }
  std::erase(listeners_, nullptr);
  if (!retiring_.empty()) check_timer_.arm(kCheckInterval);
}

void Worker::place_sockets(Listener& listener, WorkerPlan::Address& address) {
  std::vector<BoundSocket> sockets = std::move(address.sockets);
  if (!address.moved_from.empty()) {
    for (auto& [configured, released] : moving_) {
      if (configured == address.configured) sockets = std::move(released);
    }
  }
  for (BoundSocket& socket : sockets) {
    const std::string where = socket.endpoint.text();
    // Only a lack of memory makes this fail: the descriptor is open and epoll takes it.
    if (auto added = listener.add_socket(address.configured, std::move(socket)); !added) {
      LogEntry(LogLevel::error, "listener_failed")
          .listener(listener.name())
          .send(added.error().within("listen " + where).what());
    }
  }
}

void Worker::shut_down(std::function<void()> done) {
  if (on_shut_down_) return;
  on_shut_down_ = std::move(done);
  for (auto& listener : listeners_) {
    listener->close_sockets();
    listener->shut_down_connections();
  }
  check_retiring();
}

bool Worker::busy() const {
  return std::ranges::any_of(listeners_, [](const auto& one) { return one->busy_count() != 0; }) ||
         std::ranges::any_of(retiring_,
                             [](const auto& one) { return one.listener->busy_count() != 0; });
}

void Worker::check_retiring() {
  const Monotonic now = dispatcher_->now();
  std::erase_if(retiring_, [&](const Retiring& one) {
    return one.until <= now || one.listener->connection_count() == 0;
  });
  if (on_shut_down_ && !busy()) {
    const auto done = std::exchange(on_shut_down_, [] {});
    done();
  } else if (on_shut_down_ || !retiring_.empty()) {
    check_timer_.arm(kCheckInterval);
  }
}

void Worker::abort_all() {
  for (auto& listener : listeners_) {
    listener->close_sockets();
    listener->abort_all();
  }
  retiring_.clear();
}

}  // namespace netd
