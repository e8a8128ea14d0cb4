// The settings of `protocol = http`.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "daemon/base/clock.h"
#include "daemon/config/settings.h"
#include "daemon/protocols/http/parser.h"
#include "daemon/protocols/http/routes.h"

namespace netd::http {

extern const std::span<const config::SettingRow> kSettingRows;

/// What single rows cannot know: folders and pages that are not there, two routes for one place.
void check_settings(const config::Section& section, std::vector<config::Mistake>& mistakes);

struct Limits {
  HeadLimits head;
  std::uint64_t max_body = 0;
  std::uint64_t max_requests = 0;  ///< on one connection; 0: any number
  std::uint64_t min_rate = 0;      ///< bytes a second, either way; 0: any
  Duration header_timeout{};
  Duration idle_timeout{};
};

struct HttpSettings {
  Limits limits;
  std::vector<RouteSpec> routes;
  std::vector<std::pair<RoutePattern, std::string>> cache_control;
  std::string common_fields;               ///< `header =`, each with its CRLF
  std::string server;                      ///< empty: no Server field
  std::map<int, std::string> error_pages;  ///< the HTML itself, by status
  std::vector<std::string> index_names;
  bool autoindex = false;
  bool dot_files = false;
  bool precompressed = false;
  std::uint64_t file_cache = 0;  ///< bytes
  bool log_as_json = false;
};

/// Fails when a page cannot be read any more; the rest was checked.
[[nodiscard]] Result<HttpSettings> read_settings(const config::ListenerSettings& listener);

}  // namespace netd::http
