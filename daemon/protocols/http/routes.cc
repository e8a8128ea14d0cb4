#include "daemon/protocols/http/routes.h"

#include <algorithm>
#include <array>
#include <utility>

#include "daemon/base/text.h"
#include "daemon/protocols/http/grammar.h"

namespace netd::http {

namespace {

struct NamedHandler {
  std::string_view name;
  HandlerKind kind;
};
constexpr std::array kHandlers = std::to_array<NamedHandler>({
    {"static", HandlerKind::static_files},
    {"info", HandlerKind::info},
    {"status", HandlerKind::status},
    {"metrics", HandlerKind::metrics},
    {"health", HandlerKind::health},
    {"proxy", HandlerKind::proxy},
});

bool matches(const RoutePattern& pattern, std::string_view host, std::string_view path) {
  if (!pattern.host.empty() && pattern.host != host) return false;
  return path.starts_with(pattern.prefix) &&
         (path.size() == pattern.prefix.size() || path[pattern.prefix.size()] == '/');
}

}  // namespace

Result<RoutePattern> parse_route_pattern(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return fail("expected [HOST]/PREFIX");
  std::string_view host = text.substr(0, slash);
  std::string_view prefix = text.substr(slash);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (!host.empty() && !bracketed && !is_all(host, kHostText)) {
    return fail("expected a host name without a port before the first slash");
  }
  if (host.ends_with('.')) host.remove_suffix(1);
  // A prefix is compared with the decoded path, where these cannot stand.
  if (prefix.find("//") != std::string_view::npos ||
      prefix.find("/../") != std::string_view::npos ||
      prefix.find("/./") != std::string_view::npos || prefix.ends_with("/..") ||
      prefix.ends_with("/.") || prefix.find_first_of("?#%") != std::string_view::npos) {
    return fail("expected a plain path: without empty or dot segments, '%', '?' and '#'");
  }
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  return RoutePattern{.host = to_ascii_lower(host), .prefix = std::string(prefix)};
}

Result<RouteSpec> parse_route(std::string_view text) {
  const auto words = split_words(text);
  if (words.size() < 2) return fail("expected [HOST]/PREFIX HANDLER [ARGUMENT]");
  RouteSpec spec;
  if (auto pattern = parse_route_pattern(words[0])) {
    spec.pattern = std::move(*pattern);
  } else {
    return std::unexpected(pattern.error());
  }
  const auto* const named =
      std::find_if(kHandlers.begin(), kHandlers.end(),
                   [&](const NamedHandler& handler) { return handler.name == words[1]; });
  if (named == kHandlers.end()) {
    return fail("expected the handler static, info, status, metrics, health or proxy");
  }
  spec.handler = named->kind;
  // The argument is all the rest, so that a folder's name may hold spaces.
  const auto after = static_cast<std::size_t>(words[1].data() + words[1].size() - text.data());
  spec.argument = trim(text.substr(after));
  if (spec.handler == HandlerKind::static_files) {
    if (!spec.argument.starts_with('/')) return fail("expected static with an absolute folder");
  } else if (spec.handler == HandlerKind::proxy) {
    if (split_words(spec.argument).size() != 1) return fail("expected proxy with a service");
  } else if (!spec.argument.empty()) {
    return fail("expected nothing after the handler");
  }
  return spec;
}

void Routes::add(RoutePattern pattern, std::unique_ptr<Handler> handler) {
  const auto rank = [](const RoutePattern& of) {
    return std::pair(of.host.empty() ? 0 : 1, of.prefix.size());
  };
  const auto before = std::find_if(routes_.begin(), routes_.end(), [&](const Route& route) {
    return rank(route.pattern) < rank(pattern);
  });
  routes_.insert(before, {std::move(pattern), std::move(handler)});
}

const Routes::Route* Routes::find(std::string_view host, std::string_view path) const {
  for (const Route& route : routes_) {
    if (matches(route.pattern, host, path)) return &route;
  }
  return nullptr;
}

}  // namespace netd::http
