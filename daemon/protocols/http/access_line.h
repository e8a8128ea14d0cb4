// One line of the access log for one answered request.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace netd::http {

/// What is known of a request when its answer is on its way. Empty: unknown.
struct AccessRecord {
  std::string_view client;  ///< without the port
  std::string_view line;    ///< the request line
  std::string_view host;
  std::string_view referer;
  std::string_view user_agent;
  int status = 0;
  std::uint64_t bytes = 0;  ///< of the content sent
  std::int64_t time = 0;    ///< seconds since 1970
};

/// The combined log format of Apache and nginx; times are UTC. Quotes, backslashes and bytes that
/// are not printable become \xHH: a client cannot write lines of its own.
[[nodiscard]] std::string combined_line(const AccessRecord& record);

/// One JSON object.
[[nodiscard]] std::string json_line(const AccessRecord& record);

}  // namespace netd::http
