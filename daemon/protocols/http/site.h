// What all sessions of one listener share in one worker: the settings, the routes, and the places
// where requests are parsed and answers built.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "daemon/base/access_log_file.h"
#include "daemon/config/settings.h"
#include "daemon/protocols/http/error_page.h"
#include "daemon/protocols/http/file_cache.h"
#include "daemon/protocols/http/handler.h"
#include "daemon/protocols/http/mime_types.h"
#include "daemon/protocols/http/parser.h"
#include "daemon/protocols/http/request.h"
#include "daemon/protocols/http/response.h"
#include "daemon/protocols/http/routes.h"
#include "daemon/protocols/http/settings.h"
#include "daemon/protocols/http/target.h"
#include "daemon/protocols/protocol.h"

namespace netd::http {

class Site final : public StreamProtocol {
 public:
  [[nodiscard]] static Result<std::unique_ptr<StreamProtocol>> create(
      const ProtocolContext& context);

  [[nodiscard]] std::unique_ptr<Session> open(Connection& connection) override;
  [[nodiscard]] bool logs_requests() const override { return true; }

  [[nodiscard]] const Limits& limits() const { return limits_; }
  [[nodiscard]] const Routes& routes() const { return routes_; }
  [[nodiscard]] bool has_proxies() const { return has_proxies_; }
  [[nodiscard]] const ErrorPages& pages() const { return pages_; }
  [[nodiscard]] DaemonQueries& daemon() const { return daemon_; }
  [[nodiscard]] HeadWriter& head_writer() { return head_writer_; }

  /// The address of this end, the same pointer for the same address; null when there are too many
  /// to keep. Costs a system call.
  [[nodiscard]] const SocketAddress* local_address(const Connection& connection);

  [[nodiscard]] bool logs() const { return log_ != Log::off; }
  /// `bytes` of content were sent in answer to `request`.
  void log(const Connection& connection, std::uint64_t bytes) const;

  // Of the request under way; a worker does one at a time.
  Request request;
  Target target;
  Response response;
  std::int64_t now = 0;  ///< seconds since 1970

 private:
  enum class Log : std::uint8_t { off, journal, combined, json };
  static constexpr std::size_t kMaxLocalAddresses = 64;

  Site(const ProtocolContext& context, HttpSettings settings);
  [[nodiscard]] std::unique_ptr<Handler> make_handler(const RouteSpec& spec,
                                                      const HttpSettings& settings,
                                                      const ProtocolContext& context);

  std::shared_ptr<const config::Settings> generation_;  // owns listener_
  const config::ListenerSettings& listener_;
  DaemonQueries& daemon_;
  std::shared_ptr<AccessLogFile> access_log_;
  Log log_ = Log::off;
  Limits limits_;
  HeadWriter head_writer_;
  ErrorPages pages_;
  MimeTypes types_;
  FileCache cache_;  // depends on: types_
  Routes routes_;    // depends on: cache_, head_writer_
  bool has_proxies_ = false;
  std::deque<SocketAddress> local_addresses_;
};

}  // namespace netd::http
