#include "daemon/protocols/http/error_page.h"

#include <utility>

#include "daemon/base/text.h"
#include "daemon/protocols/http/fields.h"
#include "daemon/protocols/http/url.h"

namespace netd::http {

void ErrorPages::fill(const Request& request, std::string_view reason, Response& response) const {
  const std::string number = std::to_string(response.status);
  const std::string_view phrase = reason_phrase(response.status);
  // Some of these answers may be kept by caches without being told so (RFC 9110, section 15.1).
  response.field("Vary", "Accept");
  if (prefers_json(request)) {
    std::string json = "{\"status\":" + number + ",\"error\":" + json_quote(phrase);
    if (!reason.empty()) json += ",\"reason\":" + json_quote(reason);
    response.set_text("application/json", json + "}\n");
    return;
  }
  if (const auto found = custom_.find(response.status); found != custom_.end()) {
    response.set_text("text/html; charset=utf-8", found->second);
    return;
  }
  std::string html = "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>";
  html.append(number).append(" ").append(phrase).append("</title></head>\n<body><h1>");
  html.append(number).append(" ").append(phrase).append("</h1>");
  if (!reason.empty()) {
    html += "<p>";
    append_html(html, reason);
    html += "</p>";
  }
  response.set_text("text/html; charset=utf-8", html + "</body>\n</html>\n");
}

}  // namespace netd::http
