// Documents of the daemon as a whole: status, metrics, health.
#pragma once

#include "daemon/protocols/http/handler.h"

namespace netd::http {

class DocumentHandler final : public Handler {
 public:
  enum class Kind : std::uint8_t {
    status,
    metrics,
    health,  ///< PREFIX/livez and PREFIX/readyz; PREFIX itself is readiness
  };
  explicit DocumentHandler(Kind kind) : kind_(kind) {}

  [[nodiscard]] std::string_view allowed_methods() const override { return "GET, HEAD, OPTIONS"; }
  [[nodiscard]] bool allows(Method method) const override {
    return method == Method::get || method == Method::head;
  }
  [[nodiscard]] Outcome handle(const Exchange& exchange, Response& response,
                               Awaited& awaited) override;

 private:
  Kind kind_;
};

}  // namespace netd::http
