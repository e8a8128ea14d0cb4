#include "daemon/protocols/smtp/settings.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "daemon/base/error.h"
#include "daemon/protocols/smtp/recipients.h"

namespace netd::smtp {

namespace {

using config::SettingRow;
using config::ValueKind;

constexpr std::array<std::string_view, 2> kNewlineChoices = {"refuse", "normalise"};
constexpr std::array<std::string_view, 2> kSyncChoices = {"always", "off"};

/// Long enough for one day: nobody waits longer for a message.
constexpr std::uint64_t kDayMs = 86'400'000;

Result<void> check_delimiter(std::string_view value) {
  if (value == "off") return {};
  if (value.size() == 1 &&
      std::string_view("+-_=#~!").find(value.front()) != std::string_view::npos) {
    return {};
  }
  return fail("expected one of + - _ = # ~ ! or off");
}

constexpr std::array kRows = {
    SettingRow{
        .key = "idle_timeout",
        .kind = ValueKind::duration,
        .default_value = "5min",
        .help =
            "a client that is silent for so long is told so and closed (RFC 5321 asks for 5min)",
        .maximum = kDayMs},
    SettingRow{.key = "maildir",
               .kind = ValueKind::path,
               .help = "mail goes to MAILDIR/DOMAIN/USER/{tmp,new,cur}",
               .required = true},
    SettingRow{.key = "domains",
               .kind = ValueKind::text,
               .help = "a domain whose mail is taken; *.DOMAIN: what is below it; *: every domain",
               .list = true,
               .required = true,
               .check = RecipientTable::check_domain},
    SettingRow{.key = "users",
               .kind = ValueKind::text,
               .help = "USER or USER@DOMAIN that exists; none given: every user exists",
               .list = true,
               .check = RecipientTable::check_user},
    SettingRow{.key = "aliases",
               .kind = ValueKind::path,
               .help = "file of lines ALIAS: TARGET, TARGET... with targets of this server"},
    SettingRow{.key = "catch_all",
               .kind = ValueKind::text,
               .help = "USER or USER@DOMAIN that gets the mail of users who do not exist",
               .check = RecipientTable::check_user},
    SettingRow{.key = "recipient_delimiter",
               .kind = ValueKind::text,
               .default_value = "+",
               .help = "what ends the user's name in USER+TAG; off: nothing does",
               .check = check_delimiter},
    SettingRow{.key = "sync",
               .kind = ValueKind::choice,
               .default_value = "always",
               .help = "always: 250 means on disk; off: for test rigs",
               .choices = kSyncChoices},
    SettingRow{.key = "tls_certificate",
               .kind = ValueKind::path,
               .help = "PEM file with the certificate and its chain; given, STARTTLS is offered"},
    SettingRow{.key = "tls_key",
               .kind = ValueKind::path,
               .help = "PEM file with the certificate's key; not given: tls_certificate has it"},
    SettingRow{.key = "bare_newline",
               .kind = ValueKind::choice,
               .default_value = "refuse",
               .help = "a message with a CR or LF that stands alone: refuse it, or make it CRLF",
               .choices = kNewlineChoices},
    SettingRow{.key = "max_message_size",
               .kind = ValueKind::size,
               .default_value = "50M",
               .help = "octets of one message",
               .minimum = 65'536,
               .maximum = std::uint64_t{1} << 40},
    SettingRow{.key = "max_recipients",
               .kind = ValueKind::integer,
               .default_value = "1000",
               .help = "recipients of one message",
               .minimum = 100,
               .maximum = 10'000},
    SettingRow{.key = "max_line_length",
               .kind = ValueKind::size,
               .default_value = "1M",
               .help = "octets of a line of a message without its CRLF (RFC 5322 allows 998)",
               .minimum = 998},
    SettingRow{.key = "max_errors",
               .kind = ValueKind::integer,
               .default_value = "20",
               .help = "error answers, no message accepted between them, that end a session",
               .minimum = 1,
               .maximum = 1'000'000},
    SettingRow{
        .key = "quota",
        .kind = ValueKind::size,
        .default_value = "0",
        .help = "what a mailbox may hold before its mail is refused for a while; 0: no limit"},
    SettingRow{.key = "retention_age",
               .kind = ValueKind::duration,
               .default_value = "0",
               .help = "older messages are removed, read or not; 0: none"},
    SettingRow{.key = "retention_count",
               .kind = ValueKind::integer,
               .default_value = "0",
               .help = "the oldest messages beyond so many in a mailbox are removed; 0: none"},
    SettingRow{.key = "message_timeout",
               .kind = ValueKind::duration,
               .default_value = "1h",
               .help = "time for all of one message's text, 0: no limit",
               .maximum = kDayMs},
    SettingRow{.key = "greet_delay",
               .kind = ValueKind::duration,
               .default_value = "0",
               .help = "wait before the greeting; a client that speaks in it is turned away",
               .maximum = 60'000},
    SettingRow{.key = "tarpit",
               .kind = ValueKind::duration,
               .default_value = "0",
               .help = "wait after each error beyond the fifth of a session",
               .maximum = 60'000},
    SettingRow{.key = "connections_per_minute",
               .kind = ValueKind::integer,
               .default_value = "0",
               .help = "new connections of one client address in a minute; 0: no limit"},
    SettingRow{.key = "messages_per_minute",
               .kind = ValueKind::integer,
               .default_value = "0",
               .help = "messages of one client address in a minute; 0: no limit"},
};

/// The nearest folder that exists, at or above the path, must let netd in. Makes nothing: --check
/// asks too.
Result<void> check_usable(std::string path) {
  struct stat info{};
  while (::stat(path.c_str(), &info) != 0) {
    if (errno != ENOENT) return fail_system(path, errno);
    const std::size_t slash = path.rfind('/');
    path.resize(slash == 0 ? 1 : slash);
  }
  if (!S_ISDIR(info.st_mode)) return fail(path + ": Not a directory");
  if (::access(path.c_str(), W_OK | X_OK) != 0) return fail_system(path, errno);
  return {};
}

void check_tls(const config::Section& section, std::vector<config::Mistake>& mistakes) {
  const std::string& certificate = section.text("tls_certificate");
  const std::string& key = section.text("tls_key");
  if (certificate.empty()) {
    if (!key.empty()) mistakes.push_back(section.refusal("tls_key", "tls_certificate with it"));
    return;
  }
  if (auto loaded = load_tls(section); !loaded) {
    mistakes.push_back(
        section.refusal("tls_certificate", "a certificate and its key: " + loaded.error().what()));
  }
}

}  // namespace

std::span<const config::SettingRow> smtp_rows() { return kRows; }

void check_smtp(const config::Section& section, std::vector<config::Mistake>& mistakes) {
  if (auto usable = check_usable(section.text("maildir")); !usable) {
    mistakes.push_back(
        section.refusal("maildir", "a folder to write to: " + usable.error().what()));
  }
  const std::string& aliases = section.text("aliases");
  if (!aliases.empty() && ::access(aliases.c_str(), R_OK) != 0) {
    mistakes.push_back(
        section.refusal("aliases", "a file to read: " + system_error(aliases, errno).what()));
  }
  check_tls(section, mistakes);
}

Result<std::shared_ptr<const TlsContext>> load_tls(const config::Section& section) {
  const std::string& certificate = section.text("tls_certificate");
  if (certificate.empty()) return std::shared_ptr<const TlsContext>();
  const std::string& key = section.text("tls_key");
  return TlsContext::load(certificate, key.empty() ? certificate : key);
}

SmtpSettings SmtpSettings::from(const config::Settings& settings,
                                const config::ListenerSettings& listener) {
  const config::Section& own = listener.own;
  SmtpSettings smtp;
  smtp.hostname = settings.netd.hostname;
  smtp.listener = listener.name;
  smtp.max_message_size = own.size("max_message_size");
  smtp.max_recipients = own.integer("max_recipients");
  smtp.max_line_length = own.size("max_line_length");
  smtp.max_errors = static_cast<unsigned>(own.integer("max_errors"));
  smtp.normalise_bare_newline = own.text("bare_newline") == "normalise";
  smtp.idle_timeout = listener.idle_timeout;
  smtp.message_timeout = own.duration("message_timeout");
  smtp.greet_delay = own.duration("greet_delay");
  smtp.tarpit = own.duration("tarpit");
  return smtp;
}

}  // namespace netd::smtp
