#include "daemon/protocols/http/proxy_handler.h"

#include "daemon/base/text.h"

namespace netd::http {

bool ProxyHandler::takes(const Request& request) const {
  if (!allows(request.method)) return false;
  // RFC 9110, section 7.6.2: the last hop that the client allows answers itself.
  if (request.method != Method::options) return true;
  return parse_decimal(request.value(Name::max_forwards)) != std::uint64_t{0};
}

Handler::Outcome ProxyHandler::handle(const Exchange&, Response& response, Awaited&) {
  // Only what takes() refuses comes here, and the session answers that by the methods allowed.
  response.status = 500;
  return Outcome::failed;
}

}  // namespace netd::http
