// `netctl scan`: which ports of a host are open, by connecting or sending a datagram to each.
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "ctl/clients/commands.h"
#include "ctl/clients/dial.h"
#include "ctl/clients/port_ranges.h"
#include "ctl/humanize.h"
#include "daemon/control/json_text.h"

namespace netd::ctl {

namespace {

enum class PortState : std::uint8_t { open, closed, filtered, silent };

struct Finding {
  std::uint16_t port = 0;
  PortState state = PortState::filtered;
  double milliseconds = 0;

  /// Whether somebody said something, at a time that can be told.
  [[nodiscard]] bool is_answered() const {
    return state == PortState::open || state == PortState::closed;
  }
};

std::string_view state_name(PortState state) {
  switch (state) {
    case PortState::open:
      return "open";
    case PortState::closed:
      return "closed";
    case PortState::silent:
      return "open|filtered";
    case PortState::filtered:
      break;
  }
  return "filtered";
}

/// A refusal is the host's own word, over udp by ICMP (RFC 1122, section 4.1.3.1); silence, and a
/// router's "no", is a filter's.
PortState state_of(int code) {
  if (code == 0) return PortState::open;
  return code == ECONNREFUSED ? PortState::closed : PortState::filtered;
}

/// What makes a service of that port answer over udp; any other gets a line.
std::string_view datagram_for(std::uint16_t port) {
  using namespace std::string_view_literals;
  switch (port) {
    case 53:  // RFC 1035: the name servers of the root
      return "\x4e\x43\x01\0\0\x01\0\0\0\0\0\0\0\0\x02\0\x01"sv;
    case 123: {  // RFC 5905: a client's request, version 4
      static constexpr std::array<char, 48> kRequest = {0x23};
      return {kRequest.data(), kRequest.size()};
    }
    default:
      return "netctl\r\n"sv;
  }
}

class Scan {
 public:
  Scan(Address address, bool datagrams, milliseconds timeout, std::size_t parallel)
      : address_(address), datagrams_(datagrams), timeout_(timeout), parallel_(parallel) {}

  /// In the order of `ports`.
  std::vector<Finding> run(const std::vector<std::uint16_t>& ports) {
    findings_.resize(ports.size());
    while (next_ < ports.size() || !probes_.empty()) {
      while (next_ < ports.size() && probes_.size() < parallel_ && start(ports[next_])) ++next_;
      if (probes_.empty()) continue;
      (void)wait_for_any(watched_, wake_up());
      collect();
    }
    return std::move(findings_);
  }

 private:
  // A host does not send as many refusals by ICMP as it could (RFC 1812, section 4.3.2.8).
  static constexpr int kDatagrams = 4;

  struct Probe {
    UniqueFd fd;
    std::size_t place;  // in findings_
    Moment begin;
    int sent = 1;  // datagrams
  };

  [[nodiscard]] Moment due(const Probe& probe) const {
    return probe.begin + timeout_ * probe.sent / (datagrams_ ? kDatagrams : 1);
  }

  [[nodiscard]] Moment wake_up() const {
    // The oldest is the first to give up; of datagrams another may be due to be sent again.
    if (!datagrams_) return due(probes_.front());
    return due(*std::ranges::min_element(probes_, {}, [&](const Probe& p) { return due(p); }));
  }

  /// False when there are no more descriptors for now.
  bool start(std::uint16_t port) {
    findings_[next_].port = port;
    Address address = address_;
    address.set_port(port);
    const int type = (datagrams_ ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
    UniqueFd fd(::socket(address.get()->sa_family, type, 0));
    if (!fd && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS) && !probes_.empty()) {
      parallel_ = probes_.size();
      return false;
    }
    const Moment begin = std::chrono::steady_clock::now();
    int code = !fd || ::connect(fd.get(), address.get(), address.length) != 0 ? errno : 0;
    if (datagrams_ && code == 0) code = is_own(fd) ? ECONNREFUSED : ask(fd, port);
    if (code == EINPROGRESS) {
      watched_.push_back({fd.get(), static_cast<short>(datagrams_ ? POLLIN : POLLOUT), 0});
      probes_.push_back({std::move(fd), next_, begin});
    } else {
      note(next_, state_of(code), begin);
    }
    return true;
  }

