#include "daemon/protocols/forward/forward.h"

#include <array>
#include <string_view>
#include <utility>

#include "daemon/base/endpoint.h"
#include "daemon/base/log.h"
#include "daemon/base/text.h"
#include "daemon/protocols/forward/session.h"

namespace netd {

namespace forward {

constexpr std::string_view kService = "service ";

Target::Target(std::string listener, std::string text, const Clock& clock, Resolver::LookUp look_up)
    : listener_(std::move(listener)), text_(std::move(text)), clock_(clock) {
  const auto address = Endpoint::parse(text_);
  if (!address) return;
  auto service = std::make_shared<services::SharedService>();
  service->instances.push_back(
      std::make_shared<services::SharedInstance>(*address, clock, std::move(look_up)));
  endpoint_ = std::move(service);
}

std::string_view Target::service_name() const {
  return endpoint_ ? std::string_view{} : trim(std::string_view(text_).substr(kService.size()));
}

void Target::failed(const std::string& why) {
  const bool first = trouble_.begins("", why, clock_.now());
  LogEntry(first ? LogLevel::warning : LogLevel::debug, "forward_failed")
      .listener(listener_)
      .protocol("forward")
      .send("listener " + listener_ + ": " + why);
}

void Target::reached() {
  if (!trouble_.ends()) return;
  LogEntry(LogLevel::info, "forward_recovered")
      .listener(listener_)
      .protocol("forward")
      .send("listener " + listener_ + ": " + text_ + " answers again");
}

Forward::Forward(std::shared_ptr<Target> target,
                 std::shared_ptr<const services::SharedService> service,
                 std::chrono::milliseconds connect_timeout, std::chrono::milliseconds idle_timeout)
    : settings_{.target = std::move(target),
                .service = std::move(service),
                .connect_timeout = connect_timeout,
                .idle_timeout = idle_timeout,
                .counters = {}} {}

std::unique_ptr<Session> Forward::open(Connection& connection) {
  return std::make_unique<ClientSession>(connection, settings_);
}

}  // namespace forward

namespace {

Result<void> check_target(std::string_view value) {
  if (value.starts_with(forward::kService)) {
    if (!trim(value.substr(forward::kService.size())).empty()) return {};
  }
  const auto target = Endpoint::parse(value);
  const bool is_tcp = target && target->transport == Transport::tcp;
  const bool is_unix = target && target->transport == Transport::unix_stream;
  if (!is_tcp && !is_unix) return fail("expected tcp:HOST:PORT, unix:PATH or service NAME");
  if (is_tcp && (target->port == 0 || target->host == "*")) {
    return fail("expected one host and a port from 1 to 65535");
  }
  return {};
}

constexpr std::array<config::SettingRow, 3> kRows = {{
    {.key = "target",
     .help = "where connections are forwarded to: tcp:HOST:PORT, unix:PATH or service NAME",
     .required = true,
     .check = check_target},
    {.key = "connect_timeout",
     .kind = config::ValueKind::duration,
     .default_value = "5s",
     .help = "how long the target may take to accept, with look-ups of names",
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
  const std::string_view target = section.text("target");
  if (target.starts_with(forward::kService) &&
      !section.has_service(trim(target.substr(forward::kService.size())))) {
    mistakes.push_back(
        section.refusal("target", "the name of a service: there is no [service NAME] of it"));
  }
  for (const config::Value& listen : section.list("listen")) {
    if (listen.text != section.text("target")) continue;
    mistakes.push_back(section.refusal("target", "another address than its own"));
  }
}

Result<std::shared_ptr<SharedState>> make_shared_state(
    const config::Settings&, const config::ListenerSettings& listener,
    const std::shared_ptr<SharedState>& previous) {
  static const SystemClock clock;
  const std::string text(listener.own.text("target"));
  if (auto same = std::dynamic_pointer_cast<forward::Target>(previous)) {
    if (same->text() == text) return same;
  }
  return std::make_shared<forward::Target>(listener.name, text, clock);
}

Result<std::unique_ptr<StreamProtocol>> make_stream(const ProtocolContext& context) {
  auto target = std::dynamic_pointer_cast<forward::Target>(context.shared);
  // The loader has made sure that the service is there.
  auto service =
      target->endpoint() ? target->endpoint() : context.services->find(target->service_name());
  return std::make_unique<forward::Forward>(std::move(target), std::move(service),
                                            context.listener.own.duration("connect_timeout"),
                                            context.listener.idle_timeout);
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
