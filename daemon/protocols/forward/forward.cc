#include "daemon/protocols/forward/forward.h"

#include <array>
#include <string_view>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/protocols/forward/session.h"

namespace netd {

namespace forward {

Target::Target(std::string listener, Endpoint endpoint, const Clock& clock,
               Resolver::LookUp look_up)
    : listener_(std::move(listener)), endpoint_(std::move(endpoint)) {
  if (endpoint_.transport != Transport::tcp) return;
  resolver_ = std::make_unique<Resolver>(endpoint_.host, endpoint_.port, clock, std::move(look_up));
}

void Target::failed(const std::string& why) {
  const bool first = !down_.exchange(true, std::memory_order_relaxed);
  LogEntry(first ? LogLevel::warning : LogLevel::debug, "forward_failed")
      .listener(listener_)
      .protocol("forward")
      .send("listener " + listener_ + ": " + why);
}

void Target::reached() {
  if (!down_.load(std::memory_order_relaxed)) return;
  if (!down_.exchange(false, std::memory_order_relaxed)) return;
  LogEntry(LogLevel::info, "forward_recovered")
      .listener(listener_)
      .protocol("forward")
      .send("listener " + listener_ + ": " + endpoint_.text() + " answers again");
}

Forward::Forward(std::shared_ptr<Target> target, std::chrono::milliseconds connect_timeout,
                 std::chrono::milliseconds idle_timeout)
    : settings_{.target = std::move(target),
                .connect_timeout = connect_timeout,
                .idle_timeout = idle_timeout,
                .counters = {}} {}

std::unique_ptr<Session> Forward::open(Connection& connection) {
  return std::make_unique<ClientSession>(connection, settings_);
}

}  // namespace forward

namespace {

Result<void> check_target(std::string_view value) {
  const auto target = Endpoint::parse(value);
  const bool is_tcp = target && target->transport == Transport::tcp;
  const bool is_unix = target && target->transport == Transport::unix_stream;
  if (!is_tcp && !is_unix) return fail("expected tcp:HOST:PORT or unix:PATH");
  if (is_tcp && (target->port == 0 || target->host == "*")) {
    return fail("expected one host and a port from 1 to 65535");
  }
  return {};
}

constexpr std::array<config::SettingRow, 3> kRows = {{
    {.key = "target",
     .kind = config::ValueKind::endpoint,
     .help = "where connections are forwarded to: tcp:HOST:PORT or unix:PATH",
     .required = true,
     .check = check_target},
    {.key = "connect_timeout",
     .kind = config::ValueKind::duration,
     .default_value = "5s",
     .help = "how long the target may take to accept, with the look-up of its name",
     .minimum = 1,
     .maximum = 3'600'000},
    // Silence means little in somebody else's protocol; peers that are gone are found by
    // keep-alive.
    {.key = "idle_timeout",
     .kind = config::ValueKind::duration,
     .default_value = "1h",
     .help = "a tunnel through which nothing moves for so long is closed; 0: never",
     .maximum = 604'800'000},
}};

/// A listener that forwards to itself would use up its connections with one client.
void check(const config::Section& section, std::vector<config::Mistake>& mistakes) {
  for (const config::Value& listen : section.list("listen")) {
    if (listen.text != section.text("target")) continue;
    mistakes.push_back(section.refusal("target", "another address than its own"));
  }
}

Result<std::shared_ptr<SharedState>> make_shared_state(
    const config::Settings&, const config::ListenerSettings& listener,
    const std::shared_ptr<SharedState>& previous) {
  static const SystemClock clock;
  Endpoint endpoint = listener.own.endpoint("target");
  if (auto same = std::dynamic_pointer_cast<forward::Target>(previous)) {
    if (same->endpoint() == endpoint) return same;
  }
  return std::make_shared<forward::Target>(listener.name, std::move(endpoint), clock);
}

Result<std::unique_ptr<StreamProtocol>> make_stream(const ProtocolContext& context) {
  return std::make_unique<forward::Forward>(
      std::dynamic_pointer_cast<forward::Target>(context.shared),
      context.listener.own.duration("connect_timeout"), context.listener.idle_timeout);
}

}  // namespace

const Protocol kForwardProtocol = {
    .name = "forward",
    .summary = "joins each connection to one to a target, in both directions",
    .rows = kRows,
    .check = check,
    .make_shared_state = make_shared_state,
    .make_stream = make_stream,
    .make_datagram = nullptr,
};

}  // namespace netd
