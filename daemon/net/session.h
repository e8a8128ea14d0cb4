// What a protocol is to the layers below it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "daemon/base/clock.h"

namespace netd {

class Connection;

enum class Timeout : std::uint8_t {
  idle,      ///< nothing came and nothing could be sent for the idle time
  deadline,  ///< what Connection::set_deadline() asked for
};

/// What a session does with its place, asked when there are more clients than places.
struct Standing {
  /// The later in this list, the sooner the place goes to another client.
  enum class Worth : std::uint8_t {
    working,  ///< it is being served, or nothing is known: it stays
    stalled,  ///< it moves so little that it might as well not
    asking,   ///< it has not said all of what it wants
    idle,     ///< nobody owes anybody anything
  };
  Worth worth = Worth::working;
  /// For how long that has been so. Among equals the longest goes first.
  Monotonic since;
};

/// One connection's side of a protocol: turns bytes into answers. Owned by its connection, lives in
/// its worker's thread, and borrows the connection for all of its life.
///
/// Any of the calls may end the connection (close(), abort()); the session is destroyed only after
/// the loop has unwound, never under its own feet.
class Session {
 public:
  virtual ~Session() = default;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// The connection is there (accepted, or connected). May write.
  virtual void on_open() {}

  /// `input` is all that was received and not yet consumed. Returns how much of it is consumed; the
  /// rest comes again in front of what arrives next, or after Connection::process_again(). The
  /// bytes are the worker's and gone after the return. A session bounds what it leaves unconsumed:
  /// over Connection::kMaxPendingInput the connection is aborted. Not called while the connection
  /// is backlogged() (unless full duplex), while reading is paused, or after close().
  virtual std::size_t on_data(std::string_view input) = 0;

  /// The peer has finished sending (half-close); what it sent has been offered to on_data(). The
  /// default closes; a session that still owes answers sends them first and closes then.
  virtual void on_end();

  /// All output has gone to the kernel after there was a backlog.
  virtual void on_drained() {}

  /// The default aborts. A session may say something and close() instead.
  virtual void on_timeout(Timeout which);

  /// The server is stopping, or the listener is gone: finish what is in flight, start nothing new,
  /// and close. Called at most once. The default closes at once: right for whatever has no request
  /// in the middle.
  virtual void on_shutdown();

  /// Whether the connection could be closed for another client's sake. May look at the socket: it
  /// is asked only when there is no place left. By default it could not.
  [[nodiscard]] virtual Standing standing() { return {}; }

  /// It is being closed for that. What is written here leaves if the peer takes it at once.
  virtual void on_displaced() {}

  /// The connection is closed, by either side; no call follows but the destructor.
  virtual void on_closed() noexcept {}

 protected:
  explicit Session(Connection& connection) : connection_(connection) {}
  [[nodiscard]] Connection& connection() const { return connection_; }

 private:
  Connection& connection_;
};

/// Why a client is turned away before it has a session.
enum class Refusal : std::uint8_t {
  address,      ///< the listener's allow and deny
  connections,  ///< its max_connections_per_client
};

/// A stream protocol as one listener speaks it, made from the listener's immutable settings: one
/// instance a worker and a generation of the configuration. Sessions may refer to it: it is freed
/// after the last of them.
class StreamProtocol {
 public:
  virtual ~StreamProtocol() = default;
  [[nodiscard]] virtual std::unique_ptr<Session> open(Connection& connection) = 0;
  /// What such a client hears before it is closed, in a few hundred bytes; nothing where the client
  /// speaks first and would take it for an answer.
  [[nodiscard]] virtual std::string_view refusal(Refusal /*why*/) const { return {}; }
  /// Whether an access log that is a file is the protocol's, with a line for each request, instead
  /// of the listener's, with a line for each connection.
  [[nodiscard]] virtual bool logs_requests() const { return false; }
};

/// A protocol over UDP: at most one datagram back for one that came.
class DatagramProtocol {
 public:
  virtual ~DatagramProtocol() = default;
  static constexpr std::ptrdiff_t kNoAnswer = -1;
  /// Writes the answer into `answer` and returns its size (0 is an empty datagram), or kNoAnswer.
  /// `answer` is as large as the reflection bound allows for this request: what does not fit is not
  /// said.
  [[nodiscard]] virtual std::ptrdiff_t answer(std::string_view request, std::span<char> answer) = 0;
};

}  // namespace netd
