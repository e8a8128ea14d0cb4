// One stream connection: a socket, what waits to be sent, and the session that speaks its protocol.
#pragma once

#include <event2/event_struct.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/base/lifetime.h"
#include "daemon/event/dispatcher.h"
#include "daemon/event/timer.h"
#include "daemon/net/counters.h"
#include "daemon/net/io_context.h"
#include "daemon/net/output_queue.h"
#include "daemon/net/session.h"
#include "daemon/net/socket_address.h"
#include "daemon/net/stream.h"

namespace netd {

/// Who keeps a connection alive: a listener, or a session with a connection of its own.
class ConnectionOwner {
 public:
  virtual ~ConnectionOwner() = default;
  /// The connection is closed. The owner unlinks it and hands it to Dispatcher::defer().
  virtual void on_connection_closed(Connection& connection) noexcept = 0;
};

/// Lives in its worker's thread. The bytes' path: read() into the worker's scratch, on_data() in
/// place, writes collected in the worker's scratch and sent in one call when the callback ends;
/// only what the kernel did not take is kept here. An idle connection holds no buffer.
class Connection final : public DeferredDeletable {
 public:
  /// Unconsumed input over this ends the connection; sessions have tighter limits of their own.
  static constexpr std::size_t kMaxPendingInput = std::size_t{2} << 20;

  /// A graceful close still reads and drops this much, for this long, so that a reset does not
  /// destroy the last answer on its way (RFC 9112, section 9.6).
  static constexpr std::size_t kMaxLingerBytes = std::size_t{1} << 20;
  static constexpr std::chrono::seconds kLingerTime{2};

  /// What close_at_once() leaves to the kernel alone: nobody's limits count it there.
  static constexpr std::size_t kMaxOrphanOutput = std::size_t{64} << 10;

  /// backlogged() from here on, although nothing has been sent yet.
  static constexpr std::size_t kHighWater = std::size_t{128} << 10;
  /// The same for what has been sent: whoever reads as fast as he is sent to does not hold up the
  /// others for longer than this takes.
  static constexpr std::size_t kMaxSentAtOnce = std::size_t{2} << 20;
  /// A session that writes this much in spite of backlogged() has its connection aborted.
  static constexpr std::size_t kMaxOutput = std::size_t{32} << 20;

  /// All references must outlive the connection.
  Connection(IoContext& io, ConnectionOwner& owner, TrafficCounters& counters, UniqueFd socket,
             const SocketAddress& peer);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Tells the session and waits for input.
  void start(std::unique_ptr<Session> session);

  // ---- For the session.

  /// For on_open(): the peer speaks first, and probably has. Reads before it waits, which spares
  /// short connections the event loop.
  void read_at_once() { reads_at_once_ = true; }

  /// Queues bytes; copied. They leave in one call with everything else that this callback writes.
  void write(std::string_view bytes);
  /// The same for bulk: sends at once, without a copy, what the kernel takes.
  void write_through(std::string_view bytes);
  /// Sends `length` bytes of `file` from `offset` after what was written before, by sendfile(2). A
  /// file that turns out shorter aborts the connection: the peer must not take a part for all.
  void send_file(SharedFile file, std::uint64_t offset, std::uint64_t length);

  /// The peer reads more slowly than it is sent to, or this callback has already written or sent a
  /// lot:
  /// produce no more until on_drained() or the next on_data().
  [[nodiscard]] bool backlogged() const;

  /// Reads go on while output waits; for sessions whose input does not turn into their own output.
  void set_full_duplex() { full_duplex_ = true; }
  /// No on_data() and no on_end() until resume_reading(). The socket's buffer fills, and the peer
  /// feels it.
  void pause_reading();
  /// Also offers unconsumed input again: from outside of this connection's callbacks at once, from
  /// within when the callback returns.
  void resume_reading();
  /// Offers unconsumed input to on_data() again, like resume_reading(); for sessions that stopped
  /// in the middle of it to wait for something else.
  void process_again();

  /// Sends what is written, then FIN; reads and drops what the peer still sends for a moment;
  /// closes. No on_data() follows.
  void close();
  /// The same for a peer that has said that this was all: FIN leaves with the last bytes, and the
  /// peer's is not waited for. What could be lost by that is left to close(): input that came in
  /// spite of the peer's words, and more output than the kernel should keep for nobody's account.
  void close_at_once();
  /// Sends what is written, then FIN; reading goes on.
  void shutdown_write();
  /// Closes now; what is queued is lost. `reset` sends RST instead of FIN.
  void abort(bool reset = false);

  /// Zero: none. Counted from the last byte read or written.
  void set_idle_timeout(Duration timeout);
  /// One point in time that no traffic moves; replaces the one before.
  void set_deadline(Duration from_now);
  void clear_deadline();
  /// Monotonic::max() when there is none.
  [[nodiscard]] Monotonic deadline() const { return deadline_; }

