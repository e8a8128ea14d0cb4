// The encodings of mail: what turns bytes that travelled into text and files again.
#pragma once

#include <string>
#include <string_view>

namespace netd::ctl {

/// RFC 2045, section 6.8. What is no base64 is skipped, as the section wants.
[[nodiscard]] std::string decode_base64(std::string_view text);
/// RFC 2045, section 6.7; `underscore_is_space` is the Q encoding of RFC 2047, section 4.2.
[[nodiscard]] std::string decode_quoted_printable(std::string_view text, bool underscore_is_space);

/// UTF-8 of text in a character set that may be misnamed or unknown: what cannot be read becomes
/// U+FFFD.
[[nodiscard]] std::string to_utf8(std::string_view bytes, std::string_view charset);

/// A header field's text with its encoded words decoded (RFC 2047), as UTF-8 in one line.
[[nodiscard]] std::string decode_header(std::string_view value);

/// 76 columns, with CRLF.
[[nodiscard]] std::string encode_base64(std::string_view bytes);
[[nodiscard]] std::string encode_quoted_printable(std::string_view text);
/// As it is when it is printable ASCII and fits a line, else in encoded words of at most 75
/// columns, folded.
[[nodiscard]] std::string encode_header(std::string_view text);

}  // namespace netd::ctl
