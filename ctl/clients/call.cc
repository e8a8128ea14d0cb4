// `netctl call`: a request to one of the instances of a service, as the daemon knows them.
#include <algorithm>
#include <array>
#include <chrono>
#include <random>

#include <nlohmann/json.hpp>

#include "ctl/clients/commands.h"
#include "ctl/clients/http_options.h"
#include "ctl/json_access.h"
#include "ctl/printers.h"
#include "daemon/base/text.h"

namespace netd::ctl {

namespace {

struct Instances {
  std::vector<std::string> usable;     // addresses, in the order in which they are tried
  std::vector<std::string> unhealthy;  // with the reasons
};

Instances instances_of(const OrderedJson& service) {
  Instances found;
  for (const auto& instance : array(service, "instances")) {
    const std::string address = raw_text(instance, "address");
    // Of one that is not checked nothing is known but hope.
    if (raw_text(instance, "state") != "unhealthy") {
      found.usable.push_back(address);
      continue;
    }
    std::string& words = found.unhealthy.emplace_back(address);
    const std::string reason = raw_text(instance, "reason");
    if (!reason.empty()) words.append(" (").append(reason).append(")");
  }
  std::ranges::shuffle(found.usable, std::mt19937(std::random_device{}()));
  return found;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

/// RFC 9110, section 9.2.2. An empty method is GET, or POST with a body.
bool is_idempotent(const HttpRequest& request) {
  constexpr std::array<std::string_view, 6> kMethods = {"GET",    "HEAD",    "PUT",
                                                        "DELETE", "OPTIONS", "TRACE"};
  if (request.method.empty()) return !request.body;
  return std::ranges::find(kMethods, request.method) != kMethods.end();
}

/// All instances that are tried share the time, so that those that are gone leave some to the rest.
class TimeLeft {
 public:
  explicit TimeLeft(const Context& context)
      : timeout_(context.timeout), limits_all_(context.timeout_given), began_(Clock::now()) {}

  [[nodiscard]] bool is_over() const { return timeout_ > milliseconds(0) && left() <= kNone; }
  /// For the next of `count` instances.
  void share(HttpRequest& request, std::size_t count) const {
    if (timeout_ <= milliseconds(0)) return;
    constexpr std::size_t kMostShares = 4;
    request.connect_timeout =
        std::max(left() / static_cast<long>(std::min(count, kMostShares)), milliseconds(1));
    if (limits_all_) request.whole_timeout = std::max(left(), milliseconds(1));
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr milliseconds kNone{0};

  [[nodiscard]] milliseconds left() const {
    return timeout_ - std::chrono::duration_cast<milliseconds>(Clock::now() - began_);
  }

  const milliseconds timeout_;
  const bool limits_all_;
  const Clock::time_point began_;
};

void aim(HttpRequest& request, const std::string& address, const CallOptions& options) {
  const std::string path = options.path.starts_with('/') ? options.path : "/" + options.path;
  request.unix_socket.clear();
  if (address.starts_with("unix:")) {
    request.unix_socket = address.substr(5);
    request.url = "http://" + options.service + path;
    return;
  }
  request.url = "http://" + (address.starts_with("tcp:") ? address.substr(4) : address) + path;
}

/// Finds the service in the daemon's status. A status from 1 on says that it has complained.
int find_service(const std::string& name, const Context& context, Instances& instances) {
  auto client = context.connect();
  if (!client) return complain(client.error().what(), kUnreachable, context);
  const auto answer = client->ask(R"({"type":"status"})", context.timeout);
  if (!answer) return complain(answer.error().what(), kUnreachable, context);
  if (outcome_of(*answer).status != "ok") return complain(render_error(*answer), kFailed, context);
  const OrderedJson document = OrderedJson::parse(*answer, nullptr, false);
  std::vector<std::string> known;
  for (const auto& service : array(document, "services")) {
    known.push_back(raw_text(service, "name"));
    if (known.back() != name) continue;
    instances = instances_of(service);
    return kDone;
  }
  const std::string message =
      known.empty() ? "netd has no services"
                    : "no service " + printable(name, 40) + "; there are: " + joined(known);
  return complain(ClientError{Trouble::failed, message}, context);
}

}  // namespace

int run_call(const CallOptions& options, const Context& context) {
  auto request = make_request(options.http, context);
  if (!request) return complain(request.error().what(), kUsage, context);
  Instances instances;
  if (const int status = find_service(options.service, context, instances); status != kDone) {
    return status;
  }
  std::vector<std::string> tried;
  const TimeLeft time(context);
  for (const auto& address : instances.usable) {
    if (time.is_over()) break;
    time.share(*request, instances.usable.size() - tried.size());
    aim(*request, address, options);
    auto progressed = Progressed::nowhere;
    auto answer = ask_and_show(*request, options.http, context, &progressed);
    if (answer) return conclude(*answer, options.http, context);
    if (progressed == Progressed::answered) return complain(answer.error(), context);
    if (progressed == Progressed::sent && !is_idempotent(*request)) {
      answer.error().message += "; it may have been acted upon, so no other instance was asked";
      return complain(answer.error(), context);
    }
    tried.push_back(address + " (" + std::string(trouble_word(answer.error().trouble)) + ")");
  }
  std::string message = "service " + options.service + ": ";
  message +=
      tried.empty() ? "no instance is healthy" : "no instance answered; tried " + joined(tried);
  if (!instances.unhealthy.empty()) message += "; unhealthy: " + joined(instances.unhealthy);
  return complain(ClientError{Trouble::failed, message}, context);
}

}  // namespace netd::ctl
