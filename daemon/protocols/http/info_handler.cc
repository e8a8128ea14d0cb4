#include "daemon/protocols/http/info_handler.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>

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

/// json_quote() into `out`. Nearly all text is printable ASCII and needs no look at each character.
void append_json(std::string& out, std::string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
  });
  if (plain) {
    out.append("\"").append(text).append("\"");
  } else {
    out += json_quote(text);
  }
}

void append_member(std::string& out, std::string_view name, std::string_view value) {
  out.append("\"").append(name).append("\":");
  append_json(out, value);
  out += ',';
}

/// The index of the first field with the same name as that at `index`.
std::size_t first_of_name(const Request& request, std::size_t index) {
  std::size_t first = 0;
  while (!iequals(request.field(first).name, request.field(index).name)) ++first;
  return first;
}

/// The fields as one object: repeated ones are joined as RFC 9110, section 5.3, allows.
void append_headers(std::string& out, const Request& request) {
  out += '{';
  std::string joined;
  for (std::size_t i = 0; i < request.field_count(); ++i) {
    const Field& field = request.field(i);
    if (first_of_name(request, i) != i) continue;
    joined = field.value;
    for (std::size_t j = i + 1; j < request.field_count(); ++j) {
      if (!iequals(request.field(j).name, field.name)) continue;
      joined.append(", ").append(request.field(j).value);
    }
    append_member(out, field.name, joined);
  }
  if (out.back() == ',') out.pop_back();
  out += '}';
}

}  // namespace

InfoHandler::InfoHandler()
    : container_id_(host_name()),
      app_name_(from_environment("APP_NAME")),
      bind_host_(from_environment("BIND_HOST")),
      bind_port_(from_environment("BIND_PORT")) {
  if (app_name_.empty()) app_name_ = "netd";
}

void InfoHandler::append_environment(std::string& out, const SocketAddress& local) const {
  out += '{';
  append_member(out, "BIND_HOST", bind_host_.empty() ? local.ip_text() : bind_host_);
  append_member(out, "BIND_PORT", bind_port_.empty() ? std::to_string(local.port()) : bind_port_);
  append_member(out, "APP_NAME", app_name_);
  out.back() = '}';
}

/// RFC 3339 with milliseconds; all but the latter is formatted once a second.
std::string_view InfoHandler::timestamp() {
  const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const auto second = std::chrono::floor<std::chrono::seconds>(now);
  if (timestamp_.empty() || second != timestamp_second_) {
    timestamp_ = format_rfc3339(second);
    timestamp_second_ = second;
  }
  const auto milliseconds = static_cast<unsigned>((now - second).count());
  char* const digits = timestamp_.data() + timestamp_.size() - 4;  // "...000Z"
  digits[0] = static_cast<char>('0' + milliseconds / 100);
  digits[1] = static_cast<char>('0' + milliseconds / 10 % 10);
  digits[2] = static_cast<char>('0' + milliseconds % 10);
  return timestamp_;
}

Handler::Outcome InfoHandler::handle(const Exchange& exchange, Response& response, Awaited&) {
  const Target& target = exchange.target;
  std::string& out = response.text;
  out += '{';
  append_member(out, "app", app_name_);
  append_member(out, "timestamp", timestamp());
  append_member(out, "client_ip", exchange.peer.ip_text());
  out.append("\"client_port\":").append(std::to_string(exchange.peer.port())).append(",");
  append_member(out, "method", exchange.request.method_text);
  append_member(out, "path", target.form == Target::Form::asterisk ? "*" : target.path);
  append_member(out, "query", target.query);
  append_member(out, "container_id", container_id_);
  out += "\"environment\":";
  append_environment(out, *exchange.local);
  out += ",\"headers\":";
  append_headers(out, exchange.request);
  out += "}\n";
  response.add_bytes(out);
  if (exchange.request.method == Method::options) response.field("Allow", allowed_methods());
  response.prepared = "Content-Type: application/json\r\nCache-Control: no-store\r\n";
  return Outcome::answered;
}

}  // namespace netd::http