  [[nodiscard]] const SocketAddress& peer() const { return peer_; }
  [[nodiscard]] SocketAddress local() const { return stream_.local_address(); }
  /// A number unique in this process, for the log and `netctl disconnect`.
  [[nodiscard]] std::uint64_t id() const { return id_; }
  [[nodiscard]] int fd() const { return stream_.fd(); }
  /// Sends what is written and has all that follows pass through TLS. The handshake goes on in the
  /// background: the next on_data() is its success, and a peer that fails it is aborted. The
  /// session that calls it within on_data() consumes all of its input there: what came in plain
  /// text is not what comes under TLS.
  void start_tls(const TlsContext& context);
  /// "TLSv1.3 TLS_AES_256_GCM_SHA384"; empty without TLS and before the end of the handshake.
  [[nodiscard]] std::string tls_description() const {
    return stream_.tls() != nullptr ? stream_.tls()->description() : std::string();
  }

  /// Neither closed nor closing: writes reach the peer.
  [[nodiscard]] bool is_open() const { return state_ == State::open; }
  /// Everything is sent and FIN too; only the peer's end is waited for.
  [[nodiscard]] bool is_lingering() const { return state_ == State::lingering; }
  [[nodiscard]] bool peer_has_ended() const { return peer_ended_; }
  /// errno of a connection that broke, else 0.
  [[nodiscard]] int error() const { return error_; }
  [[nodiscard]] std::uint64_t bytes_in() const { return bytes_in_; }
  [[nodiscard]] std::uint64_t bytes_out() const { return bytes_out_; }
  /// What of it the kernel still holds. Costs a system call.
  [[nodiscard]] std::uint64_t unsent() const { return stream_.unsent(); }
  [[nodiscard]] Monotonic opened_at() const { return opened_at_; }
  [[nodiscard]] Monotonic last_activity() const { return last_activity_; }
  [[nodiscard]] Dispatcher& dispatcher() const { return io_.dispatcher; }
  [[nodiscard]] IoContext& io() const { return io_; }
  /// For answers that come later from another thread: capture watch(), post back, ask alive(), and
  /// then is_open(): a closed connection lives on until the loop has unwound.
  [[nodiscard]] Lifetime::Watch watch() { return lifetime_.watch(); }

  /// How long after it was accepted the first words of a client are waited for in a shutdown.
  static constexpr std::chrono::seconds kFirstWords{1};

  /// Listener's: Session::standing(), and of what is only waiting for its peer's end.
  [[nodiscard]] Standing standing();
  /// Listener's: closes now, with the session's last words, so that another client has the place.
  void displace();
  [[nodiscard]] bool displaced() const { return displaced_; }

  /// Listener's: asks the session to finish (Session::on_shutdown), once, after what the peer has
  /// sent until now, and what a client that has just come was about to say.
  void shut_down();
  /// The owner's own link to this connection; the connection does not touch it.
  std::size_t owner_slot = 0;

 private:
  enum class State : std::uint8_t { open, closing, lingering, closed };
  class Callback;

  static void on_event(int fd, short what, void* self) noexcept;
  void on_readable();
  void on_writable();
  void on_timer();
  void drop_input();
  void tell_shutdown();

  /// Offers what is pending, as long as the session takes some, then the peer's end.
  void advance();
  void offer_pending();
  void keep(std::string_view rest);
  [[nodiscard]] bool can_process() const;
  /// Not while input that a backlog has left behind is still to be offered: the session goes on
  /// with it when the kernel is ready for more output, and until then more would only pile up.
  [[nodiscard]] bool can_read() const;
  [[nodiscard]] bool can_write() const;

  void send_scratch(bool more);
  void send_or_queue(std::string_view bytes);
  void drain_queue();
  /// Ends every callback: sends what was written, closes when due, settles what to wait for.
  void settle();
  void finish_closing();
  void fail(int error);
  void destroy(bool reset);
  void wait_for(short what);
  void arm_timer();
  void touch() { last_activity_ = io_.dispatcher.now(); }
  void count_in(std::size_t bytes);
  void count_out(std::size_t bytes);

  IoContext& io_;
  ConnectionOwner& owner_;
  TrafficCounters& counters_;
  Stream stream_;
  SocketAddress peer_;
  std::uint64_t id_;
  std::unique_ptr<Session> session_;
  event event_{};  // depends on: stream_
  Timer timer_;
  Lifetime lifetime_;
  OutputQueue queue_;
  std::unique_ptr<std::string> pending_input_;
  std::uint64_t bytes_in_ = 0;
  std::uint64_t bytes_out_ = 0;
  Monotonic opened_at_;
  Monotonic last_activity_;
  Monotonic deadline_ = Monotonic::max();
  Monotonic shutdown_due_ = Monotonic::max();
  Duration idle_timeout_{};
  std::uint32_t linger_left_ = kMaxLingerBytes;
  int error_ = 0;
  State state_ = State::open;
  short waiting_for_ = 0;
  bool in_callback_ : 1 = false;
  bool full_duplex_ : 1 = false;
  bool reads_at_once_ : 1 = false;
  bool peer_is_done_ : 1 = false;  // as far as it has said itself
  bool reading_paused_ : 1 = false;
  bool process_again_ : 1 = false;
  bool peer_ended_ : 1 = false;
  bool end_delivered_ : 1 = false;
  bool was_backlogged_ : 1 = false;  // the session waits for on_drained()
  bool write_shutdown_asked_ : 1 = false;
  bool write_is_shut_ : 1 = false;
  bool shutdown_told_ : 1 = false;
  bool displaced_ : 1 = false;
};

}  // namespace netd