  /// The system may choose the port that is asked for as the socket's own: then it talks to itself,
  /// and nobody else has that port.
  static bool is_own(const UniqueFd& fd) {
    return local_address(fd.get()).text() == peer_address(fd.get()).text();
  }

  /// EINPROGRESS: what becomes of it is not known yet.
  static int ask(const UniqueFd& fd, std::uint16_t port) {
    const std::string_view datagram = datagram_for(port);
    const bool sent = ::send(fd.get(), datagram.data(), datagram.size(), MSG_NOSIGNAL) >= 0;
    return sent || errno == EAGAIN || errno == ENOBUFS ? EINPROGRESS : errno;
  }

  /// 0: somebody is there.
  [[nodiscard]] int result_of(const Probe& probe) const {
    int code = 0;
    if (datagrams_) {
      char byte = 0;
      return ::recv(probe.fd.get(), &byte, 1, MSG_DONTWAIT) < 0 ? errno : 0;
    }
    socklen_t length = sizeof code;
    if (::getsockopt(probe.fd.get(), SOL_SOCKET, SO_ERROR, &code, &length) != 0) code = errno;
    return code == 0 && is_own(probe.fd) ? ECONNREFUSED : code;
  }

  void collect() {
    const Moment now = std::chrono::steady_clock::now();
    std::size_t kept = 0;
    for (std::size_t i = 0; i < probes_.size(); ++i) {
      if (is_settled(probes_[i], watched_[i].revents != 0, now)) continue;
      if (kept != i) {
        watched_[kept] = watched_[i];
        probes_[kept] = std::move(probes_[i]);
      }
      ++kept;
    }
    watched_.resize(kept);
    probes_.erase(probes_.begin() + static_cast<std::ptrdiff_t>(kept), probes_.end());
  }

  bool is_settled(Probe& probe, bool ready, Moment now) {
    int code = ready ? result_of(probe) : EINPROGRESS;
    if (code == EAGAIN) code = EINPROGRESS;
    if (code == EINPROGRESS && now >= due(probe)) {
      if (!datagrams_ || probe.sent == kDatagrams) {
        note(probe.place, datagrams_ ? PortState::silent : PortState::filtered, probe.begin);
        return true;
      }
      ++probe.sent;
      code = ask(probe.fd, findings_[probe.place].port);
    }
    if (code == EINPROGRESS) return false;
    note(probe.place, state_of(code), probe.begin);
    return true;
  }

  void note(std::size_t place, PortState state, Moment begin) {
    findings_[place].state = state;
    findings_[place].milliseconds =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
  }

