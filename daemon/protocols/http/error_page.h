// Pages for answers that have no content of their own.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/protocols/http/request.h"
#include "daemon/protocols/http/response.h"

namespace netd::http {

class ErrorPages {
 public:
  /// `custom`: HTML to send instead of netd's own page, by status.
  explicit ErrorPages(std::map<int, std::string> custom) : custom_(std::move(custom)) {}

  /// Fills the body for response.status: JSON where `request` prefers it, else HTML. `reason` says
  /// more, for people; may be empty.
  void fill(const Request& request, std::string_view reason, Response& response) const;

 private:
  std::map<int, std::string> custom_;
};

}  // namespace netd::http
