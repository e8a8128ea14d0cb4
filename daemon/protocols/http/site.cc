#include "daemon/protocols/http/site.h"

#include <algorithm>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/base/text.h"
#include "daemon/net/connection.h"
#include "daemon/protocols/http/access_line.h"
#include "daemon/protocols/http/document_handler.h"
#include "daemon/protocols/http/info_handler.h"
#include "daemon/protocols/http/proxy_handler.h"
#include "daemon/protocols/http/session.h"
#include "daemon/protocols/http/static_handler.h"

namespace netd::http {

Result<std::unique_ptr<StreamProtocol>> Site::create(const ProtocolContext& context) {
  auto settings = read_settings(context.listener);
  if (!settings) return std::unexpected(settings.error());
  return std::unique_ptr<StreamProtocol>(new Site(context, std::move(*settings)));
}

Site::Site(const ProtocolContext& context, HttpSettings settings)
    : generation_(context.settings),
      listener_(context.listener),
      daemon_(context.daemon),
      access_log_(context.access_log),
      limits_(settings.limits),
      head_writer_(settings.server, settings.common_fields),
      pages_(std::move(settings.error_pages)),
      cache_(types_, settings.file_cache) {
  switch (listener_.access_log) {
    case config::AccessLog::off:
      break;
    case config::AccessLog::journal:
      log_ = Log::journal;
      break;
    case config::AccessLog::file:
      if (access_log_) log_ = settings.log_as_json ? Log::json : Log::combined;
      break;
  }
  for (const RouteSpec& spec : settings.routes) {
    routes_.add(spec.pattern, make_handler(spec, settings, context));
    has_proxies_ |= spec.handler == HandlerKind::proxy;
  }
}

std::unique_ptr<Handler> Site::make_handler(const RouteSpec& spec, const HttpSettings& settings,
                                            const ProtocolContext& context) {
  switch (spec.handler) {
    case HandlerKind::info:
      return std::make_unique<InfoHandler>();
    case HandlerKind::status:
      return std::make_unique<DocumentHandler>(DocumentHandler::Kind::status);
    case HandlerKind::metrics:
      return std::make_unique<DocumentHandler>(DocumentHandler::Kind::metrics);
    case HandlerKind::health:
      return std::make_unique<DocumentHandler>(DocumentHandler::Kind::health);
    case HandlerKind::proxy:
      // The loader has made sure that the service is there.
      return std::make_unique<ProxyHandler>(context.io, context.services->find(spec.argument),
                                            head_writer_);
    case HandlerKind::static_files:
      break;
  }
  StaticOptions options{.folder = spec.argument,
                        .index_names = settings.index_names,
                        .autoindex = settings.autoindex,
                        .dot_files = settings.dot_files,
                        .precompressed = settings.precompressed,
                        .fields = {}};
  for (const auto& [pattern, value] : settings.cache_control) {
    if (pattern == spec.pattern) options.fields += "Cache-Control: " + value + "\r\n";
  }
  return std::make_unique<StaticHandler>(std::move(options), cache_, context.io.dispatcher);
}

std::unique_ptr<Session> Site::open(Connection& connection) {
  return std::make_unique<HttpSession>(connection, *this);
}

const SocketAddress* Site::local_address(const Connection& connection) {
  const SocketAddress address = connection.local();
  const std::string text = address.text();
  const auto known = std::find_if(local_addresses_.begin(), local_addresses_.end(),
                                  [&](const SocketAddress& one) { return one.text() == text; });
  if (known != local_addresses_.end()) return &*known;
  if (local_addresses_.size() == kMaxLocalAddresses) return nullptr;
  return &local_addresses_.emplace_back(address);
}

void Site::log(const Connection& connection, std::uint64_t bytes) const {
  if (log_ == Log::journal && !log_enabled(LogLevel::info)) return;
  AccessRecord record{.client = {},
                      .line = request.line,
                      .host = request.value(Name::host),
                      .referer = request.value(Name::referer),
                      .user_agent = request.value(Name::user_agent),
                      .status = response.status,
                      .bytes = bytes,
                      .time = now};
  if (log_ == Log::journal) {
    const std::string client = connection.peer().text();
    LogEntry(LogLevel::info, "http_request")
        .listener(listener_.name)
        .protocol(listener_.protocol)
        .connection(connection.id())
        .client(client)
        .field("NETD_HTTP_STATUS", std::to_string(record.status))
        .send(listener_.name + ": " + client + " \"" + printable(record.line) + "\" " +
              std::to_string(record.status) + " " + std::to_string(bytes));
    return;
  }
  const std::string client = connection.peer().ip_text();
  record.client = client;
  access_log_->write(log_ == Log::json ? json_line(record) : combined_line(record));
}

}  // namespace netd::http
