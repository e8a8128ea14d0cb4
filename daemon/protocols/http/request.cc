#include "daemon/protocols/http/request.h"

namespace netd::http {

Method method_of(std::string_view text) {
  switch (text.size()) {
    case 3:
      if (text == "GET") return Method::get;
      if (text == "PUT") return Method::put;
      break;
    case 4:
      if (text == "HEAD") return Method::head;
      if (text == "POST") return Method::post;
      break;
    case 5:
      if (text == "PATCH") return Method::patch;
      if (text == "TRACE") return Method::trace;
      break;
    case 6:
      if (text == "DELETE") return Method::del;
      break;
    case 7:
      if (text == "OPTIONS") return Method::options;
      if (text == "CONNECT") return Method::connect;
      break;
    default:
      break;
  }
  return Method::other;
}

void Request::clear() {
  method = Method::other;
  minor_version = 1;
  method_text = target = line = {};
  mixed_line_ends = false;
  clear_fields();
}

}  // namespace netd::http
