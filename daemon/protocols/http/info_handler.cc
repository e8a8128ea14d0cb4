#include "daemon/protocols/http/info_handler.h"

#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <set>

#include "daemon/base/text.h"

namespace netd::http {

namespace {

std::string from_environment(const char* name) {
  // Nothing in netd changes its environment once threads run.
  const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
  return value == nullptr ? std::string() : std::string(value);
}

// Container managers give a container its identifier as its host name.
std::string host_name() {
  std::string name = from_environment("HOSTNAME");
  std::array<char, 256> buffer{};
  if (::gethostname(buffer.data(), buffer.size() - 1) == 0 && buffer[0] != '\0') {
    name = buffer.data();
  }
  return name;
}

void append_member(std::string& out, std::string_view name, std::string_view value) {
  out.append(json_quote(name)).append(":").append(json_quote(value)).append(",");
}

/// The fields as one object: repeated ones are joined as RFC 9110, section 5.3, allows.
std::string headers_object(const Request& request) {
  std::string out = "{";
  std::set<std::string> seen;
  for (std::size_t i = 0; i < request.field_count(); ++i) {
    const Field& field = request.field(i);
    if (!seen.insert(to_ascii_lower(field.name)).second) continue;
    std::string value(field.value);
    for (std::size_t j = i + 1; j < request.field_count(); ++j) {
      if (!iequals(request.field(j).name, field.name)) continue;
      value.append(", ").append(request.field(j).value);
    }
    append_member(out, field.name, value);
  }
  if (out.size() > 1) out.pop_back();
  return out + "}";
}

}  // namespace

InfoHandler::InfoHandler()
    : container_id_(host_name()),
      app_name_(from_environment("APP_NAME")),
      bind_host_(from_environment("BIND_HOST")),
      bind_port_(from_environment("BIND_PORT")) {
  if (app_name_.empty()) app_name_ = "netd";
}

std::string InfoHandler::environment(const SocketAddress& local) const {
  std::string out = "{";
  append_member(out, "BIND_HOST", bind_host_.empty() ? local.ip_text() : bind_host_);
  append_member(out, "BIND_PORT", bind_port_.empty() ? std::to_string(local.port()) : bind_port_);
  append_member(out, "APP_NAME", app_name_);
  out.back() = '}';
  return out;
}

Handler::Outcome InfoHandler::handle(const Exchange& exchange, Response& response, Awaited&) {
  const Target& target = exchange.target;
  const WallTime now{std::chrono::system_clock::now()};
  std::string out = "{";
  append_member(out, "app", app_name_);
  append_member(out, "timestamp", format_rfc3339(now));
  append_member(out, "client_ip", exchange.peer.ip_text());
  out.append("\"client_port\":").append(std::to_string(exchange.peer.port())).append(",");
  append_member(out, "method", exchange.request.method_text);
  append_member(out, "path", target.form == Target::Form::asterisk ? "*" : target.path);
  append_member(out, "query", target.query);
  append_member(out, "container_id", container_id_);
  out.append("\"environment\":").append(environment(*exchange.local));
  out.append(",\"headers\":").append(headers_object(exchange.request)).append("}\n");
  response.set_text("application/json", std::move(out));
  response.field("Cache-Control", "no-store");
  return Outcome::answered;
}

}  // namespace netd::http
