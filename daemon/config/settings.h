// The configuration as the daemon uses it: typed, immutable, one snapshot for each load.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/endpoint.h"
#include "daemon/base/log.h"
#include "daemon/config/schema.h"

namespace netd::config {

struct NetdSettings {
  unsigned workers = 1;  ///< event loops; `auto` is resolved to the number of CPUs
  LogLevel log_level = LogLevel::info;
  std::string hostname;
  std::chrono::milliseconds drain_timeout{};
  std::uint64_t max_connections = 0;  ///< over all listeners
  Section own;                        ///< the section as a whole
};

struct ControlSettings {
  std::string socket;
  std::string fifo;        ///< empty: none
  std::string reply_fifo;  ///< empty: none
  std::string group;       ///< name or number; may not exist when it is the default
  bool public_status = false;
  Section own;
};

enum class SyncMode : std::uint8_t {
  always,  ///< acknowledged is on disk
  batch,   ///< at most sync_interval is lost
  off,
};

struct TaskSettings {
  std::string path;
  SyncMode sync = SyncMode::always;
  std::chrono::milliseconds sync_interval{};
  Section own;  ///< limits and times, which the task queue reads
};

enum class AccessLog : std::uint8_t { journal, off, file };

struct ListenerSettings {
  std::string name;
  std::string protocol;
  std::vector<Endpoint> listen;
  std::uint32_t socket_mode = 0660;          ///< of unix: sockets
  std::chrono::milliseconds idle_timeout{};  ///< zero: none
  std::uint64_t max_connections = 0;
  std::uint64_t max_connections_per_client = 0;
  std::vector<IpNetwork> allow;  ///< empty: everybody
  std::vector<IpNetwork> deny;   ///< looked at before `allow`
  AccessLog access_log = AccessLog::journal;
  std::string access_log_path;  ///< AccessLog::file
  Section own;                  ///< the common keys and the protocol's
};

struct ServiceSettings {
  std::string name;
  std::vector<Endpoint> instances;  ///< tcp: and unix: only
  std::string health;               ///< "tcp", "off", or the path that an HTTP GET asks for
  std::chrono::milliseconds health_interval{};
  std::chrono::milliseconds health_timeout{};
  std::chrono::milliseconds connect_timeout{};
  std::chrono::milliseconds answer_timeout{};  ///< silence of an instance that owes something
  std::chrono::milliseconds tunnel_timeout{};  ///< silence of an upgraded connection; 0: any
  std::uint64_t idle_connections = 0;          ///< kept to each instance, by each worker
  Section own;
};

struct Settings {
  NetdSettings netd;
  ControlSettings control;
  TaskSettings tasks;
  std::vector<ListenerSettings> listeners;  ///< in the order of the files
  std::vector<ServiceSettings> services;
  std::vector<std::string> files;  ///< that were read; the main file is the first

  /// Null when there is none of that name.
  [[nodiscard]] const ListenerSettings* find_listener(std::string_view name) const;
  [[nodiscard]] const ServiceSettings* find_service(std::string_view name) const;
};

/// The effective configuration as a file: every setting with its value, defaults included. Loading
/// it gives the same settings.
[[nodiscard]] std::string print(const Settings& settings);

struct Change {
  std::string text;            ///< "[listener echo] idle_timeout: 30s -> 1min"
  bool needs_restart = false;  ///< the old value holds until netd is restarted
};

/// What differs, in words: sections added and removed, keys changed. Empty when nothing does.
[[nodiscard]] std::vector<Change> describe_changes(const Settings& before, const Settings& after);

}  // namespace netd::config
