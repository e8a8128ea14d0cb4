// Datagrams to an echo service: how many a second come back, and which do not.
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <memory>

#include "ctl/clients/load.h"
#include "ctl/clients/load_pattern.h"
#include "ctl/waiting.h"

namespace netd::ctl {

namespace {

using Time = Moment::duration;

// Under way at once over all streams where no rate is asked for: with the largest that fit an
// Ethernet frame, less than a socket's buffer holds by default.
constexpr std::size_t kWindow = 64;
// What is older than so many later ones is lost, even if it comes.
constexpr std::size_t kTracked = 65536;

double seconds_of(Time time) { return std::chrono::duration<double>(time).count(); }

/// The numbers of one stream: which are under way, and which were seen.
class Ledger {
 public:
  [[nodiscard]] std::uint64_t next() const { return next_; }
  [[nodiscard]] std::size_t outstanding() const { return outstanding_; }

  void sent(Moment at) {
    seen_[next_ % kTracked] = false;
    under_way_.push_back(at);
    ++outstanding_;
    ++next_;
    if (under_way_.size() == kTracked) pop();
  }

  /// Counts one that has come; nothing when its time is not to be had.
  std::optional<Time> came(std::uint64_t number, Moment at, DatagramFigures& figures) {
    if (next_ - number > kTracked) return std::nullopt;
    if (seen_[number % kTracked]) {
      ++figures.duplicated;
      return std::nullopt;
    }
    seen_[number % kTracked] = true;
    ++figures.received;
    if (number < highest_) ++figures.reordered;
    highest_ = std::max(highest_, number);
    const std::uint64_t first = next_ - under_way_.size();
    if (number < first) return std::nullopt;
    --outstanding_;
    return at - under_way_[number - first];
  }

  /// Those that were sent before are waited for no longer; they count when they still come.
  void give_up_before(Moment moment) {
    while (!under_way_.empty()) {
      const bool seen = seen_[(next_ - under_way_.size()) % kTracked];
      if (!seen && under_way_.front() >= moment) break;
      pop();
    }
  }
  /// When the oldest that is waited for was sent.
  [[nodiscard]] std::optional<Moment> oldest() const {
    return under_way_.empty() ? std::nullopt : std::optional(under_way_.front());
  }

 private:
  void pop() {
    if (!seen_[(next_ - under_way_.size()) % kTracked]) --outstanding_;
    under_way_.pop_front();
  }

  std::uint64_t next_ = 0;
  std::uint64_t highest_ = 0;
  std::size_t outstanding_ = 0;   // of under_way_, those not seen
  std::deque<Moment> under_way_;  // when the last ones before next_ were sent
  std::vector<bool> seen_ = std::vector<bool>(kTracked);
};

struct Stream {
  UniqueFd fd;
  Ledger ledger;
};

class Run {
 public:
  Run(const DatagramLoad& load, const LoadListener& listener) : load_(load), listener_(listener) {
    (void)!::getrandom(token_.data(), token_.size(), 0);  // zeros do nearly as well
    figures_.datagrams.emplace().size = load.size;
    window_ = std::max<std::size_t>(kWindow / load.streams, 1);
  }

  LoadFigures run(std::vector<UniqueFd> sockets) {
    for (auto& fd : sockets) streams_.push_back({std::move(fd), {}});
    begin_ = last_received_ = now();
    constexpr int kParts = 50;
    part_ = std::max<Time>(load_.time / kParts, milliseconds(50));
    part_end_ = begin_ + part_;
    while (!done() && !figures_.error) turn();
    count_up();
    return std::move(figures_);
  }

 private:
  [[nodiscard]] DatagramFigures& counts() { return *figures_.datagrams; }

  /// After the end the last ones get the time that a slow way back takes.
  [[nodiscard]] bool done() {
    if (!stopped_at_) return false;
    if (counts().received == counts().sent) return true;
    constexpr milliseconds kGrace{1000};
    const bool given = load_.patience > milliseconds(0);
    const Time grace = std::max<Time>(given ? std::min(load_.patience, kGrace) : kGrace,
                                      round_trip_.value_or(Time(0)) * 2);
    return now() > std::max(*stopped_at_, last_received_) + grace;
  }

  /// How long one may be under way before the next takes its place.
  [[nodiscard]] Time tolerance() const {
    if (!round_trip_) return std::chrono::seconds(1);
    return std::max<Time>(*round_trip_ * 4, milliseconds(20));
  }

  /// How many may leave now by the rate that is asked for.
  [[nodiscard]] std::uint64_t due() {
    const double whole = load_.bytes_per_second * seconds_of(now() - begin_);
    const auto due = static_cast<std::uint64_t>(whole / static_cast<double>(load_.size));
    const std::uint64_t gone = counts().sent + passed_over_;
    if (due <= gone) return 0;
    // What a pause has kept from leaving does not leave at once afterwards.
    constexpr std::uint64_t kBurst = 256;
    if (due - gone > kBurst) passed_over_ += due - gone - kBurst;
    return std::min(due - gone, kBurst);
  }

  [[nodiscard]] bool may_send(const Stream& stream) const {
    return load_.bytes_per_second > 0 || stream.ledger.outstanding() < window_;
  }

  void turn() {
    for (Stream& stream : streams_) stream.ledger.give_up_before(now() - tolerance());
    if (!stopped_at_) send_all_round();
    std::vector<pollfd> watched;
    for (const Stream& stream : streams_) {
      const bool blocked = blocked_ && !stopped_at_;
      watched.push_back(
          {stream.fd.get(), static_cast<short>(blocked ? POLLIN | POLLOUT : POLLIN), 0});
    }
    (void)wait_for_any(watched, wake_up());
    for (std::size_t i = 0; i < streams_.size() && !figures_.error; ++i) {
      if (watched[i].revents != 0) receive(streams_[i]);
    }
    look_at_time();
  }

