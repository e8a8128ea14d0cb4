// Any command line: what the parsers hand out lies in the line and within its limits.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "daemon/protocols/smtp/command.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void require_inside(std::string_view part, std::string_view whole) {
  if (part.empty()) return;
  require(part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void check_parameters(std::string_view text) {
  if (const auto mail = netd::smtp::parse_mail_parameters(text)) {
    if (mail->envid) {
      require_inside(*mail->envid, text);
      require(mail->envid->size() <= 100);
    }
  }
  if (const auto rcpt = netd::smtp::parse_rcpt_parameters(text)) {
    if (rcpt->notify) require_inside(*rcpt->notify, text);
    if (rcpt->orcpt) {
      require_inside(*rcpt->orcpt, text);
      require(rcpt->orcpt->size() <= 500);
      require(rcpt->orcpt->find_first_of(" \r\n") == std::string_view::npos);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  (void)netd::smtp::has_control_characters(line);
  const netd::smtp::Command command = netd::smtp::parse_command(line);
  require_inside(command.argument, line);
  for (const std::string_view keyword : {"FROM", "TO"}) {
    if (const auto rest = netd::smtp::after_keyword(command.argument, keyword)) {
      require_inside(*rest, line);
    }
  }
  check_parameters(command.argument);
  check_parameters(line);
  (void)netd::smtp::parse_chunk(command.argument);
  return 0;
}
