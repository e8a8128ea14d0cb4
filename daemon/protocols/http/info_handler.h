// Tells the client what it sent and who answers: the fixture of labs and CI.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "daemon/protocols/http/handler.h"

namespace netd::http {

/// Any method; JSON of app, timestamp, client_ip, client_port, method, path, query, container_id,
/// environment and headers.
class InfoHandler final : public Handler {
 public:
  /// Where the environment has no BIND_HOST and BIND_PORT, the connection's own address stands in.
  InfoHandler();

  [[nodiscard]] std::string_view allowed_methods() const override {
    return "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE";
  }
  [[nodiscard]] bool allows(Method method) const override {
    return method != Method::connect && method != Method::other;
  }
  [[nodiscard]] bool handles_options() const override { return true; }
  [[nodiscard]] bool wants_local_address() const override { return true; }
  [[nodiscard]] Outcome handle(const Exchange& exchange, Response& response,
                               Awaited& awaited) override;

 private:
  void append_environment(std::string& out, const SocketAddress& local) const;
  [[nodiscard]] std::string_view timestamp();

  std::string container_id_;
  std::string app_name_;
  std::string bind_host_;  // empty: the connection's own address
  std::string bind_port_;
  std::string timestamp_;
  std::chrono::sys_seconds timestamp_second_;  // the second that timestamp_ was formatted for
};

}  // namespace netd::http
