#include "daemon/protocols/http/field_table.h"

#include "daemon/base/text.h"

namespace netd::http {

Name name_of(std::string_view text) {
  const auto either = [text](std::string_view known, Name name) {
    return iequals(text, known) ? name : Name::other;
  };
  switch (text.size()) {
    case 2:
      return either("te", Name::te);
    case 4:
      return ascii_lower(text[0]) == 'h' ? either("host", Name::host) : either("date", Name::date);
    case 5:
      return either("range", Name::range);
    case 6:
      return ascii_lower(text[0]) == 'a' ? either("accept", Name::accept)
                                         : either("expect", Name::expect);
    case 7:
      return ascii_lower(text[0]) == 'r' ? either("referer", Name::referer)
                                         : either("upgrade", Name::upgrade);
    case 8:
      return ascii_lower(text[3]) == 'm' ? either("if-match", Name::if_match)
                                         : either("if-range", Name::if_range);
    case 9:
      return either("forwarded", Name::forwarded);
    case 10:
      return ascii_lower(text[0]) == 'c' ? either("connection", Name::connection)
                                         : either("user-agent", Name::user_agent);
    case 12:
      return either("max-forwards", Name::max_forwards);
    case 13:
      return either("if-none-match", Name::if_none_match);
    case 14:
      return either("content-length", Name::content_length);
    case 15:
      return ascii_lower(text[0]) == 'a' ? either("accept-encoding", Name::accept_encoding)
                                         : either("x-forwarded-for", Name::x_forwarded_for);
    case 17:
      return ascii_lower(text[0]) == 't' ? either("transfer-encoding", Name::transfer_encoding)
                                         : either("if-modified-since", Name::if_modified_since);
    case 19:
      return either("if-unmodified-since", Name::if_unmodified_since);
    default:
      return Name::other;
  }
}

void FieldTable::clear_fields() {
  field_count_ = 0;
  first_.fill(kNone);
  count_.fill(0);
}

bool FieldTable::add(Field field) {
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
