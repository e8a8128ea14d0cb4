#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "ctl/clients/load.h"
#include "ctl/clients/load_pattern.h"
#include "ctl/waiting.h"

namespace netd::ctl {

namespace {

double seconds_between(Moment begin, Moment end) {
  return std::chrono::duration<double>(end - begin).count();
}

struct Stream {
  UniqueFd fd;
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  bool shut = false;
  bool ended = false;  // by the peer

  /// What lies in this system still.
  [[nodiscard]] std::uint64_t unsent() const {
    int bytes = 0;
    return ::ioctl(fd.get(), SIOCOUTQ, &bytes) == 0 && bytes > 0 ? static_cast<std::uint64_t>(bytes)
                                                                 : 0;
  }
};

class Load {
 public:
  Load(LoadMode mode, milliseconds time, milliseconds patience, const LoadListener& listener)
      : mode_(mode), time_(time), patience_(patience), listener_(listener) {}

  LoadFigures run(std::vector<UniqueFd> connections) {
    for (auto& fd : connections) streams_.push_back({std::move(fd)});
    begin_ = last_sent_ = last_received_ = moved_at_ = now();
    constexpr int kParts = 50;
    part_ = std::max<Moment::duration>(time_ / kParts, milliseconds(50));
    part_end_ = begin_ + part_;
    while (!done() && !figures_.error) turn();
    count_up();
    return std::move(figures_);
  }

 private:
  [[nodiscard]] bool sending() const { return mode_ != LoadMode::receive && !stopped_; }

  /// The time is up, and in echo mode all is back.
  [[nodiscard]] bool done() const {
    if (!stopped_) return false;
    if (mode_ != LoadMode::echo) return true;
    return std::ranges::all_of(streams_, [](const Stream& s) { return s.received >= s.sent; });
  }

  void turn() {
    std::vector<pollfd> watched;
    for (const Stream& stream : streams_) {
      const auto events =
          static_cast<short>((stream.ended ? 0 : POLLIN) | (sending() ? POLLOUT : 0));
      watched.push_back({stream.ended && events == 0 ? -1 : stream.fd.get(), events, 0});
    }
    Moment until = part_end_;
    if (!stopped_) until = std::min(until, begin_ + time_);
    (void)wait_for_any(watched, until);
    for (std::size_t i = 0; i < streams_.size() && !figures_.error; ++i) {
      if ((watched[i].revents & ~POLLOUT) != 0) receive(streams_[i]);
      if ((watched[i].revents & POLLOUT) != 0 && sending()) send(streams_[i]);
    }
    look_at_time();
  }

  void look_at_time() {
    const Moment time = now();
    if (time >= part_end_) {
      std::uint64_t moved = 0;
      for (const Stream& stream : streams_) moved += stream.sent + stream.received;
      const double rate =
          static_cast<double>(moved - moved_before_) / seconds_between(part_end_ - part_, time);
      moved_before_ = moved;
      part_end_ = time + part_;
      if (!stopped_) figures_.rates.push_back(rate);
      if (!listener_(rate)) stop();
    }
    if (time >= begin_ + time_) stop();
    const bool all_ended = std::ranges::all_of(streams_, &Stream::ended);
    if (all_ended && mode_ == LoadMode::receive) stop();
    if (patience_ > milliseconds(0) && time > moved_at_ + patience_) {
      figures_.error = timed_out("waiting for the peer", patience_);
    }
  }

  void stop() {
    if (stopped_) return;
    stopped_ = true;
    stopped_at_ = now();
    for (Stream& stream : streams_) stream.sent -= mode_ == LoadMode::send ? stream.unsent() : 0;
    for (Stream& stream : streams_) {
      acknowledged_ += stream.sent - (mode_ == LoadMode::echo ? stream.unsent() : 0);
      if (mode_ != LoadMode::receive) (void)::shutdown(stream.fd.get(), SHUT_WR);
    }
  }

  void send(Stream& stream) {
    const char* const data = load_pattern(stream.sent);
    const ssize_t count = ::send(stream.fd.get(), data, kLoadChunk, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count > 0) {
      stream.sent += static_cast<std::uint64_t>(count);
      last_sent_ = moved_at_ = now();
    } else if (errno != EAGAIN && errno != EINTR) {
      figures_.error = client_error("send", errno);
    }
  }

  void receive(Stream& stream) {
    const ssize_t count = ::recv(stream.fd.get(), room_.data(), room_.size(), MSG_DONTWAIT);
    if (count < 0) {
      const int code = errno;
      if (code != EAGAIN && code != EINTR) figures_.error = client_error("receive", code);
      return;
    }
    if (count == 0) {
      stream.ended = true;
      // A service that only reads may end its side at once.
      if (mode_ == LoadMode::echo && stream.received < stream.sent) {
        figures_.error = {Trouble::closed, "the peer closed before all had come back"};
      }
      return;
    }
    const auto size = static_cast<std::size_t>(count);
    if (mode_ == LoadMode::echo &&
        (stream.received + size > stream.sent ||
         std::memcmp(room_.data(), load_pattern(stream.received), size) != 0)) {
      figures_.error = {Trouble::failed, "what came back is not what was sent, near byte " +
                                             std::to_string(stream.received)};
    }
    stream.received += size;
    last_received_ = moved_at_ = now();
  }

  void count_up() {
    if (!stopped_) stop();
    figures_.sent = acknowledged_;
    for (const Stream& stream : streams_) figures_.received += stream.received;
    figures_.send_seconds = mode_ == LoadMode::receive ? 0 : seconds_between(begin_, stopped_at_);
    figures_.receive_seconds = seconds_between(begin_, last_received_);
    figures_.verified = mode_ == LoadMode::echo && !figures_.error && figures_.received > 0;
  }

  const LoadMode mode_;
  const milliseconds time_;
  const milliseconds patience_;
  const LoadListener& listener_;
  std::vector<Stream> streams_;
  LoadFigures figures_;
  Moment begin_;
  Moment last_sent_;
  Moment last_received_;
  Moment moved_at_;
  Moment part_end_;
  Moment::duration part_{};
  Moment stopped_at_;
  std::uint64_t moved_before_ = 0;
  std::uint64_t acknowledged_ = 0;
  bool stopped_ = false;
  std::array<char, kLoadChunk> room_{};
};

}  // namespace

LoadFigures run_load(const Endpoint& target, LoadMode mode, std::size_t streams, milliseconds time,
                     milliseconds patience, const LoadListener& listener) {
  std::vector<UniqueFd> connections;
  for (std::size_t i = 0; i < streams; ++i) {
    auto fd = dial(target, patience);
    if (!fd) {
      LoadFigures nothing;
      nothing.error = fd.error();
      return nothing;
    }
    connections.push_back(std::move(*fd));
  }
  const auto load = std::make_unique<Load>(mode, time, patience, listener);
  return load->run(std::move(connections));
}

}  // namespace netd::ctl
