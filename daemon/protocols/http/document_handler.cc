#include "daemon/protocols/http/document_handler.h"

namespace netd::http {

using Document = DaemonQueries::Document;

Handler::Outcome DocumentHandler::handle(const Exchange& exchange, Response& response,
                                         Awaited& awaited) {
  constexpr std::string_view kText = "text/plain; charset=utf-8";
  const std::string_view path = exchange.target.path;
  const bool is_prefix = exchange.path.empty() || exchange.path == "/";
  switch (kind_) {
    case Kind::status:
      if (!is_prefix) break;
      awaited = {.document = Document::status, .content_type = "application/json"};
      return Outcome::awaiting;
    case Kind::metrics:
      if (!is_prefix) break;
      awaited = {.document = Document::metrics,
                 .content_type = "text/plain; version=0.0.4; charset=utf-8"};
      return Outcome::awaiting;
    case Kind::health:
      if (exchange.path == "/livez" || (is_prefix && path.ends_with("/livez"))) {
        awaited = {.document = Document::livez, .content_type = kText, .is_health = true};
        return Outcome::awaiting;
      }
      if (exchange.path == "/readyz" || is_prefix) {
        awaited = {.document = Document::readyz, .content_type = kText, .is_health = true};
        return Outcome::awaiting;
      }
      break;
  }
  response.status = 404;
  return Outcome::failed;
}

}  // namespace netd::http
