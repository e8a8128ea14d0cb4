// Which handler answers which host and path.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/error.h"
#include "daemon/protocols/http/handler.h"

namespace netd::http {

/// "[HOST]/PREFIX", as `route` and `cache_control` begin.
struct RoutePattern {
  std::string host;    ///< lower case; empty: any
  std::string prefix;  ///< begins with '/', does not end with it; empty: all paths
  friend bool operator==(const RoutePattern&, const RoutePattern&) = default;
};
/// The error completes "expected ...".
[[nodiscard]] Result<RoutePattern> parse_route_pattern(std::string_view text);

enum class HandlerKind : std::uint8_t { static_files, info, status, metrics, health, proxy };

/// One `route =` value: "[HOST]/PREFIX HANDLER [ARGUMENT]".
struct RouteSpec {
  RoutePattern pattern;
  HandlerKind handler = HandlerKind::info;
  std::string argument;  ///< static_files: the folder, absolute; proxy: the service
};
[[nodiscard]] Result<RouteSpec> parse_route(std::string_view text);

class Routes {
 public:
  struct Route {
    RoutePattern pattern;
    std::unique_ptr<Handler> handler;
  };
  void add(RoutePattern pattern, std::unique_ptr<Handler> handler);

  /// The route for a host (lower case) and a decoded path: one with the host wins over one without,
  /// then the longest prefix. A prefix ends where a segment does. Null when there is none.
  [[nodiscard]] const Route* find(std::string_view host, std::string_view path) const;

 private:
  std::vector<Route>
      routes_;  // those with a host first, then by length of the prefix, longest first
};

}  // namespace netd::http
