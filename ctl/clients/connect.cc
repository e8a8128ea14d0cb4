// `netctl connect`: standard input and output, or files, joined to a peer: netcat.
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>

#include "ctl/clients/commands.h"
#include "ctl/clients/dial.h"
#include "ctl/clients/progress.h"
#include "ctl/clients/sha256.h"
#include "ctl/durations.h"
#include "ctl/humanize.h"
#include "ctl/terminal_text.h"
#include "daemon/control/json_text.h"

namespace netd::ctl {

namespace {

/// What went one way.
struct Flow {
  std::uint64_t bytes = 0;
  Sha256 checksum;
};

/// Where bytes come from and go to beside the peer.
struct Ends {
  UniqueFd input_file;
  UniqueFd output_file;
  int input = STDIN_FILENO;
  int output = STDOUT_FILENO;
  std::optional<std::uint64_t> input_size;
};

class Pump {
 public:
  Pump(UniqueFd fd, const Ends& ends, bool datagrams, bool crlf, milliseconds wait)
      : fd_(std::move(fd)),
        ends_(ends),
        datagrams_(datagrams),
        crlf_(crlf),
        wait_(wait),
        to_terminal_(::isatty(ends.output) == 1),
        with_person_(to_terminal_ || (ends.input >= 0 && ::isatty(ends.input) == 1)),
        progress_(ends.input_size) {}

  /// Until both directions have ended.
  ClientResult<void> run();

  Flow sent;
  Flow received;
  /// After it something else may be said on the terminal.
  void end_progress() { progress_.clear(); }
  [[nodiscard]] double seconds() const { return progress_.seconds(); }

 private:
  ClientResult<void> read_input();
  ClientResult<void> write_peer();
  ClientResult<void> read_peer();
  ClientResult<void> write_output(std::string_view data);
  void end_input();
  [[nodiscard]] Deadline patience() const;