  [[nodiscard]] Moment wake_up() const {
    const Moment time = now();
    Moment until = std::min(part_end_, time + milliseconds(100));
    if (stopped_at_) return until;
    until = std::min(until, begin_ + load_.time);
    if (load_.bytes_per_second > 0) return std::min(until, time + milliseconds(1));
    for (const Stream& stream : streams_) {
      if (const auto oldest = stream.ledger.oldest()) {
        until = std::min(until, *oldest + tolerance());
      }
    }
    return until;
  }

  void send_all_round() {
    std::uint64_t left = load_.bytes_per_second > 0 ? due() : streams_.size() * window_;
    blocked_ = false;
    for (bool any = true; any && left > 0 && !figures_.error;) {
      any = false;
      for (Stream& stream : streams_) {
        if (left == 0 || !may_send(stream) || !send(stream)) continue;
        any = true;
        --left;
      }
    }
  }

  bool send(Stream& stream) {
    const std::uint64_t number = stream.ledger.next();
    fill(number);
    const ssize_t count =
        ::send(stream.fd.get(), message_.data(), load_.size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0) {
      const int code = errno;
      blocked_ = code == EAGAIN || code == ENOBUFS || code == EINTR;
      if (!blocked_) figures_.error = client_error("send", code);
      return false;
    }
    stream.ledger.sent(now());
    ++counts().sent;
    return true;
  }

  /// The run's token, the number, and the pattern from a place that the number chooses.
  void fill(std::uint64_t number) {
    std::memcpy(message_.data(), token_.data(), token_.size());
    std::memcpy(message_.data() + token_.size(), &number, sizeof number);
    std::memcpy(message_.data() + kLeastDatagram, load_pattern(number * 31),
                load_.size - kLeastDatagram);
  }

  void receive(Stream& stream) {
    constexpr int kAtOnce = 256;
    for (int i = 0; i < kAtOnce; ++i) {
      const ssize_t count = ::recv(stream.fd.get(), room_.data(), room_.size(), MSG_DONTWAIT);
      if (count < 0) {
        const int code = errno;
        if (code != EAGAIN && code != EINTR) figures_.error = client_error("receive", code);
        return;
      }
      std::uint64_t number = 0;
      std::memcpy(&number, room_.data() + token_.size(), sizeof number);
      if (static_cast<std::size_t>(count) == load_.size && number < stream.ledger.next()) {
        fill(number);
      } else {
        message_[0] = static_cast<char>(~room_[0]);
      }
      if (std::memcmp(room_.data(), message_.data(), load_.size) != 0) {
        figures_.error = {Trouble::failed, "what came back is not what was sent"};
        return;
      }
      last_received_ = now();
      const auto time = stream.ledger.came(number, last_received_, counts());
      // As TCP smooths it (RFC 6298).
      if (time) round_trip_ = round_trip_ ? *round_trip_ + (*time - *round_trip_) / 8 : *time;
    }
  }

  void look_at_time() {
    const Moment time = now();
    if (time >= part_end_) {
      const std::uint64_t moved = (counts().sent + counts().received) * load_.size;
      const double rate =
          static_cast<double>(moved - moved_before_) / seconds_of(time - (part_end_ - part_));
      moved_before_ = moved;
      part_end_ = time + part_;
      if (!stopped_at_) figures_.rates.push_back(rate);
      if (!listener_(rate)) stop();
    }
    if (time >= begin_ + load_.time) stop();
  }

  void stop() {
    if (!stopped_at_) stopped_at_ = now();
  }

  void count_up() {
    stop();
    figures_.sent = counts().sent * load_.size;
    figures_.received = counts().received * load_.size;
    figures_.send_seconds = seconds_of(*stopped_at_ - begin_);
    figures_.receive_seconds = seconds_of(last_received_ - begin_);
    figures_.verified = !figures_.error && counts().received > 0;
    if (!figures_.error && counts().received == 0) {
      figures_.error = {Trouble::timed_out, "no datagram came back"};
    }
  }

  const DatagramLoad& load_;
  const LoadListener& listener_;
  std::size_t window_ = 1;  // of each stream
  std::vector<Stream> streams_;
  LoadFigures figures_;
  std::array<char, kLeastDatagram - sizeof(std::uint64_t)> token_{};
  Moment begin_;
  Moment last_received_;
  Moment part_end_;
  Time part_{};
  std::optional<Moment> stopped_at_;
  std::optional<Time> round_trip_;
  std::uint64_t moved_before_ = 0;
  std::uint64_t passed_over_ = 0;  // due by the rate, and never sent
  bool blocked_ = false;           // the system took no more
  std::array<char, 65536> message_{};
  std::array<char, 65536> room_{};
};

}  // namespace

LoadFigures run_datagrams(const Endpoint& target, const DatagramLoad& load,
                          const LoadListener& listener) {
  std::vector<UniqueFd> sockets;
  for (std::size_t i = 0; i < load.streams; ++i) {
    auto fd = dial(target, load.patience);
    if (!fd) {
      LoadFigures nothing;
      nothing.error = fd.error();
      return nothing;
    }
    sockets.push_back(std::move(*fd));
  }
  const auto run = std::make_unique<Run>(load, listener);
  return run->run(std::move(sockets));
}

}  // namespace netd::ctl
