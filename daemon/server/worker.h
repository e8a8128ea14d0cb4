// One thread of the data plane: a loop and, in it, one Listener for each configured listener.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "daemon/base/clock.h"
#include "daemon/base/error.h"
#include "daemon/event/dispatcher.h"
#include "daemon/event/timer.h"
#include "daemon/net/io_context.h"
#include "daemon/net/listener.h"

namespace netd {

/// What one worker has to do so that a new configuration holds. Made by the main thread, with
/// everything in it that can fail already done.
struct WorkerPlan {
  struct Address {
    Endpoint configured;
    /// New sockets; empty when the address stays where it is or moves.
    std::vector<BoundSocket> sockets;
    /// The listener that had the address until now, when it is another one.
    std::string moved_from;
  };
  struct ListenerPlan {
    std::shared_ptr<ListenerShared> shared;
    std::shared_ptr<const ListenerGeneration> generation;
    std::vector<Address> addresses;  ///< all that the listener has from now on
  };
  std::vector<ListenerPlan> listeners;  ///< all there are from now on
};

/// Made, started and joined by the main thread; everything under "worker's thread" is called by
/// what the main thread posts to dispatcher().
class Worker {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Worker>> create(unsigned index, const Clock& clock,
                                                              ServedPorts& ports);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  [[nodiscard]] Result<void> start();
  /// Ends the loop and joins the thread.
  void join();
  [[nodiscard]] Dispatcher& dispatcher() { return *dispatcher_; }
  [[nodiscard]] IoContext& io() { return io_; }
  [[nodiscard]] unsigned index() const { return index_; }

  // ---- Worker's thread.

  /// Listeners that are gone close their sockets and let their connections finish for
  /// `drain_timeout`.
  void apply(WorkerPlan plan, std::chrono::milliseconds drain_timeout);
  /// Closes every socket and asks every connection to finish; calls `done` when none is busy any
  /// more. Called again, it does nothing.
  void shut_down(std::function<void()> done);
  /// Drops every connection.
  void abort_all();
  /// Null when there is none.
  [[nodiscard]] Listener* find(std::string_view name);
  [[nodiscard]] const std::vector<std::unique_ptr<Listener>>& listeners() const {
    return listeners_;
  }

 private:
  struct Retiring {
    std::unique_ptr<Listener> listener;
    Monotonic until;
  };

  Worker(unsigned index, std::unique_ptr<Dispatcher> dispatcher, ServedPorts& ports);
  void place_sockets(Listener& listener, WorkerPlan::Address& address);
  void release_unwanted(const WorkerPlan& plan);
  void retire_unwanted(const WorkerPlan& plan, std::chrono::milliseconds drain_timeout);
  void check_retiring();
  [[nodiscard]] bool busy() const;

  unsigned index_;
  std::unique_ptr<Dispatcher> dispatcher_;
  ServedPorts& ports_;
  IoContext io_;                                      // depends on: dispatcher_
  std::vector<std::unique_ptr<Listener>> listeners_;  // depends on: io_
  std::vector<Retiring> retiring_;                    // depends on: io_
  /// Sockets on their way from one listener to another, within one apply().
  std::vector<std::pair<Endpoint, std::vector<BoundSocket>>> moving_;
  Timer check_timer_;  // depends on: dispatcher_
  std::function<void()> on_shut_down_;
  std::thread thread_;
};

}  // namespace netd
