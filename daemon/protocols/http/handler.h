// What stands behind a route.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "daemon/net/socket_address.h"
#include "daemon/protocols/http/request.h"
#include "daemon/protocols/http/response.h"
#include "daemon/protocols/http/target.h"
#include "daemon/protocols/protocol.h"

namespace netd::http {

/// One request as a handler sees it, its body already received and dropped. Valid during the call.
struct Exchange {
  const Request& request;
  const Target& target;
  /// The target's path behind the route's prefix: empty, or begins with '/'.
  std::string_view path;
  const SocketAddress& peer;
  const SocketAddress* local = nullptr;  ///< set when wants_local_address()
  std::int64_t now = 0;                  ///< seconds since 1970
};

/// How a document of the daemon becomes an answer, once it is there.
struct Awaited {
  DaemonQueries::Document document = DaemonQueries::Document::status;
  std::string_view content_type = {};  ///< a constant
  /// The document is a list of what is wrong: 503 unless it is empty.
  bool is_health = false;
};

class ProxyHandler;

/// Lives in one worker's thread.
class Handler {
 public:
  enum class Outcome : std::uint8_t {
    answered,  ///< the response is filled
    awaiting,  ///< `awaited` is filled; the session asks the daemon for it
    failed,    ///< the response has only its status (and perhaps fields): an error page is due
  };

  virtual ~Handler() = default;
  /// The methods of Allow; nothing else reaches handle().
  [[nodiscard]] virtual std::string_view allowed_methods() const = 0;
  [[nodiscard]] virtual bool allows(Method method) const = 0;
  /// OPTIONS is answered by the session unless the handler wants to see it.
  [[nodiscard]] virtual bool handles_options() const { return false; }
  /// Whether Exchange::local is needed: finding it out costs a system call.
  [[nodiscard]] virtual bool wants_local_address() const { return false; }
  /// Not null: requests are passed on together with their bodies, in place of handle().
  [[nodiscard]] virtual ProxyHandler* proxy() { return nullptr; }
  [[nodiscard]] virtual Outcome handle(const Exchange& exchange, Response& response,
                                       Awaited& awaited) = 0;
};

}  // namespace netd::http
