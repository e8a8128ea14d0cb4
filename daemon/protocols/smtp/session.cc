#include "daemon/protocols/smtp/session.h"

#include <algorithm>
#include <utility>

#include "daemon/base/log.h"

namespace netd::smtp {

namespace {

/// Errors that are the client's way of being wrong, and not this server's state.
bool counts_as_error(const Reply& reply) {
  return reply.code >= 500 || reply.code == reply::kTooManyMessages.code;
}

/// A last reply: it names the host, as the greeting would have (RFC 5321, section 4.2.3).
std::string farewell(const Reply& reply, std::string_view hostname) {
  std::string line = std::to_string(reply.code);
  for (const std::string_view word : {reply.enhanced, hostname, reply.text}) {
    line += ' ';
    line += word;
  }
  line += "\r\n";
  return line;
}

}  // namespace

SmtpProtocol::SmtpProtocol(IoContext& io, SmtpSettings settings,
                           std::shared_ptr<MailService> service)
    : settings_(std::move(settings)),
      service_(std::move(service)),
      courier_(std::make_shared<Courier>(io.dispatcher, *service_->store())) {
  greeting_ = "220 " + settings_.hostname + " ESMTP netd\r\n";
  extensions_ = "250-" + settings_.hostname +
                "\r\n"
                "250-PIPELINING\r\n"
                "250-SIZE " +
                std::to_string(settings_.max_message_size) +
                "\r\n"
                "250-8BITMIME\r\n"
                "250-SMTPUTF8\r\n"
                "250-ENHANCEDSTATUSCODES\r\n"
                "250-CHUNKING\r\n";
  extensions_with_starttls_ = extensions_ + "250-STARTTLS\r\n250 HELP\r\n";
  extensions_ += "250 HELP\r\n";
  address_refused_ = farewell(reply::kAddressNotAllowed, settings_.hostname);
  connections_refused_ = farewell(reply::kTooManyConnections, settings_.hostname);
}

SmtpProtocol::~SmtpProtocol() { courier_->close(); }

std::unique_ptr<Session> SmtpProtocol::open(Connection& connection) {
  return std::make_unique<SmtpSession>(connection, *this);
}

SmtpSession::SmtpSession(Connection& connection, const SmtpProtocol& protocol)
    : Session(connection), protocol_(protocol) {}

SmtpSession::~SmtpSession() = default;

void SmtpSession::on_open() {
  const auto& limits = protocol_.service().limits();
  if (const auto client = connection().peer().ip(); limits && client) {
    if (!limits->admit_connection(*client, connection().dispatcher().now())) {
      say_bye(reply::kTooManyConnections);
      return;
    }
  }
  const auto delay = protocol_.settings().greet_delay;
  if (delay == delay.zero()) {
    greet();
    return;
  }
  timer_ = std::make_unique<Timer>(connection().dispatcher(), [this] { greet(); });
  timer_->arm(delay);
}

void SmtpSession::greet() {
  state_ = State::commands;
  connection().write(protocol_.greeting());
}

std::size_t SmtpSession::on_data(std::string_view input) {
  if (tls_ == Tls::handshake) {
    tls_ = Tls::active;
    connection().clear_deadline();
  }
  std::size_t consumed = 0;
  while (consumed < input.size() && connection().is_open() && !connection().backlogged()) {
    if (held_up()) {
      // What still comes waits in the socket.
      connection().pause_reading();
      break;
    }
    const std::string_view rest = input.substr(consumed);
    std::size_t taken = 0;
    switch (state_) {
      case State::silent:
        say_bye(reply::kEarlyTalker);
        return input.size();
      case State::commands:
        taken = read_line(rest);
        if (tls_ == Tls::handshake) return input.size();
        break;
      case State::text:
        taken = read_text(rest);
        break;
      case State::chunk:
        taken = read_chunk(rest);
        break;
      case State::storing:
        break;
    }
    consumed += taken;
    if (taken == 0 && !held_up()) break;
  }
  return connection().is_open() ? consumed : input.size();
}

/// Whether input has to wait: for the store, or for a time-out of ours.
bool SmtpSession::held_up() const {
  if (state_ == State::storing || held_back_) return true;
  return transaction_ && transaction_->message && transaction_->message->blocked();
}

std::size_t SmtpSession::read_line(std::string_view input) {
  const std::size_t end = input.find('\n');
  if (end == std::string_view::npos) {
    time_line();
    if (!overlong_ && input.size() < kMaxMailLine) return 0;
    overlong_ = true;
    return input.size();
  }
  if (std::exchange(line_is_timed_, false)) connection().clear_deadline();
  std::string_view line = input.substr(0, end);
  bare_lf_ = !line.ends_with('\r');
  if (!bare_lf_) line.remove_suffix(1);
  if (std::exchange(overlong_, false) || end + 1 > kMaxMailLine) {
    say(reply::kLineTooLong);
  } else {
    execute(line);
  }
  if (draining_ && !transaction_ && connection().is_open()) say_bye(reply::kShuttingDown);
  return end + 1;
}

/// A line has as long as a client may be silent for: one octet now and then must not hold a
/// connection for ever. Between the chunks of a message the message's own deadline holds, if it has
/// one.
void SmtpSession::time_line() {
  const auto limit = protocol_.settings().idle_timeout;
  if (limit == limit.zero() || connection().deadline() != Monotonic::max()) return;
  line_is_timed_ = true;
  connection().set_deadline(limit);
}

std::size_t SmtpSession::read_text(std::string_view input) {
  const DataStream::Step step = transaction_->message->read(input);
  if (step.ended) end_message();
  return step.consumed;
}

std::size_t SmtpSession::read_chunk(std::string_view input) {
  const auto here = static_cast<std::size_t>(std::min<std::uint64_t>(input.size(), chunk_left_));
  const std::size_t taken = transaction_ && transaction_->message
                                ? transaction_->message->read(input.substr(0, here)).consumed
                                : here;
  chunk_left_ -= taken;
  if (chunk_left_ == 0) end_chunk();
  return taken;
}

void SmtpSession::on_end() {
  peer_ended_ = true;
  if (held_up()) return;
  if (state_ == State::text || state_ == State::chunk) {
    say_bye(reply::kUnfinished);
  } else {
    connection().close();
  }
}

void SmtpSession::on_drained() { connection().process_again(); }

void SmtpSession::on_timeout(Timeout which) {
  if (which == Timeout::idle && held_up()) return;  // it waits for us
  const bool idle = which == Timeout::idle || tls_ == Tls::handshake;
  if (!idle && line_is_timed_) return say_bye(reply::kCommandTooSlow);
  say_bye(idle ? reply::kIdle : reply::kMessageTooSlow);
}

void SmtpSession::on_shutdown() {
  draining_ = true;
  if (!transaction_ && state_ != State::storing) say_bye(reply::kShuttingDown);
}

Standing SmtpSession::standing() {
  const Monotonic since = connection().last_activity();
  const bool silent = connection().dispatcher().now() - since >= kCrowdedPatience;
  if (!silent || state_ == State::silent || held_up()) return {};
  return {transaction_ ? Standing::Worth::stalled : Standing::Worth::idle, since};
}

void SmtpSession::on_displaced() {
  if (!connection().backlogged()) say_bye(reply::kCrowded);
}

void SmtpSession::on_closed() noexcept {
  timer_.reset();
  transaction_.reset();
}

void SmtpSession::on_delivery_returned(std::unique_ptr<Delivery> delivery) {
  if (!transaction_ || !transaction_->message) return;
  IncomingMessage& message = *transaction_->message;
  message.returned(std::move(delivery));
  if (!connection().is_open()) return;
  if (state_ == State::storing) {
    const auto verdict = message.verdict();
    if (!verdict) return;  // that was a chunk; the last is on its way now
    answer_message(*verdict);
  }
  let_go_on();
}

/// After something that input had to wait for.
void SmtpSession::let_go_on() {
  if (!connection().is_open()) return;
  connection().resume_reading();
  if (connection().is_open()) connection().process_again();
  if (peer_ended_ && connection().is_open() && !held_up()) on_end();
}

void SmtpSession::say(const Reply& reply) { say(reply, reply.text); }

void SmtpSession::say(const Reply& reply, std::string_view text) {
  std::string line = std::to_string(reply.code);
  line.reserve(line.size() + reply.enhanced.size() + text.size() + 4);
  line += ' ';
  if (!reply.enhanced.empty()) {
    line += reply.enhanced;
    line += ' ';
  }
  line += text;
  if (log_enabled(LogLevel::debug)) {
    LogEntry(LogLevel::debug, "smtp_reply")
        .listener(protocol_.settings().listener)
        .protocol("smtp")
        .connection(connection().id())
        .send(line);
  }
  line += "\r\n";
  connection().write(line);
  if (counts_as_error(reply)) count_error();
}

void SmtpSession::say_bye(const Reply& reply) {
  state_ = State::commands;
  transaction_.reset();
  connection().write(farewell(reply, protocol_.settings().hostname));
  connection().close();
}

void SmtpSession::count_error() {
  ++errors_;
  const SmtpSettings& settings = protocol_.settings();
  if (errors_ >= settings.max_errors) {
    LogEntry(LogLevel::info, "smtp_too_many_errors")
        .listener(settings.listener)
        .protocol("smtp")
        .connection(connection().id())
        .client(connection().peer().text())
        .send("the session is closed after " + std::to_string(errors_) + " errors");
    say_bye(reply::kTooManyErrors);
  } else if (settings.tarpit != settings.tarpit.zero() && errors_ > kTarpitAfter) {
    hold_back();
  }
}

/// The next command waits: whoever tries addresses or passwords gets few of them done.
void SmtpSession::hold_back() {
  held_back_ = true;
  timer_ = std::make_unique<Timer>(connection().dispatcher(), [this] {
    held_back_ = false;
    let_go_on();
  });
  timer_->arm(protocol_.settings().tarpit);
}

}  // namespace netd::smtp
