// Internationalised domain names, as far as a receiver compares them (RFC 5890).
#pragma once

#include <string>
#include <string_view>

namespace netd::smtp {

/// What two spellings of one domain have in common: lower case, with A-labels ("xn--...") as the
/// U-labels that they stand for. A name with an A-label that is none stays as it is. A U-label is
/// taken to be one: in the form that IDNA requires, which is in lower case (RFC 6531, section 3.2).
[[nodiscard]] std::string domain_key(std::string_view domain);

}  // namespace netd::smtp
