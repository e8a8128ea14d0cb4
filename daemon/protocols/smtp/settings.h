// The settings of an SMTP listener, typed.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "daemon/base/error.h"
#include "daemon/config/settings.h"
#include "daemon/net/tls.h"

namespace netd::smtp {

struct SmtpSettings {
  std::string hostname;  ///< in the greeting, in Received and in file names
  std::string listener;
  std::uint64_t max_message_size = 0;  ///< octets
  std::size_t max_recipients = 0;
  std::size_t max_line_length = 0;  ///< of a message's text, without its line end
  unsigned max_errors = 0;          ///< error answers with no message accepted between
  bool normalise_bare_newline = false;
  std::chrono::milliseconds idle_timeout{};  ///< here: how long a command line may take; zero: none
  std::chrono::milliseconds message_timeout{};  ///< from DATA or the first BDAT to the end
  std::chrono::milliseconds greet_delay{};      ///< zero: no look for early talkers
  std::chrono::milliseconds tarpit{};           ///< after each error beyond kTarpitAfter

  [[nodiscard]] static SmtpSettings from(const config::Settings& settings,
                                         const config::ListenerSettings& listener);
};

/// Errors that are nobody's fault yet.
inline constexpr unsigned kTarpitAfter = 5;

/// The rows of a [listener] with protocol = smtp, and the check over all of them.
[[nodiscard]] std::span<const config::SettingRow> smtp_rows();
void check_smtp(const config::Section& section, std::vector<config::Mistake>& mistakes);

/// What tls_certificate and tls_key name; null when no certificate is given.
[[nodiscard]] Result<std::shared_ptr<const TlsContext>> load_tls(const config::Section& section);

}  // namespace netd::smtp
