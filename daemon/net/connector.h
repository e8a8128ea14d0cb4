// A connection of our own in the making: from a name to a socket that is connected.
#pragma once

#include <event2/event_struct.h>

#include <functional>
#include <string>

#include "daemon/base/clock.h"
#include "daemon/base/endpoint.h"
#include "daemon/base/error.h"
#include "daemon/base/unique_fd.h"
#include "daemon/event/timer.h"
#include "daemon/net/resolver.h"
#include "daemon/net/socket_address.h"

namespace netd {

class Dispatcher;

/// Looks a name up and tries its addresses one after another, all within one time; or connects to a
/// unix socket. Belongs to the thread of its loop.
class Connector {
 public:
  struct Connected {
    UniqueFd socket;        ///< non-blocking
    SocketAddress address;  ///< of a unix socket: none
  };
  /// Called once for each start(), later, never before its return. May destroy the connector. The
  /// error says what was tried last: "connect 127.0.0.1:9001: Connection refused".
  using Done = std::function<void(Result<Connected> outcome)>;

  /// `dispatcher` must outlive the connector.
  Connector(Dispatcher& dispatcher, Done done);
  /// Gives up whatever is under way.
  ~Connector();
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;

  /// `endpoint` is tcp or unix; `resolver` is of its name, and null for a unix socket. Both must
  /// outlive the attempt. One attempt at a time.
  void start(const Endpoint& endpoint, Resolver* resolver, Duration timeout);

 private:
  /// A unix socket whose backlog is full is tried again this often (connect(2), EAGAIN).
  static constexpr std::chrono::milliseconds kUnixRetry{10};

  static void on_writable(int fd, short what, void* self) noexcept;
  void on_connected();
  void on_timer();
  void look_up();
  void on_addresses(const Result<Resolver::Addresses>& answer);
  void try_next_address();
  void try_unix();
  void await(UniqueFd socket);
  void stop_waiting();
  void fail_later(Error error);
  void finish(Result<Connected> outcome);

  Dispatcher& dispatcher_;
  Done done_;
  Timer timer_;
  const Endpoint* endpoint_ = nullptr;
  Resolver* resolver_ = nullptr;
  Resolver::QuestionPtr question_;
  Resolver::Addresses addresses_;
  std::size_t next_address_ = 0;
  UniqueFd socket_;  // that is connecting
  event event_{};    // depends on: socket_
  bool waiting_ = false;
  bool failed_ = false;  // last_error_ is to be told when the timer fires
  Monotonic give_up_at_;
  Error last_error_{""};
};

}  // namespace netd
