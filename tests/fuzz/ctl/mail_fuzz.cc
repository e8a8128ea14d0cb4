// Any message: what `netctl mail` makes of it stays within its limits, is UTF-8, does nothing to a
// terminal, and is one JSON document.
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "ctl/mail_view.h"
#include "ctl/mime.h"
#include "ctl/mime_decode.h"
#include "daemon/base/text.h"

namespace {

using netd::ctl::Mail;
using netd::ctl::MailPart;

void require(bool condition) {
  if (!condition) std::abort();
}

bool lies_in(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void check_part(const MailPart& part, std::string_view text) {
  require(lies_in(part.body, text));
  require(part.type.find('/') != std::string::npos);
  require(part.content().size() <= part.body.size());
  require(netd::is_utf8(part.filename));
  require(netd::is_utf8(part.text()));
}

/// Control characters, of which a page has line ends and tabs alone.
bool steers_a_terminal(std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < ' ' && c != '\n' && c != '\t') || byte == 0x7F) return true;
  }
  return !netd::is_utf8(text);
}

void check_views(const Mail& mail, std::string_view text) {
  netd::ctl::OpenedMail opened{.stored = {}, .text = std::string(text), .mail = {}};
  opened.stored.id = "M1P1R00000000Q1";
  opened.stored.mailbox = "bob@example.org";
  opened.mail = Mail::parse(opened.text);
  require(opened.mail.parts.size() == mail.parts.size());
  const netd::ctl::Terminal plain{};
  require(!steers_a_terminal(netd::ctl::mail_page(opened, plain)));
  const auto summary = netd::ctl::MailSummary::of(opened.stored, opened.mail);
  require(!steers_a_terminal(netd::ctl::mail_table({summary}, plain)));
  require(nlohmann::json::accept(netd::ctl::mail_list_json({summary})));
  require(nlohmann::json::accept(netd::ctl::mail_json(opened)));
  const netd::ctl::MailFilter filter{.to = "bob", .from = "a", .subject = "b", .body = "c"};
  (void)filter.matches(opened.stored, opened.mail);
}

void check_encodings(std::string_view text) {
  using namespace netd::ctl;
  require(decode_base64(encode_base64(text)) == text);
  require(netd::is_utf8(decode_header(text)));
  const std::string quoted = encode_quoted_printable(text);
  for (const std::string_view line : netd::split(quoted, '\n')) require(line.size() <= 77);
  std::string crlf;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) crlf += '\r';
    crlf += text[i];
  }
  require(decode_quoted_printable(quoted, false) == crlf);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Mail mail = Mail::parse(text);
  require(mail.fields.size() <= Mail::kMaxFields && mail.parts.size() <= Mail::kMaxParts);
  require(!mail.parts.empty());
  for (const netd::ctl::MailField& field : mail.fields) require(netd::is_utf8(field.value));
  for (const MailPart& part : mail.parts) check_part(part, text);
  require(mail.attachments().size() <= mail.parts.size());
  check_views(mail, text);
  check_encodings(text);
  return 0;
}
