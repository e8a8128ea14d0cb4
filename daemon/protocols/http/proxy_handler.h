// Passes requests on to the instances of a service.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/protocols/http/handler.h"
#include "daemon/protocols/http/response_parser.h"
#include "daemon/protocols/http/upstream_pool.h"
#include "daemon/services/service_table.h"

namespace netd::http {

/// What all transactions of one worker through one route share. The session makes them: see
/// Handler::proxy().
class ProxyHandler final : public Handler {
 public:
  /// `io` and `writer` must outlive the handler.
  ProxyHandler(IoContext& io, std::shared_ptr<const services::SharedService> service,
               HeadWriter& writer)
      : service_(std::move(service)), writer_(writer), pool_(io, *service_) {}

  [[nodiscard]] std::string_view allowed_methods() const override {
    return "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
  }
  /// Not TRACE: it would show the client what we add for the instance's eyes.
  [[nodiscard]] bool allows(Method method) const override {
    return method != Method::connect && method != Method::trace;
  }
  [[nodiscard]] Outcome handle(const Exchange& exchange, Response& response,
                               Awaited& awaited) override;
  [[nodiscard]] ProxyHandler* proxy() override { return this; }

  /// Whether the request goes on to an instance; if not, it is answered here, like any other.
  [[nodiscard]] bool takes(const Request& request) const;

  [[nodiscard]] const services::SharedService& service() const { return *service_; }
  [[nodiscard]] UpstreamPool& pool() { return pool_; }
  /// Fields for every answer, and a Date field for those without; each with its CRLF.
  [[nodiscard]] std::string_view common_fields() const { return writer_.common_fields(); }
  [[nodiscard]] std::string_view date_field(std::int64_t now) { return writer_.date_field(now); }

  // Of the answer that is being read; a worker reads one at a time.
  [[nodiscard]] ResponseHead& head() { return head_; }
  [[nodiscard]] std::string& scratch() { return scratch_; }

 private:
  // shared_ptr: with the other workers and generations.
  std::shared_ptr<const services::SharedService> service_;
  HeadWriter& writer_;
  UpstreamPool pool_;  // depends on: service_
  ResponseHead head_;
  std::string scratch_;
};

}  // namespace netd::http
