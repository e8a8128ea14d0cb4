// Text that goes into URLs and pages.
#pragma once

#include <string>
#include <string_view>

namespace netd::http {

/// Percent-encodes what may not stand in a path as it is; '/' stays. ':' is encoded, too, so that a
/// relative reference can never look like a scheme.
void append_url_path(std::string& out, std::string_view path);

/// Percent-encodes what may not stand in a query as it is; what is encoded already stays.
void append_url_query(std::string& out, std::string_view query);

/// Escapes what means something in HTML, in text and in quoted attributes. Bytes that are not UTF-8
/// become U+FFFD.
void append_html(std::string& out, std::string_view text);

}  // namespace netd::http