  const Address address_;
  const bool datagrams_;
  const milliseconds timeout_;
  std::size_t parallel_;
  std::size_t next_ = 0;         // of the ports
  std::vector<Probe> probes_;    // oldest first
  std::vector<pollfd> watched_;  // of probes_, in the same order
  std::vector<Finding> findings_;
};

/// As many sockets as the system lets this process have, less what it has already.
std::size_t descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 256;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
  constexpr rlim_t kInUse = 16;
  return static_cast<std::size_t>(std::max<rlim_t>(limit.rlim_cur, kInUse + 1) - kInUse);
}

using Counts = std::array<std::size_t, 4>;  // by PortState

Counts counts_of(const std::vector<Finding>& findings) {
  Counts counts{};
  for (const Finding& one : findings) ++counts.at(static_cast<std::size_t>(one.state));
  return counts;
}

std::size_t count_of(const Counts& counts, PortState state) {
  return counts.at(static_cast<std::size_t>(state));
}

std::string findings_json(const std::vector<Finding>& findings, const ScanOptions& options,
                          const Address& address, double seconds) {
  std::vector<std::string> ports;
  const Counts counts = counts_of(findings);
  for (const Finding& one : findings) {
    if (options.open && one.state != PortState::open) continue;
    control::JsonWriter writer;
    writer.add("port", static_cast<std::int64_t>(one.port)).add("state", state_name(one.state));
    const std::string service = service_name(one.port, options.udp ? "udp" : "tcp");
    if (!service.empty()) writer.add("service", service);
    if (one.is_answered()) writer.add_decimal("time_ms", one.milliseconds);
    ports.push_back(writer.object());
  }
  control::JsonWriter writer;
  writer.add("status", "ok")
      .add("host", options.host)
      .add("address", address.ip())
      .add("transport", options.udp ? "udp" : "tcp")
      .add("open", std::uint64_t{count_of(counts, PortState::open)})
      .add("closed", std::uint64_t{count_of(counts, PortState::closed)})
      .add("filtered", std::uint64_t{count_of(counts, PortState::filtered)});
  if (options.udp) {
    writer.add("open_or_filtered", std::uint64_t{count_of(counts, PortState::silent)});
  }
  return writer.add_decimal("duration_s", seconds)
      .add_raw("ports", control::json_array(ports))
      .object();
}

std::string findings_text(const std::vector<Finding>& findings, const ScanOptions& options,
                          const Address& address, double seconds, const Terminal& terminal) {
  constexpr std::size_t kFew = 20;
  const Counts counts = counts_of(findings);
  const bool all = options.all || findings.size() <= kFew;
  // Over udp few services answer a stranger: where most ports are closed these are worth a look.
  const bool silent = count_of(counts, PortState::silent) <= kFew;
  const auto is_shown = [&](PortState state) {
    if (state == PortState::open) return true;
    return !options.open && (all || (silent && state == PortState::silent));
  };
  Table table({">PORT", "STATE", ">TIME", "SERVICE"});
  for (const Finding& one : findings) {
    if (!is_shown(one.state)) continue;
    table.add({std::to_string(one.port), std::string(state_name(one.state)),
               one.is_answered() ? human_milliseconds(one.milliseconds) : "-",
               service_name(one.port, options.udp ? "udp" : "tcp")});
  }
  std::string out = table.empty() ? "" : table.text(terminal) + "\n";
  out += options.host + (options.host == address.ip() ? "" : " (" + address.ip() + ")") + ":";
  for (const auto state :
       {PortState::open, PortState::closed, PortState::filtered, PortState::silent}) {
    if (state == PortState::silent && !options.udp) continue;
    out +=
        " " + std::to_string(count_of(counts, state)) + " " + std::string(state_name(state)) + ",";
  }
  return out + " in " + human_milliseconds(seconds * 1000) + "\n";
}

}  // namespace

int run_scan(const ScanOptions& options, const Context& context) {
  const auto ports = parse_ports(options.ports, options.udp ? "udp" : "tcp");
  if (!ports) return complain(ports.error().what(), kUsage, context);
  const auto target = parse_target({options.host, "0"}, Transport::tcp);
  if (!target) return complain(target.error().what(), kUsage, context);
  const auto addresses = resolve(*target, deadline_of(context.timeout));
  if (!addresses) return complain(addresses.error(), context);
  // Of a name with several addresses the preferred one is scanned, and named.
  const Address& address = addresses->front();
  constexpr milliseconds kDefault{2000};
  const bool given = context.timeout_given && context.timeout > milliseconds(0);
  Scan scan(address, options.udp, given ? context.timeout : kDefault,
            std::min(options.parallel, descriptor_limit()));
  const Moment begin = std::chrono::steady_clock::now();
  const auto findings = scan.run(*ports);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  print(context.json ? findings_json(findings, options, address, seconds) + "\n"
                     : findings_text(findings, options, address, seconds, context.terminal));
  return kDone;
}

}  // namespace netd::ctl
