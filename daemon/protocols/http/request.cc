#include "daemon/protocols/http/request.h"

#include "daemon/base/text.h"

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

Name name_of(std::string_view text) {
  const auto either = [text](std::string_view known, Name name) {
    return iequals(text, known) ? name : Name::other;
  };
  switch (text.size()) {
    case 4:
      return either("host", Name::host);
    case 5:
      return either("range", Name::range);
    case 6:
      return ascii_lower(text[0]) == 'a' ? either("accept", Name::accept)
                                         : either("expect", Name::expect);
    case 7:
      return either("referer", Name::referer);
    case 8:
      return ascii_lower(text[3]) == 'm' ? either("if-match", Name::if_match)
                                         : either("if-range", Name::if_range);
    case 10:
      return ascii_lower(text[0]) == 'c' ? either("connection", Name::connection)
                                         : either("user-agent", Name::user_agent);
    case 13:
      return either("if-none-match", Name::if_none_match);
    case 14:
      return either("content-length", Name::content_length);
    case 15:
      return either("accept-encoding", Name::accept_encoding);
    case 17:
      return ascii_lower(text[0]) == 't' ? either("transfer-encoding", Name::transfer_encoding)
                                         : either("if-modified-since", Name::if_modified_since);
    case 19:
      return either("if-unmodified-since", Name::if_unmodified_since);
    default:
      return Name::other;
  }
}

void Request::clear() {
  method = Method::other;
  minor_version = 1;
  method_text = target = line = {};
  field_count_ = 0;
  first_.fill(kNone);
  count_.fill(0);
}

bool Request::add(Field field) {
  if (field_count_ == kMaxFields) return false;
  const Name name = name_of(field.name);
  if (name != Name::other) {
    const std::size_t index = index_of(name);
    if (count_[index]++ == 0) first_[index] = static_cast<std::uint16_t>(field_count_);
  }
  names_[field_count_] = name;
  fields_[field_count_++] = field;
  return true;
}

}  // namespace netd::http
