// Makes messages from what people give on a command line (RFC 5322, RFC 2045).
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace netd::ctl {

struct Attachment {
  std::string filename;
  std::string content;
};

struct Draft {
  std::string from;
  std::vector<std::string> to;
  std::string subject;
  std::vector<std::string> headers;  ///< "Name: value", each
  std::string text;                  ///< UTF-8, with any line ends
  std::string html;                  ///< an alternative to the text; empty: none
  std::vector<Attachment> attachments;
};

/// The message with CRLF throughout. `id` makes Message-ID and boundaries unique; `host` is this
/// machine's name.
[[nodiscard]] std::string compose(const Draft& draft, std::chrono::system_clock::time_point now,
                                  std::string_view id, std::string_view host);

/// A message that was written elsewhere: every line end becomes CRLF, and nothing else changes.
[[nodiscard]] std::string with_crlf(std::string_view text);

}  // namespace netd::ctl
