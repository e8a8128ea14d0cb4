#include "daemon/protocols/http/settings.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include "daemon/base/text.h"
#include "daemon/base/unique_fd.h"
#include "daemon/protocols/http/grammar.h"
#include "daemon/protocols/http/request.h"
#include "daemon/protocols/http/response.h"

namespace netd::http {

namespace {

using config::SettingRow;
using config::ValueKind;

constexpr std::uint64_t kHour = 3'600'000;
constexpr std::uint64_t kMaxPage = 65536;

template <class T>
Result<void> without_value(const Result<T>& result) {
  if (!result) return std::unexpected(result.error());
  return {};
}

Result<void> check_route(std::string_view value) { return without_value(parse_route(value)); }

/// Splits "FIRST REST" at the first run of spaces; both parts must be there.
Result<std::pair<std::string_view, std::string_view>> split_first(std::string_view value,
                                                                  const char* expected) {
  const auto words = split_words(value);
  if (words.size() < 2) return fail(expected);
  const auto end = static_cast<std::size_t>(words[0].data() + words[0].size() - value.data());
  return std::pair(words[0], trim(value.substr(end)));
}

bool is_field_value(std::string_view value) { return is_all(value, kFieldText); }

// What the session writes itself, or what belongs to one answer.
bool is_reserved(std::string_view name) {
  constexpr auto kReserved = std::to_array<std::string_view>(
      {"Allow", "Connection", "Content-Length", "Content-Type", "Content-Encoding", "Content-Range",
       "Date", "ETag", "Keep-Alive", "Last-Modified", "Location", "Server", "Trailer",
       "Transfer-Encoding", "Upgrade"});
  return std::any_of(kReserved.begin(), kReserved.end(),
                     [name](std::string_view reserved) { return iequals(name, reserved); });
}

Result<void> check_header(std::string_view value) {
  const std::size_t colon = value.find(':');
  const std::string_view name = value.substr(0, colon);
  if (colon == std::string_view::npos || !is_all(name, kToken) ||
      !is_field_value(trim_ows(value.substr(colon + 1)))) {
    return fail("expected NAME: VALUE");
  }
  if (is_reserved(name)) return fail("expected a header field that netd does not write itself");
  return {};
}

Result<void> check_cache_control(std::string_view value) {
  constexpr const char* kExpected = "expected [HOST]/PREFIX VALUE, as in: /assets max-age=86400";
  const auto parts = split_first(value, kExpected);
  if (!parts) return std::unexpected(parts.error());
  if (!is_field_value(parts->second)) return fail(kExpected);
  return without_value(parse_route_pattern(parts->first));
}

Result<void> check_error_page(std::string_view value) {
  constexpr const char* kExpected = "expected STATUS PATH, as in: 404 /srv/www/404.html";
  const auto parts = split_first(value, kExpected);
  if (!parts) return std::unexpected(parts.error());
  const auto status = parse_decimal(parts->first);
  if (!status || *status < 400 || *status > 599 || !parts->second.starts_with('/')) {
    return fail(kExpected);
  }
  if (reason_phrase(static_cast<int>(*status)).empty()) {
    return fail("expected a status that netd sends");
  }
  return {};
}

Result<void> check_index(std::string_view value) {
  if (value.find('/') == std::string_view::npos) return {};
  return fail("expected file names without slashes");
}

Result<void> check_server_header(std::string_view value) {
  if (is_field_value(value)) return {};
  return fail("expected text for a header field, or off");
}

constexpr std::array<std::string_view, 2> kLogFormats = {"combined", "json"};

constexpr std::array kRows = {
    SettingRow{.key = "route",
               .help = "[HOST]/PREFIX HANDLER [ARGUMENT]; handlers: static DIR, info, status, "
                       "metrics, health, proxy SERVICE",
               .list = true,
               .required = true,
               .check = check_route},
    SettingRow{.key = "index",
               .default_value = "index.html",
               .help = "file names that stand for their folder, in order",
               .check = check_index},
    SettingRow{.key = "autoindex",
               .kind = ValueKind::boolean,
               .default_value = "no",
               .help = "list folders that have no index file"},
    SettingRow{.key = "dot_files",
               .kind = ValueKind::boolean,
               .default_value = "no",
               .help = "serve names that begin with a dot"},
    SettingRow{.key = "precompressed",
               .kind = ValueKind::boolean,
               .default_value = "yes",
               .help = "send FILE.zst, FILE.br or FILE.gz in place of FILE where accepted"},
    SettingRow{.key = "header",
               .help = "NAME: VALUE, sent with every answer",
               .list = true,
               .check = check_header},
    SettingRow{.key = "cache_control",
               .help = "[HOST]/PREFIX VALUE: Cache-Control for the files of that route",
               .list = true,
               .check = check_cache_control},
    SettingRow{.key = "error_page",
               .help = "STATUS PATH: the HTML to send with that status",
               .list = true,
               .check = check_error_page},
    SettingRow{.key = "server_header",
               .default_value = "netd",
               .help = "value of the Server field; off: none",
               .check = check_server_header},
    SettingRow{.key = "access_log_format",
               .kind = ValueKind::choice,
               .default_value = "combined",
               .help = "of an access log that is a file",
               .choices = kLogFormats},
    SettingRow{.key = "max_request_line",
               .kind = ValueKind::size,
               .default_value = "8K",
               .help = "longest request line; beyond: 414",
               .minimum = 64,
               .maximum = 65536},
    SettingRow{.key = "max_head",
               .kind = ValueKind::size,
               .default_value = "32K",
               .help = "largest request line and header fields together; beyond: 431",
               .minimum = 128,
               .maximum = 1 << 20},
    SettingRow{.key = "max_fields",
               .kind = ValueKind::integer,
               .default_value = "128",
               .help = "most header fields; beyond: 431",
               .minimum = 1,
               .maximum = Request::kMaxFields},
    SettingRow{.key = "max_body",
               .kind = ValueKind::size,
               .default_value = "1M",
               .help = "largest request body; beyond: 413",
               .maximum = std::uint64_t{1} << 40U},
    SettingRow{.key = "max_requests",
               .kind = ValueKind::integer,
               .default_value = "0",
               .help = "requests on one connection; 0: any number"},
    SettingRow{.key = "header_timeout",
               .kind = ValueKind::duration,
               .help = "how long a request's head may take from its first byte, beyond: 408; by "
                       "default idle_timeout",
               .minimum = 10,
               .maximum = kHour},
    SettingRow{.key = "min_rate",
               .kind = ValueKind::size,
               .default_value = "256",
               .help = "bytes a second that a body or a reader must move; 0: any",
               .maximum = std::uint64_t{1} << 30U},
    SettingRow{.key = "file_cache",
               .kind = ValueKind::size,
               .default_value = "8M",
               .help = "memory for hot files, in each worker; 0: none",
               .maximum = std::uint64_t{1} << 32U},
};

Result<std::string> read_page(const std::string& path) {
  const std::string doing = "error page " + path;
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return fail_system(doing, errno);
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return fail_system(doing, errno);
  if (!S_ISREG(status.st_mode)) return fail(doing + ": not a file");
  if (static_cast<std::uint64_t>(status.st_size) > kMaxPage) {
    return fail(doing + ": larger than " + format_size(kMaxPage));
  }
  std::string page(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t done = 0;
  while (done < page.size()) {
    const ssize_t count = ::read(fd.get(), page.data() + done, page.size() - done);
    if (count < 0) return fail_system(doing, errno);
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  page.resize(done);
  return page;
}

std::pair<int, std::string> split_error_page(std::string_view value) {
  const auto parts = split_first(value, "");
  return {static_cast<int>(parse_decimal(parts->first).value_or(0)), std::string(parts->second)};
}

/// Empty, or why nothing can be served from the folder.
std::string folder_trouble(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  return fd ? std::string() : system_error("folder " + path, errno).what();
}

/// Bytes that drip in keep a connection from being idle, so there is a deadline even without one
/// for idle connections.
std::chrono::milliseconds header_timeout(const config::ListenerSettings& listener) {
  if (listener.own.has("header_timeout")) return listener.own.duration("header_timeout");
  constexpr std::chrono::seconds kOtherwise{60};
  return listener.idle_timeout.count() > 0 ? listener.idle_timeout : kOtherwise;
}

}  // namespace

const std::span<const SettingRow> kSettingRows = kRows;

void check_settings(const config::Section& section, std::vector<config::Mistake>& mistakes) {
  const auto& routes = section.list("route");
  std::vector<RoutePattern> seen;
  for (const config::Value& value : routes) {
    const auto spec = parse_route(value.text);
    if (!spec) continue;
    if (std::find(seen.begin(), seen.end(), spec->pattern) != seen.end()) {
      mistakes.push_back(
          section.refusal("route", value, "a host and prefix that no other route has"));
    }
    seen.push_back(spec->pattern);
    if (spec->handler == HandlerKind::proxy && !section.has_service(spec->argument)) {
      mistakes.push_back(section.refusal(
          "route", value, "proxy with the name of a service: there is no [service NAME] of it"));
    }
    if (spec->handler != HandlerKind::static_files) continue;
    if (const std::string trouble = folder_trouble(spec->argument); !trouble.empty()) {
      mistakes.push_back(section.refusal("route", value, "a folder to read: " + trouble));
    }
  }
  for (const config::Value& value : section.list("cache_control")) {
    const auto pattern = parse_route_pattern(split_words(value.text)[0]);
    if (pattern && std::find(seen.begin(), seen.end(), *pattern) == seen.end()) {
      mistakes.push_back(section.refusal("cache_control", value, "the host and prefix of a route"));
    }
  }
  for (const config::Value& value : section.list("error_page")) {
    if (const auto page = read_page(split_error_page(value.text).second); !page) {
      mistakes.push_back(
          section.refusal("error_page", value, "a file to read: " + page.error().what()));
    }
  }
  if (section.size("max_request_line") > section.size("max_head")) {
    mistakes.push_back(section.refusal("max_request_line", "no more than max_head"));
  }
}

Result<HttpSettings> read_settings(const config::ListenerSettings& listener) {
  const config::Section& own = listener.own;
  HttpSettings settings;
  settings.limits = {.head = {.max_line = static_cast<std::uint32_t>(own.size("max_request_line")),
                              .max_head = static_cast<std::uint32_t>(own.size("max_head")),
                              .max_fields = static_cast<std::uint32_t>(own.integer("max_fields"))},
                     .max_body = own.size("max_body"),
                     .max_requests = own.integer("max_requests"),
                     .min_rate = own.size("min_rate"),
                     .header_timeout = header_timeout(listener),
                     .idle_timeout = listener.idle_timeout};
  for (const config::Value& value : own.list("route")) {
    auto spec = parse_route(value.text);
    if (!spec) return std::unexpected(spec.error());
    settings.routes.push_back(std::move(*spec));
  }
  for (const config::Value& value : own.list("header")) {
    const std::size_t colon = value.text.find(':');
    settings.common_fields.append(value.text, 0, colon).append(": ");
    settings.common_fields.append(trim_ows(std::string_view(value.text).substr(colon + 1)));
    settings.common_fields.append("\r\n");
  }
  for (const config::Value& value : own.list("cache_control")) {
    const auto parts = split_first(value.text, "");
    auto pattern = parse_route_pattern(parts->first);
    if (!pattern) return std::unexpected(pattern.error());
    settings.cache_control.emplace_back(std::move(*pattern), parts->second);
  }
  for (const config::Value& value : own.list("error_page")) {
    const auto [status, path] = split_error_page(value.text);
    auto page = read_page(path);
    if (!page) return std::unexpected(page.error());
    settings.error_pages[status] = std::move(*page);
  }
  for (const std::string_view name : split_words(own.text("index"))) {
    settings.index_names.emplace_back(name);
  }
  if (own.text("server_header") != "off") settings.server = own.text("server_header");
  settings.autoindex = own.flag("autoindex");
  settings.dot_files = own.flag("dot_files");
  settings.precompressed = own.flag("precompressed");
  settings.file_cache = own.size("file_cache");
  settings.log_as_json = own.text("access_log_format") == "json";
  return settings;
}

}  // namespace netd::http
