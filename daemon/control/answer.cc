#include "daemon/control/answer.h"

namespace netd::control {

void Answer::error(std::string_view code, std::string_view message) const {
  send(error_document(code, message));
}

JsonWriter ok_document() { return std::move(JsonWriter().add("status", "ok")); }

std::string error_document(std::string_view code, std::string_view message) {
  return JsonWriter().add("status", "error").add("code", code).add("message", message).object();
}

}  // namespace netd::control