  UniqueFd fd_;
  const Ends& ends_;
  const bool datagrams_;
  const bool crlf_;
  const milliseconds wait_;  // for the peer after the input's end; zero: for ever
  const bool to_terminal_;
  const bool with_person_;
  Progress progress_;
  std::array<char, 65536> room_{};
  TerminalText text_;
  std::string unsent_;
  std::size_t unsent_at_ = 0;
  bool after_cr_ = false;
  bool input_ended_ = false;
  bool output_ended_ = false;
};

Deadline Pump::patience() const {
  return input_ended_ && unsent_.empty() ? deadline_of(wait_) : std::nullopt;
}

ClientResult<void> Pump::run() {
  while (!output_ended_) {
    const bool want_input = !input_ended_ && unsent_.empty();
    const auto wanted = static_cast<short>(unsent_.empty() ? POLLIN : POLLIN | POLLOUT);
    std::array<pollfd, 2> watched{
        {{fd_.get(), wanted, 0}, {want_input ? ends_.input : -1, POLLIN, 0}}};
    if (!wait_for_any(watched, patience())) return {};
    if (watched[1].revents != 0) {
      if (auto done = read_input(); !done) return done;
    }
    // Even what was not polled for may go: the call says so when it cannot.
    if (!unsent_.empty()) {
      if (auto done = write_peer(); !done) return done;
    }
    if ((watched[0].revents & ~POLLOUT) != 0) {
      if (auto done = read_peer(); !done) return done;
    }
    // Where somebody types or reads the line would be in his way.
    if (!with_person_) progress_.update(sent.bytes + received.bytes);
  }
  return {};
}

ClientResult<void> Pump::read_input() {
  const ssize_t count = ::read(ends_.input, room_.data(), room_.size());
  if (count < 0) {
    if (errno == EINTR || errno == EAGAIN) return {};
    return std::unexpected(client_error("read", errno));
  }
  if (count == 0) {
    end_input();
    return {};
  }
  const std::string_view data(room_.data(), static_cast<std::size_t>(count));
  if (!crlf_) {
    unsent_ = data;
    return {};
  }
  for (const char c : data) {
    if (c == '\n' && !after_cr_) unsent_ += '\r';
    after_cr_ = c == '\r';
    unsent_ += c;
  }
  return {};
}

/// The peer learns of the end; what it still says is waited for.
void Pump::end_input() {
  input_ended_ = true;
  if (!datagrams_) (void)::shutdown(fd_.get(), SHUT_WR);
}

ClientResult<void> Pump::write_peer() {
  const std::string_view data = std::string_view(unsent_).substr(unsent_at_);
  const ssize_t count = ::send(fd_.get(), data.data(), data.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (count < 0) {
    const int code = errno;
    if (code == EAGAIN || code == EINTR) return {};
    if (code == EPIPE && ends_.input == STDIN_FILENO) {
      // The peer wants no more, and may still have something to say.
      input_ended_ = true;
      unsent_.clear();
      unsent_at_ = 0;
      return {};
    }
    return std::unexpected(client_error("send", code));
  }
  const auto size = static_cast<std::size_t>(count);
  sent.checksum.add(data.substr(0, size));
  sent.bytes += size;
  unsent_at_ += size;
  if (unsent_at_ == unsent_.size()) {
    unsent_.clear();
    unsent_at_ = 0;
  }
  return {};
}

ClientResult<void> Pump::read_peer() {
  const ssize_t count = ::recv(fd_.get(), room_.data(), room_.size(), MSG_DONTWAIT);
  if (count < 0) {
    const int code = errno;
    if (code == EAGAIN || code == EINTR) return {};
    return std::unexpected(client_error("receive", code));
  }
  if (count == 0) {
    output_ended_ = !datagrams_;
    return {};
  }
  const std::string_view data(room_.data(), static_cast<std::size_t>(count));
  received.checksum.add(data);
  received.bytes += data.size();
  // What others send moves no cursor; netctl connect ... | cat lets it.
  return to_terminal_ ? write_output(text_.add(data)) : write_output(data);
}

ClientResult<void> Pump::write_output(std::string_view data) {
  while (!data.empty()) {
    const ssize_t count = ::write(ends_.output, data.data(), data.size());
    if (count > 0) {
      data.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN) {
      (void)wait_for(ends_.output, POLLOUT, std::nullopt);
    } else if (errno != EINTR) {
      return std::unexpected(client_error("write", errno));
    }
  }
  return {};
}

/// The first peer that comes.
ClientResult<UniqueFd> accept_one(const Endpoint& where, milliseconds timeout) {
  auto listening = listen_on(where);
  if (!listening) return listening;
  const bool datagrams = where.transport == Transport::udp;
  const std::string address = local_address(listening->get()).text();
  (void)std::fputs(("netctl: listening on " + address + "\n").c_str(), stderr);
  const Deadline deadline = deadline_of(timeout);
  for (;;) {
    if (!wait_for(listening->get(), POLLIN, deadline)) {
      return std::unexpected(timed_out("wait for a peer on " + address, timeout));
    }
    if (datagrams) {
      Address peer;
      peer.length = sizeof peer.storage;
      char first = 0;
      if (::recvfrom(listening->get(), &first, 1, MSG_PEEK,
                     reinterpret_cast<sockaddr*>(&peer.storage), &peer.length) < 0) {
        continue;
      }
      if (::connect(listening->get(), peer.get(), peer.length) != 0) {
        return std::unexpected(client_error("connect to " + peer.text(), errno));
      }
      return listening;
    }
    UniqueFd fd(::accept4(listening->get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd) {
      if (where.transport == Transport::unix_stream) (void)::unlink(where.name.c_str());
      return fd;
    }
    if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
      return std::unexpected(client_error("accept on " + address, errno));
    }
  }
}

Result<Ends> open_ends(const ConnectOptions& options) {
  Ends ends;
  if (!options.send.empty()) {
    ends.input_file = UniqueFd(::open(options.send.c_str(), O_RDONLY | O_CLOEXEC));
    if (!ends.input_file) return fail_system("open " + options.send, errno);
    struct stat status{};
    if (::fstat(ends.input_file.get(), &status) == 0 && S_ISREG(status.st_mode)) {
      ends.input_size = static_cast<std::uint64_t>(status.st_size);
    }
    ends.input = ends.input_file.get();
  } else if (!options.receive.empty()) {
    // Who only receives says nothing: the peer sees the end at once.
    ends.input_file = UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    ends.input = ends.input_file.get();
  }
  if (!options.receive.empty()) {
    ends.output_file =
        UniqueFd(::open(options.receive.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    if (!ends.output_file) return fail_system("open " + options.receive, errno);
    ends.output = ends.output_file.get();
  }
  return ends;
}

std::string flow_text(const char* what, const std::string& file, Flow& flow, double seconds) {
  const auto bytes = static_cast<double>(flow.bytes);
  return std::string(what) + " " + file + ": " + std::to_string(flow.bytes) + " bytes in " +
         human_seconds(seconds) + " (" + human_bytes(seconds > 0 ? bytes / seconds : 0) +
         "/s), sha256 " + flow.checksum.hex();
}

std::string flow_json(Flow& flow) {
  return control::JsonWriter().add("bytes", flow.bytes).add("sha256", flow.checksum.hex()).object();
}

/// Only where files were named: else the stream itself is all that there is to say.
void report(Pump& pump, const ConnectOptions& options, const Context& context) {
  if (context.json) {
    const std::string line = control::JsonWriter()
                                 .add("status", "ok")
                                 .add_raw("sent", flow_json(pump.sent))
                                 .add_raw("received", flow_json(pump.received))
                                 .add_decimal("duration_s", pump.seconds())
                                 .object() +
                             "\n";
    (void)std::fputs(line.c_str(), context.document);
    return;
  }
  if (!options.send.empty()) {
    complain(flow_text("sent", options.send, pump.sent, pump.seconds()), kDone);
  }
  if (!options.receive.empty()) {
    complain(flow_text("received", options.receive, pump.received, pump.seconds()), kDone);
  }
}

}  // namespace

int run_connect(const ConnectOptions& options, const Context& whole) {
  Context context = whole;
  // Standard output is the peer's unless a file takes what it says.
  if (options.receive.empty()) context.document = stderr;
  const Transport otherwise = options.udp ? Transport::udp : Transport::tcp;
  std::vector<std::string> words = options.target;
  // A port alone is enough to listen.
  const bool bare =
      options.listen && words.size() == 1 && words[0].find_first_of(":/") == std::string::npos;
  if (bare) words = {"*", words[0]};
  const auto target = parse_target(words, otherwise);
  if (!target) return complain(target.error().what(), kUsage, whole);
  const bool datagrams = target->transport == Transport::udp;
  milliseconds wait = datagrams ? milliseconds(1000) : milliseconds(0);
  if (!options.wait.empty()) {
    const auto given = parse_seconds(options.wait);
    if (!given) return complain("--wait: " + given.error().what(), kUsage, whole);
    wait = std::max(*given, milliseconds(1));
  }
  auto ends = open_ends(options);
  if (!ends) return complain(ends.error().what(), kFailed, context);
  auto fd = options.listen
                ? accept_one(*target, context.timeout_given ? context.timeout : milliseconds(0))
                : dial(*target, context.timeout);
  if (!fd) return complain(fd.error(), context);
  Pump pump(std::move(*fd), *ends, datagrams, options.crlf, wait);
  const auto done = pump.run();
  pump.end_progress();
  if (!done) return complain(done.error(), context);
  if (ends->output_file && ::fsync(ends->output_file.get()) != 0 && errno != EINVAL) {
    return complain(system_error("write " + options.receive, errno).what(), kFailed, context);
  }
  if (ends->input_size && pump.sent.bytes < *ends->input_size) {
    return complain(options.send + ": the peer closed before all of it was sent", kFailed, context);
  }
  report(pump, options, context);
  return kDone;
}

}  // namespace netd::ctl
