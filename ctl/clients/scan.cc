// `netctl scan`: which TCP ports of a host are open, by connecting to each.
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

enum class PortState : std::uint8_t { open, closed, filtered };

struct Finding {
  std::uint16_t port = 0;
  PortState state = PortState::filtered;
  double milliseconds = 0;
};

std::string_view state_name(PortState state) {
  switch (state) {
    case PortState::open:
      return "open";
    case PortState::closed:
      return "closed";
    case PortState::filtered:
      break;
  }
  return "filtered";
}

/// A refusal is the host's own word; silence, and a router's "no", is a filter's.
PortState state_of(int code) {
  if (code == 0) return PortState::open;
  return code == ECONNREFUSED ? PortState::closed : PortState::filtered;
}

class Scan {
 public:
  Scan(Address address, milliseconds timeout, std::size_t parallel)
      : address_(address), timeout_(timeout), parallel_(parallel) {}

  /// In the order of `ports`.
  std::vector<Finding> run(const std::vector<std::uint16_t>& ports) {
    findings_.resize(ports.size());
    while (next_ < ports.size() || !probes_.empty()) {
      while (next_ < ports.size() && probes_.size() < parallel_ && start(ports[next_])) ++next_;
      if (probes_.empty()) continue;
      (void)wait_for_any(watched_, probes_.front().begin + timeout_);
      collect();
    }
    return std::move(findings_);
  }

 private:
  struct Probe {
    UniqueFd fd;
    std::size_t place;  // in findings_
    Moment begin;
  };

  /// False when there are no more descriptors for now.
  bool start(std::uint16_t port) {
    findings_[next_].port = port;
    Address address = address_;
    address.set_port(port);
    UniqueFd fd(::socket(address.get()->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS) && !probes_.empty()) {
      parallel_ = probes_.size();
      return false;
    }
    const Moment begin = std::chrono::steady_clock::now();
    const int code = !fd || ::connect(fd.get(), address.get(), address.length) != 0 ? errno : 0;
    if (code == EINPROGRESS) {
      watched_.push_back({fd.get(), POLLOUT, 0});
      probes_.push_back({std::move(fd), next_, begin});
    } else {
      note(next_, state_of(code), begin);
    }
    return true;
  }

  void collect() {
    const Moment now = std::chrono::steady_clock::now();
    std::size_t kept = 0;
    for (std::size_t i = 0; i < probes_.size(); ++i) {
      Probe& probe = probes_[i];
      if (watched_[i].revents != 0) {
        int code = 0;
        socklen_t length = sizeof code;
        if (::getsockopt(probe.fd.get(), SOL_SOCKET, SO_ERROR, &code, &length) != 0) code = errno;
        note(probe.place, state_of(code), probe.begin);
      } else if (now >= probe.begin + timeout_) {
        note(probe.place, PortState::filtered, probe.begin);
      } else {
        if (kept != i) {
          watched_[kept] = watched_[i];
          probes_[kept] = std::move(probe);
        }
        ++kept;
      }
    }
    watched_.resize(kept);
    probes_.erase(probes_.begin() + static_cast<std::ptrdiff_t>(kept), probes_.end());
  }

  void note(std::size_t place, PortState state, Moment begin) {
    findings_[place].state = state;
    findings_[place].milliseconds =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
  }

  const Address address_;
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

std::string findings_json(const std::vector<Finding>& findings, const ScanOptions& options,
                          const Address& address, double seconds) {
  std::vector<std::string> ports;
  std::array<std::int64_t, 3> counts{};
  for (const Finding& one : findings) {
    ++counts.at(static_cast<std::size_t>(one.state));
    if (options.open && one.state != PortState::open) continue;
    control::JsonWriter writer;
    writer.add("port", static_cast<std::int64_t>(one.port)).add("state", state_name(one.state));
    const std::string service = service_name(one.port);
    if (!service.empty()) writer.add("service", service);
    if (one.state != PortState::filtered) writer.add_decimal("time_ms", one.milliseconds);
    ports.push_back(writer.object());
  }
  return control::JsonWriter()
      .add("status", "ok")
      .add("host", options.host)
      .add("address", address.ip())
      .add("open", counts[0])
      .add("closed", counts[1])
      .add("filtered", counts[2])
      .add_decimal("duration_s", seconds)
      .add_raw("ports", control::json_array(ports))
      .object();
}

std::string findings_text(const std::vector<Finding>& findings, const ScanOptions& options,
                          const Address& address, double seconds, const Terminal& terminal) {
  constexpr std::size_t kFew = 20;
  const bool all = (options.all || findings.size() <= kFew) && !options.open;
  Table table({">PORT", "STATE", ">TIME", "SERVICE"});
  std::array<std::size_t, 3> counts{};
  for (const Finding& one : findings) {
    ++counts.at(static_cast<std::size_t>(one.state));
    if (!all && one.state != PortState::open) continue;
    table.add({std::to_string(one.port), std::string(state_name(one.state)),
               one.state == PortState::filtered ? "-" : human_milliseconds(one.milliseconds),
               service_name(one.port)});
  }
  std::string out = table.empty() ? "" : table.text(terminal) + "\n";
  out += options.host + (options.host == address.ip() ? "" : " (" + address.ip() + ")") + ": " +
         std::to_string(counts[0]) + " open, " + std::to_string(counts[1]) + " closed, " +
         std::to_string(counts[2]) + " filtered, in " + human_milliseconds(seconds * 1000) + "\n";
  return out;
}

}  // namespace

int run_scan(const ScanOptions& options, const Context& context) {
  const auto ports = parse_ports(options.ports);
  if (!ports) return complain(ports.error().what(), kUsage, context);
  const auto target = parse_target({options.host, "0"}, Transport::tcp);
  if (!target) return complain(target.error().what(), kUsage, context);
  const auto addresses = resolve(*target, deadline_of(context.timeout));
  if (!addresses) return complain(addresses.error(), context);
  // Of a name with several addresses the preferred one is scanned, and named.
  const Address& address = addresses->front();
  constexpr milliseconds kDefault{2000};
  const bool given = context.timeout_given && context.timeout > milliseconds(0);
  Scan scan(address, given ? context.timeout : kDefault,
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
