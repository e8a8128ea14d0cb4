#include "daemon/config/typed.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "daemon/base/text.h"

namespace netd::config {

namespace {

LogLevel log_level_of(std::string_view text) {
  for (const LogLevel level : {LogLevel::debug, LogLevel::warning, LogLevel::error}) {
    if (text == log_level_name(level)) return level;
  }
  return LogLevel::info;
}

SyncMode sync_mode_of(std::string_view text) {
  if (text == "batch") return SyncMode::batch;
  return text == "off" ? SyncMode::off : SyncMode::always;
}

std::string path_or_off(const std::string& text) { return text == "off" ? "" : text; }

std::vector<IpNetwork> networks(const Section& section, std::string_view key) {
  std::vector<IpNetwork> out;
  for (const Value& value : section.list(key)) {
    if (const auto network = IpNetwork::parse(value.text)) out.push_back(*network);
  }
  return out;
}

std::uint32_t octal(std::string_view text) {
  std::uint32_t mode = 0;
  std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  return mode;
}

}  // namespace

NetdSettings make_netd(Section section, const Environment& environment) {
  NetdSettings out;
  const auto workers = parse_decimal(section.text("workers"));
  out.workers =
      workers ? static_cast<unsigned>(*workers) : std::clamp(environment.processors(), 1U, 64U);
  out.log_level = log_level_of(section.text("log_level"));
  out.hostname = section.text("hostname");
  out.drain_timeout = section.duration("drain_timeout");
  out.max_connections = section.integer("max_connections");
  out.own = std::move(section);
  return out;
}

ControlSettings make_control(Section section) {
  ControlSettings out;
  out.socket = section.text("socket");
  out.fifo = path_or_off(section.text("fifo"));
  out.reply_fifo = path_or_off(section.text("reply_fifo"));
  out.group = section.text("group");
  out.public_status = section.flag("public_status");
  out.own = std::move(section);
  return out;
}

TaskSettings make_tasks(Section section) {
  TaskSettings out;
  out.path = section.text("path");
  out.sync = sync_mode_of(section.text("sync"));
  out.sync_interval = section.duration("sync_interval");
  out.own = std::move(section);
  return out;
}

ListenerSettings make_listener(Section section) {
  ListenerSettings out;
  out.name = section.label();
  out.protocol = section.text("protocol");
  for (const Value& value : section.list("listen")) {
    if (auto endpoint = Endpoint::parse(value.text)) out.listen.push_back(std::move(*endpoint));
  }
  out.socket_mode = octal(section.text("socket_mode"));
  out.idle_timeout = section.duration("idle_timeout");
  out.max_connections = section.integer("max_connections");
  out.max_connections_per_client = section.integer("max_connections_per_client");
  out.allow = networks(section, "allow");
  out.deny = networks(section, "deny");
  const std::string& log = section.text("access_log");
  if (log == "off") {
    out.access_log = AccessLog::off;
  } else if (log.starts_with('/')) {
    out.access_log = AccessLog::file;
    out.access_log_path = log;
  }
  out.own = std::move(section);
  return out;
}

ServiceSettings make_service(Section section) {
  ServiceSettings out;
  out.name = section.label();
  for (const Value& value : section.list("instance")) {
    const bool bare = !value.text.starts_with("tcp:") && !value.text.starts_with("unix:");
    auto endpoint = Endpoint::parse(bare ? "tcp:" + value.text : value.text);
    if (endpoint) out.instances.push_back(std::move(*endpoint));
  }
  out.health = section.text("health");
  out.health_interval = section.duration("health_interval");
  out.health_timeout = section.duration("health_timeout");
  out.connect_timeout = section.duration("connect_timeout");
  out.answer_timeout = section.duration("answer_timeout");
  out.tunnel_timeout = section.duration("tunnel_timeout");
  out.idle_connections = section.integer("idle_connections");
  out.own = std::move(section);
  return out;
}

}  // namespace netd::config
