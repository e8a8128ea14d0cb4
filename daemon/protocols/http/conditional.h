// Conditional requests (RFC 9110, section 13).
#pragma once

#include <cstdint>
#include <string_view>

#include "daemon/protocols/http/request.h"

namespace netd::http {

/// What identifies the selected representation.
struct Validators {
  std::string_view entity_tag = {};  ///< with quotes, "W/" in front when weak; empty: none
  std::int64_t last_modified = 0;    ///< seconds since 1970
  bool exists = true;                ///< false: there is no representation at the target
};

enum class Precondition : std::uint8_t {
  proceed,
  not_modified,  ///< 304
  failed,        ///< 412
};

/// Evaluates If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since in the order of RFC
/// 9110, section 13.2.2. Fields that cannot be read are ignored, but for If-Match, which then
/// matches nothing. `now` is seconds since 1970.
[[nodiscard]] Precondition evaluate_preconditions(const Request& request,
                                                  const Validators& validators, std::int64_t now);

/// Whether Range holds in view of If-Range (RFC 9110, section 13.1.5): strong comparison, exact
/// date. True when there is no If-Range.
[[nodiscard]] bool if_range_holds(const Request& request, const Validators& validators,
                                  std::int64_t now);

}  // namespace netd::http
