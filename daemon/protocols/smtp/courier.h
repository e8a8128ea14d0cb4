// Carries deliveries between one worker and the store.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "daemon/event/dispatcher.h"
#include "daemon/protocols/smtp/delivery.h"

namespace netd::smtp {

class MailStore;

/// Both ways many at a time: what the sessions send in one turn of the worker's loop reaches the
/// store together, and so do the answers reach the worker. A thread woken for each message would
/// make groups of one of them.
class Courier : public std::enable_shared_from_this<Courier> {
 public:
  /// Both must live until close().
  Courier(Dispatcher& dispatcher, MailStore& store) : store_(store), dispatcher_(&dispatcher) {}

  /// Worker's thread: a step of a delivery, for MailStore::submit() at the end of the turn.
  void send(std::unique_ptr<Delivery> delivery);

  /// Any thread: takes those of `deliveries` that are this courier's, and leaves null in their
  /// places. After close() they are destroyed.
  void bring_back(std::span<std::unique_ptr<Delivery>> deliveries);

  /// Worker's thread: nothing goes any way any more, but for what was sent before. Every client is
  /// gone by now.
  void close();

 private:
  void hand_in();
  void hand_out();

  // ---- Worker's thread.
  MailStore& store_;
  std::vector<std::unique_ptr<Delivery>> sent_;
  std::vector<std::unique_ptr<Delivery>> handing_out_;  // kept for its capacity

  std::mutex mutex_;        // guards all below
  Dispatcher* dispatcher_;  // changed by the worker's thread alone
  std::vector<std::unique_ptr<Delivery>> returned_;
};

}  // namespace netd::smtp
