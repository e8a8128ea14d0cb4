// `netctl echo`: sends what is given, typed or piped to an echo service and checks what comes back.
#include <editline/readline.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>

#include "ctl/clients/commands.h"
#include "ctl/clients/dial.h"
#include "ctl/clients/echo_verifier.h"
#include "ctl/durations.h"
#include "ctl/humanize.h"
#include "ctl/terminal_text.h"
#include "daemon/control/json_text.h"

namespace netd::ctl {

namespace {

double milliseconds_of(Moment::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

ClientError not_an_echo() { return {Trouble::failed, "what came back is not what was sent"}; }

/// What others send, as a line: safe for a terminal, unchanged in a pipe. False when standard
/// output takes no more.
bool show_reply(std::string reply, const Context& context) {
  if (!reply.ends_with('\n')) reply += '\n';
  if (context.terminal.is_terminal()) {
    TerminalText text;
    print(text.add(reply));
    print(text.rest());
  } else {
    print(reply);
  }
  return std::fflush(stdout) == 0;
}

/// One connection and what has gone over it.
class EchoClient {
 public:
  EchoClient(UniqueFd fd, bool datagrams, const Context& context)
      : fd_(std::move(fd)),
        datagrams_(datagrams),
        timeout_(context.timeout),
        to_terminal_(context.terminal.is_terminal()) {}

  /// Sends all of it and waits until it is back; gives what came.
  ClientResult<std::string> exchange(std::string_view data) {
    return datagrams_ ? exchange_datagram(data) : exchange_stream(data);
  }

  /// Standard input to the peer and back to standard output, until both have ended.
  ClientResult<void> pipe_through();

  [[nodiscard]] std::string_view form() const { return verifier_.form(); }
  [[nodiscard]] bool is_connected() const { return fd_.get() >= 0; }

 private:
  ClientResult<std::string> exchange_stream(std::string_view data);
  ClientResult<std::string> exchange_datagram(std::string_view data);
  ClientResult<bool> receive(std::string& into);
  ClientResult<void> pump();

  UniqueFd fd_;
  const bool datagrams_;
  const milliseconds timeout_;
  const bool to_terminal_;
  EchoVerifier verifier_;
  std::array<char, 65536> room_{};
  // Of pipe_through().
  TerminalText text_;
  std::string unsent_;
  bool input_ended_ = false;
  bool shut_ = false;
  bool peer_ended_ = false;
};

/// What is there, checked. False at the end of the stream.
ClientResult<bool> EchoClient::receive(std::string& into) {
  const ssize_t count = ::recv(fd_.get(), room_.data(), room_.size(), MSG_DONTWAIT);
  if (count < 0) {
    if (errno == EAGAIN || errno == EINTR) return true;
    return std::unexpected(client_error("receive", errno));
  }
  if (count == 0) return false;
  const std::string_view data(room_.data(), static_cast<std::size_t>(count));
  into += data;
  if (!verifier_.received(data)) return std::unexpected(not_an_echo());
  return true;
}

ClientResult<std::string> EchoClient::exchange_stream(std::string_view data) {
  verifier_.sent(data);
  std::string reply;
  Deadline deadline = deadline_of(timeout_);
  while (!data.empty() || !verifier_.complete()) {
    const auto wanted = static_cast<short>(data.empty() ? POLLIN : POLLIN | POLLOUT);
    pollfd watched{fd_.get(), wanted, 0};
    if (!wait_for_any({&watched, 1}, deadline)) {
      return std::unexpected(timed_out("waiting for the echo", timeout_));
    }
    if ((watched.revents & POLLOUT) != 0 && !data.empty()) {
      const ssize_t count = ::send(fd_.get(), data.data(), data.size(), MSG_NOSIGNAL);
      if (count < 0 && errno != EAGAIN && errno != EINTR) {
        return std::unexpected(client_error("send", errno));
      }
      data.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    }
    if ((watched.revents & ~POLLOUT) != 0) {
      const auto more = receive(reply);
      if (!more) return std::unexpected(more.error());
      if (!*more) {
        return std::unexpected(
            ClientError{Trouble::closed, "the peer closed before all had come back"});
      }
    }
    deadline = deadline_of(timeout_);
  }
  return reply;
}

/// An answer to an earlier datagram, given up for lost, may still come: it is passed over.
ClientResult<std::string> EchoClient::exchange_datagram(std::string_view data) {
  const Deadline deadline = deadline_of(timeout_);
  if (auto sent = send_all(fd_.get(), data, timeout_); !sent) return std::unexpected(sent.error());
  bool other = false;
  for (;;) {
    const auto count = receive_some(fd_.get(), room_, deadline);
    if (!count && count.error().trouble == Trouble::timed_out) {
      return std::unexpected(other ? not_an_echo() : timed_out("waiting for the echo", timeout_));
    }
    if (!count) return std::unexpected(count.error());
    const std::string_view answer(room_.data(), *count);
    verifier_ = EchoVerifier();
    verifier_.sent(data);
    if (verifier_.received(answer) && verifier_.complete()) return std::string(answer);
    other = true;
  }
}

ClientResult<void> EchoClient::pipe_through() {
  while (!peer_ended_) {
    // One that has sent all back, and does not close, owes nothing more.
    constexpr milliseconds kGrace{500};
    if (shut_ && verifier_.complete() && !wait_for(fd_.get(), POLLIN, deadline_of(kGrace))) break;
    if (auto pumped = pump(); !pumped) return pumped;
  }
  if (!unsent_.empty() || !verifier_.complete()) {
    return std::unexpected(
        ClientError{Trouble::closed, "the peer closed before all had come back"});
  }
  return {};
}

/// Waits for whatever can go on, and lets it.
ClientResult<void> EchoClient::pump() {
  // A peer that does not send back is not sent to without bound.
  constexpr std::uint64_t kMaxOutstanding = std::uint64_t{4} << 20;
  const bool want_input =
      !input_ended_ && unsent_.empty() && verifier_.outstanding() < kMaxOutstanding;
  const auto wanted = static_cast<short>(unsent_.empty() ? POLLIN : POLLIN | POLLOUT);
  std::array<pollfd, 2> watched{
      {{fd_.get(), wanted, 0}, {want_input ? STDIN_FILENO : -1, POLLIN, 0}}};
  // Who types may take his time; a peer that owes something may not.
  const bool owed = !unsent_.empty() || !want_input || verifier_.outstanding() > 0;
  if (!wait_for_any(watched, owed ? deadline_of(timeout_) : std::nullopt)) {
    return std::unexpected(timed_out("waiting for the echo", timeout_));
  }
  if (watched[1].revents != 0) {
    const ssize_t count = ::read(STDIN_FILENO, room_.data(), room_.size());
    if (count < 0 && errno != EINTR && errno != EAGAIN) {
      return std::unexpected(client_error("read", errno));
    }
    input_ended_ = count == 0;
    if (count > 0) {
      unsent_.assign(room_.data(), static_cast<std::size_t>(count));
      verifier_.sent(unsent_);
    }
  }
  if (!unsent_.empty()) {
    const ssize_t count =
        ::send(fd_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0 && errno != EAGAIN && errno != EINTR) {
      return std::unexpected(client_error("send", errno));
    }
    unsent_.erase(0, static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  }
  if (input_ended_ && unsent_.empty() && !shut_) {
    (void)::shutdown(fd_.get(), SHUT_WR);
    shut_ = true;
  }
  if (watched[0].revents & ~POLLOUT) {
    std::string reply;
    const auto more = receive(reply);
    print(to_terminal_ ? text_.add(reply) : reply);
    if (std::fflush(stdout) != 0) {
      return std::unexpected(ClientError{Trouble::failed, "the echo is not shown"});
    }
    if (!more) return std::unexpected(more.error());
    peer_ended_ = !*more;
  }
  return {};
}

/// Figures of several exchanges.
struct Tally {
  int sent = 0;
  int received = 0;
  double least = 0;
  double most = 0;
  double sum = 0;
  std::vector<std::string> replies;
  std::optional<ClientError> error;  // the last one

  void add(double time) {
    least = received == 0 ? time : std::min(least, time);
    most = std::max(most, time);
    sum += time;
    ++received;
  }

  [[nodiscard]] std::string json(const Endpoint& target, std::string_view form) const {
    std::vector<std::string> quoted;
    control::JsonWriter times;
    times.add_decimal("min", least).add_decimal("mean", received > 0 ? sum / received : 0);
    times.add_decimal("max", most);
    control::JsonWriter writer;
    writer.add("status", received == sent ? "ok" : "error")
        .add("target", target.text())
        .add("form", form)
        .add("verified", received == sent)
        .add("sent", sent)
        .add("received", received)
        .add("lost", sent - received)
        .add_raw("time_ms", times.object())
        .add_list("replies", replies);
    if (error) writer.add("code", trouble_word(error->trouble)).add("error", error->message);
    return writer.object();
  }
};

std::string message_of(const EchoOptions& options, int number) {
  std::string message;
  for (const auto& word : options.words) message += (message.empty() ? "" : " ") + word;
  if (options.words.empty()) message = "netctl echo " + std::to_string(number);
  return message;
}

int run_shots(EchoClient& client, const EchoOptions& options, const Endpoint& target,
              milliseconds interval, const Context& context) {
  const bool datagrams = target.transport == Transport::udp;
  const int count = std::max(options.count, 1);
  Tally tally;
  int status = kDone;
  while (tally.sent < count) {
    if (tally.sent > 0) sleep_until(std::chrono::steady_clock::now() + interval);
    ++tally.sent;
    // The line end goes along over a stream, where something must say that the message is whole.
    const std::string data = message_of(options, tally.sent) + (datagrams ? "" : "\n");
    const Moment begin = std::chrono::steady_clock::now();
    const auto reply = client.exchange(data);
    if (!reply) {
      tally.error = reply.error();
      status = complain(reply.error().message, kFailed);
      if (!datagrams || reply.error().trouble == Trouble::refused) break;
      continue;  // a datagram may get lost
    }
    tally.add(milliseconds_of(std::chrono::steady_clock::now() - begin));
    if (context.json) {
      tally.replies.push_back(*reply);
    } else if (!show_reply(*reply, context)) {
      return kFailed;
    }
  }
  if (context.json) {
    print(tally.json(target, client.form()) + "\n");
  } else if (count > 1) {
    std::string line = std::to_string(tally.sent) + " sent, " + std::to_string(tally.received) +
                       " came back as sent";
    if (tally.received > 0) {
      line += "; " + human_milliseconds(tally.least) + " / " +
              human_milliseconds(tally.sum / tally.received) + " / " +
              human_milliseconds(tally.most) + " (least / mean / most)";
    }
    print(line + "\n");
  }
  return status;
}

int converse(EchoClient& client, const Endpoint& target, const Context& context) {
  print("connected to " + short_text(target) + "; Ctrl-D ends\n");
  const bool datagrams = target.transport == Transport::udp;
  ::using_history();
  for (;;) {
    (void)std::fflush(stdout);
    const std::unique_ptr<char, void (*)(void*)> line(::readline("> "), std::free);
    if (line == nullptr) {
      print("\n");
      return kDone;
    }
    if (*line == '\0') continue;
    (void)::add_history(line.get());
    const auto reply = client.exchange(std::string(line.get()) + (datagrams ? "" : "\n"));
    if (reply) {
      (void)show_reply(*reply, context);
      continue;
    }
    complain(reply.error().message, kFailed);
    if (!datagrams) return kFailed;
  }
}

/// Each line of standard input as a message of its own: a datagram, or what --json tells of.
int pipe_lines(EchoClient& client, const Endpoint& target, const Context& context) {
  const bool datagrams = target.transport == Transport::udp;
  Tally tally;
  int status = kDone;
  char* line = nullptr;
  std::size_t room = 0;
  for (;;) {
    const ssize_t length = ::getline(&line, &room, stdin);
    if (length < 0) break;
    std::string data(line, static_cast<std::size_t>(length));
    if (data.ends_with('\n')) data.pop_back();
    if (datagrams && data.empty()) continue;
    if (!datagrams) data += '\n';
    ++tally.sent;
    const Moment begin = std::chrono::steady_clock::now();
    const auto reply = client.exchange(data);
    if (!reply) {
      tally.error = reply.error();
      status = complain(reply.error().message, kFailed);
      if (!datagrams || reply.error().trouble == Trouble::refused) break;
      continue;  // a datagram may get lost
    }
    tally.add(milliseconds_of(std::chrono::steady_clock::now() - begin));
    if (context.json) {
      tally.replies.push_back(*reply);
    } else if (!show_reply(*reply, context)) {
      break;
    }
  }
  std::free(line);
  if (context.json) print(tally.json(target, client.form()) + "\n");
  return status;
}

}  // namespace

int run_echo(const EchoOptions& options, const Context& context) {
  const auto target = parse_target(options.target, options.udp ? Transport::udp : Transport::tcp);
  if (!target) return complain(target.error().what(), kUsage, context);
  const auto interval = parse_seconds(options.interval);
  if (!interval) return complain("--interval: " + interval.error().what(), kUsage, context);
  auto fd = dial(*target, context.timeout);
  if (!fd) return complain(fd.error(), context);
  const bool datagrams = target->transport == Transport::udp;
  EchoClient client(std::move(*fd), datagrams, context);
  const bool shots = !options.words.empty() || options.count > 0;
  if (shots) return run_shots(client, options, *target, *interval, context);
  if (!context.json && ::isatty(STDIN_FILENO) == 1 && context.terminal.is_terminal()) {
    return converse(client, *target, context);
  }
  if (datagrams || context.json) return pipe_lines(client, *target, context);
  const auto done = client.pipe_through();
  return done ? kDone : complain(done.error(), context);
}

}  // namespace netd::ctl
