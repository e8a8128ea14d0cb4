#include "daemon/net/connection.h"

#include <event2/event.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <utility>

namespace netd {

namespace {

std::uint64_t next_connection_id() {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

/// Brackets whatever calls into the session: lets it use the scratch, unless another connection's
/// callback is under way further up the stack, and settles the connection at the end.
class Connection::Callback {
 public:
  explicit Callback(Connection& connection) : connection_(connection) {
    outermost_ = !connection.in_callback_;
    connection.in_callback_ = true;
    if (outermost_ && connection.io_.writer == nullptr) {
      connection.io_.writer = &connection;
      connection.io_.sent = 0;
    }
  }
  Callback(const Callback&) = delete;
  Callback& operator=(const Callback&) = delete;
  ~Callback() {
    if (!outermost_) return;
    connection_.settle();
    connection_.in_callback_ = false;
    if (connection_.io_.writer == &connection_) {
      connection_.io_.output.clear();
      connection_.io_.writer = nullptr;
    }
  }

 private:
  Connection& connection_;
  bool outermost_;
};

Connection::Connection(IoContext& io, ConnectionOwner& owner, TrafficCounters& counters,
                       UniqueFd socket, const SocketAddress& peer)
    : io_(io),
      owner_(owner),
      counters_(counters),
      stream_(std::move(socket)),
      peer_(peer),
      id_(next_connection_id()),
      timer_(io.dispatcher, [this] { on_timer(); }),
      opened_at_(io.dispatcher.now()),
      last_activity_(opened_at_) {}

Connection::~Connection() {
  if (waiting_for_ != 0) ::event_del(&event_);
}

void Connection::start(std::unique_ptr<Session> session) {
  session_ = std::move(session);
  const Callback callback(*this);
  session_->on_open();
  if (reads_at_once_) on_readable();
}

// ---- Events.

void Connection::on_event(int, short what, void* self) noexcept {
  auto& connection = *static_cast<Connection*>(self);
  const Callback callback(connection);
  if ((what & EV_WRITE) != 0) connection.on_writable();
  if ((what & EV_READ) != 0) connection.on_readable();
  if (connection.shutdown_due_ != Monotonic::max() && connection.bytes_in_ > 0) {
    connection.tell_shutdown();
  }
}

void Connection::on_readable() {
  if (state_ == State::lingering) {
    drop_input();
    return;
  }
  if (!can_read()) return;
  const auto scratch = io_.input();
  const IoResult result = stream_.read(scratch);
  switch (result.outcome) {
    case IoResult::Outcome::would_block:
      return;
    case IoResult::Outcome::failed:
      fail(result.error);
      return;
    case IoResult::Outcome::ended:
      peer_ended_ = true;
      break;
    case IoResult::Outcome::done: {
      touch();
      count_in(result.count);
      const std::string_view input(scratch.data(), result.count);
      if (pending_input_) {
        keep(input);
      } else {
        const std::size_t consumed = session_->on_data(input);
        const bool more_came = consumed < input.size() || input.size() == scratch.size();
        if (more_came) peer_is_done_ = false;
        if (state_ == State::open && consumed < input.size()) keep(input.substr(consumed));
        if (!process_again_) return;
      }
      break;
    }
  }
  advance();
}

void Connection::keep(std::string_view rest) {
  if (!pending_input_) pending_input_ = std::make_unique<std::string>();
  *pending_input_ += rest;
  if (pending_input_->size() > kMaxPendingInput) fail(EMSGSIZE);
}

void Connection::offer_pending() {
  const std::size_t consumed = session_->on_data(*pending_input_);
  if (consumed >= pending_input_->size()) {
    pending_input_.reset();
  } else {
    peer_is_done_ = false;
    pending_input_->erase(0, consumed);
  }
  if (consumed > 0) process_again_ = true;
}

void Connection::advance() {
  do {
    process_again_ = false;
    if (!can_process()) return;
    if (pending_input_) offer_pending();
  } while (process_again_ && pending_input_);
  process_again_ = false;
  if (peer_ended_ && !end_delivered_ && can_process()) {
    end_delivered_ = true;
    session_->on_end();
  }
}

bool Connection::can_process() const {
  return state_ == State::open && !reading_paused_ && (full_duplex_ || !backlogged());
}

bool Connection::can_read() const {
  return can_process() && !peer_ended_ && (full_duplex_ || !was_backlogged_);
}

void Connection::on_writable() {
  if (stream_.read_wants_write()) on_readable();
  if (!queue_.empty()) drain_queue();
  if (state_ != State::open || backlogged() || !was_backlogged_) return;
  was_backlogged_ = false;
  session_->on_drained();
  advance();
}

void Connection::on_timer() {
  const Callback callback(*this);
  const Monotonic now = io_.dispatcher.now();
  const bool idle = idle_timeout_ > Duration::zero() && last_activity_ + idle_timeout_ <= now;
  const bool late = deadline_ <= now;
  if (shutdown_due_ <= now) tell_shutdown();
  if (!idle && !late) return;  // there was traffic since the timer was set
  if (state_ == State::open) {
    // Whatever the session makes of it, it is told once and not in every turn from now on.
    if (late) deadline_ = Monotonic::max();
    if (idle) touch();
    session_->on_timeout(late ? Timeout::deadline : Timeout::idle);
  } else {
    destroy(state_ == State::closing);
  }
}

// ---- Output.

bool Connection::can_write() const { return state_ == State::open && !write_shutdown_asked_; }

bool Connection::backlogged() const {
  if (!queue_.empty()) return true;
  return io_.writer == this && (io_.output.size() >= kHighWater || io_.sent >= kMaxSentAtOnce);
}

void Connection::write(std::string_view bytes) {
  if (!can_write()) return;
  if (io_.writer == this && queue_.empty()) {
    io_.output += bytes;
    if (io_.output.size() >= kHighWater) was_backlogged_ = true;
    if (io_.output.size() >= kMaxOutput) fail(ENOBUFS);
    return;
  }
  const Callback callback(*this);
  send_or_queue(bytes);
}

void Connection::write_through(std::string_view bytes) {
  if (!can_write()) return;
  const Callback callback(*this);
  send_scratch(false);
  send_or_queue(bytes);
}

void Connection::send_file(SharedFile file, std::uint64_t offset, std::uint64_t length) {
  if (!can_write()) return;
  const Callback callback(*this);
  send_scratch(true);
  if (state_ == State::closed) return;
  const bool was_empty = queue_.empty();
  queue_.append_file(std::move(file), offset, length);
  if (was_empty && state_ == State::open) drain_queue();
}

void Connection::send_scratch(bool more) {
  if (io_.writer != this || io_.output.empty() || state_ == State::closed) return;
  std::string_view bytes = io_.output;
  if (queue_.empty()) {
    const IoResult result = stream_.write(bytes, more);
    if (result.outcome == IoResult::Outcome::failed) {
      fail(result.error);
      return;
    }
    if (result.count > 0) count_out(result.count);
    bytes.remove_prefix(result.count);
  }
  if (!bytes.empty()) {
    queue_.append(bytes);
    was_backlogged_ = true;
  }
  io_.output.clear();
}

void Connection::send_or_queue(std::string_view bytes) {
  if (bytes.empty() || state_ == State::closed) return;
  if (queue_.empty() && state_ == State::open) {
    const IoResult result = stream_.write(bytes, false);
    if (result.outcome == IoResult::Outcome::failed) {
      fail(result.error);
      return;
    }
    if (result.count > 0) count_out(result.count);
    bytes.remove_prefix(result.count);
    if (bytes.empty()) return;
  }
  queue_.append(bytes);
  was_backlogged_ = true;
  if (queue_.memory() > kMaxOutput) fail(ENOBUFS);
}

void Connection::drain_queue() {
  const IoResult result = queue_.send(stream_);
  if (result.count > 0) count_out(result.count);
  if (result.outcome == IoResult::Outcome::failed) {
    fail(result.error);
  } else if (result.outcome == IoResult::Outcome::ended) {
    // The file is shorter than what was announced: only a reset tells the peer so.
    error_ = ENODATA;
    counters_.errors.add(1);
    destroy(true);
  } else if (!queue_.empty()) {
    was_backlogged_ = true;
  }
}

void Connection::count_in(std::size_t bytes) {
  bytes_in_ += bytes;
  counters_.bytes_in.add(bytes);
}

void Connection::count_out(std::size_t bytes) {
  touch();
  bytes_out_ += bytes;
  counters_.bytes_out.add(bytes);
  if (io_.writer != this) return;
  io_.sent += bytes;
  if (io_.sent >= kMaxSentAtOnce) was_backlogged_ = true;
}

// ---- Flow.

void Connection::pause_reading() {
  const Callback callback(*this);
  reading_paused_ = true;
}

void Connection::resume_reading() {
  if (!reading_paused_) return;
  reading_paused_ = false;
  process_again();
}

void Connection::process_again() {
  if (in_callback_) {
    process_again_ = true;
    return;
  }
  const Callback callback(*this);
  advance();
}

void Connection::close() {
  const Callback callback(*this);
  if (state_ == State::open) state_ = State::closing;
}

void Connection::close_at_once() {
  const Callback callback(*this);
  peer_is_done_ = true;
  close();
}

void Connection::shutdown_write() {
  const Callback callback(*this);
  write_shutdown_asked_ = true;
}

void Connection::start_tls(const TlsContext& context) {
  if (!can_write()) return;
  const Callback callback(*this);
  send_scratch(false);
  if (state_ != State::open) return;
  // A peer that does not even take one line of plain text will not take a handshake.
  if (!queue_.empty()) return fail(ENOBUFS);
  if (!stream_.start_tls(context)) fail(ENOMEM);
}

void Connection::abort(bool reset) {
  const Callback callback(*this);
  destroy(reset);
}

Standing Connection::standing() {
  switch (state_) {
    case State::open:
      return session_->standing();
    case State::lingering:
      // The peer has not read everything: for the short time that is left it may.
      if (unsent() > 0) return {};
      return {.worth = Standing::Worth::idle, .since = deadline_ - kLingerTime};
    default:
      return {};
  }
}

void Connection::displace() {
  if (state_ == State::closed) return;
  const Callback callback(*this);
  displaced_ = true;
  if (state_ == State::open) session_->on_displaced();
  send_scratch(true);
  // What the peer has not taken would stay with the kernel, which counts it to nobody.
  destroy(!queue_.empty());
}

void Connection::shut_down() {
  if (shutdown_told_ || state_ != State::open) return;
  const Callback callback(*this);
  // A request that has arrived came before the end.
  on_readable();
  const bool new_client = bytes_in_ == 0 && bytes_out_ == 0 && !peer_ended_ &&
                          io_.dispatcher.now() < opened_at_ + kFirstWords;
  if (new_client) {
    shutdown_due_ = opened_at_ + kFirstWords;
    arm_timer();
  } else {
    tell_shutdown();
  }
}

void Connection::tell_shutdown() {
  shutdown_due_ = Monotonic::max();
  if (shutdown_told_ || state_ != State::open) return;
  shutdown_told_ = true;
  session_->on_shutdown();
}

void Connection::settle() {
  if (state_ == State::closed) return;
  // The last bytes wait for FIN, which then leaves with them.
  send_scratch(state_ == State::closing || write_shutdown_asked_);
  // A session may have asked for another round from on_open(), a timer or on_drained().
  if (process_again_ && state_ == State::open) {
    advance();
    send_scratch(false);
  }
  if (queue_.empty() && (state_ == State::open || state_ == State::closing)) {
    if (write_shutdown_asked_ && !write_is_shut_) {
      write_is_shut_ = true;
      stream_.shutdown_write();
    }
    if (state_ == State::closing) finish_closing();
  }
  if (state_ == State::closed) return;

  short what = 0;
  if (!queue_.empty()) what |= EV_WRITE;
  if (state_ == State::open) {
    if (was_backlogged_) what |= EV_WRITE;
    if (can_read()) {
      if (stream_.read_wants_write()) {
        what |= EV_WRITE;
      } else {
        what |= EV_READ;
      }
    }
  }
  if (state_ == State::lingering) what |= EV_READ;
  wait_for(what);
  arm_timer();
}

void Connection::finish_closing() {
  if (peer_ended_) {
    destroy(false);
    return;
  }
  if (!write_is_shut_) {
    write_is_shut_ = true;
    stream_.shutdown_write();
  }
  // close(2) with anything unread resets the connection, and takes with it what has not left yet.
  if (peer_is_done_ && bytes_out_ <= kMaxOrphanOutput && !stream_.has_unread()) {
    destroy(false);
    return;
  }
  state_ = State::lingering;
  pending_input_.reset();
  idle_timeout_ = Duration::zero();
  deadline_ = io_.dispatcher.now() + kLingerTime;
}

void Connection::drop_input() {
  const IoResult result = stream_.read(io_.input());
  if (result.outcome == IoResult::Outcome::would_block) return;
  linger_left_ -= static_cast<std::uint32_t>(std::min<std::size_t>(linger_left_, result.count));
  if (result.outcome != IoResult::Outcome::done || linger_left_ == 0) destroy(false);
}

void Connection::fail(int error) {
  if (state_ == State::closed) return;
  error_ = error;
  counters_.errors.add(1);
  destroy(false);
}

void Connection::destroy(bool reset) {
  if (state_ == State::closed) return;
  state_ = State::closed;
  wait_for(0);
  timer_.cancel();
  if (reset) {
    stream_.reset();
  } else {
    stream_.close();
  }
  queue_.clear();
  if (io_.writer == this) io_.output.clear();
  if (session_) session_->on_closed();
  owner_.on_connection_closed(*this);
}

void Connection::wait_for(short what) {
  if (what == waiting_for_) return;
  if (waiting_for_ != 0) ::event_del(&event_);
  waiting_for_ = what;
  if (what == 0) return;
  ::event_assign(&event_, io_.dispatcher.base(), stream_.fd(),
                 static_cast<short>(what | EV_PERSIST), on_event, this);
  if (::event_add(&event_, nullptr) != 0) {
    waiting_for_ = 0;
    fail(errno != 0 ? errno : ENOMEM);
  }
}

// ---- Time.

void Connection::set_idle_timeout(Duration timeout) {
  idle_timeout_ = timeout;
  touch();
  arm_timer();
}

void Connection::set_deadline(Duration from_now) {
  deadline_ = io_.dispatcher.now() + from_now;
  arm_timer();
}

void Connection::clear_deadline() { deadline_ = Monotonic::max(); }

void Connection::arm_timer() {
  if (state_ == State::closed) return;
  Monotonic due = std::min(deadline_, shutdown_due_);
  if (idle_timeout_ > Duration::zero()) due = std::min(due, last_activity_ + idle_timeout_);
  if (due == Monotonic::max()) {
    timer_.cancel();
  } else {
    timer_.arm_at(due);
  }
}

}  // namespace netd
