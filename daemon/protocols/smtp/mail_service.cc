#include "daemon/protocols/smtp/mail_service.h"

#include <cerrno>
#include <fstream>
#include <iterator>

#include "daemon/protocols/smtp/settings.h"

namespace netd::smtp {

namespace {

/// An aliases file beyond this is a mistake.
constexpr std::streamsize kMaxAliases = std::streamsize{16} << 20;

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

Result<std::string> read_aliases(const std::string& path) {
  std::string text;
  if (path.empty()) return text;
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return fail_system("read " + path, errno);
  const std::streamsize size = file.tellg();
  if (size > kMaxAliases) return fail("read " + path + ": larger than 16M");
  file.seekg(0);
  text.assign(std::istreambuf_iterator<char>(file), {});
  if (file.bad()) return fail_system("read " + path, errno);
  return text;
}

Result<RecipientTable> make_recipients(const config::Settings& settings,
                                       const config::ListenerSettings& listener) {
  const config::Section& own = listener.own;
  RecipientTable::Options options;
  for (const config::Value& value : own.list("domains")) options.domains.push_back(value.text);
  for (const config::Value& value : own.list("users")) options.users.push_back(value.text);
  options.catch_all = own.text("catch_all");
  const std::string& delimiter = own.text("recipient_delimiter");
  options.delimiter = delimiter.size() == 1 ? delimiter.front() : '\0';
  options.hostname = settings.netd.hostname;
  const std::string& aliases = own.text("aliases");
  const auto text = read_aliases(aliases);
  if (!text) return std::unexpected(text.error());
  return RecipientTable::create(options, *text, aliases);
}

}  // namespace

std::string MailService::trouble() const {
  std::string trouble = store_->trouble();
  if (!trouble.empty()) trouble.insert(0, "mail store: ");
  return trouble;
}

Result<std::shared_ptr<SharedState>> make_mail_service(
    const config::Settings& settings, const config::ListenerSettings& listener,
    const std::shared_ptr<SharedState>& previous) {
  const config::Section& own = listener.own;
  auto recipients = make_recipients(settings, listener);
  if (!recipients) {
    return std::unexpected(recipients.error().within("listener " + listener.name));
  }
  const auto* const before = dynamic_cast<const MailService*>(previous.get());

  MailStore::Options options;
  options.root = own.text("maildir");
  options.hostname = settings.netd.hostname;
  options.listener = listener.name;
  options.sync = own.text("sync") == "always";
  options.quota = own.size("quota");
  options.retention = {.age = own.duration("retention_age"),
                       .count = own.integer("retention_count")};
  std::shared_ptr<MailStore> store;
  if (before != nullptr && before->store()->options() == options) {
    store = before->store();
  } else {
    auto created = MailStore::create(std::move(options), system_clock());
    if (!created) return std::unexpected(created.error().within("listener " + listener.name));
    store = std::move(*created);
  }

  const ClientLimits::Options limit{.connections = own.integer("connections_per_minute"),
                                    .messages = own.integer("messages_per_minute")};
  std::shared_ptr<ClientLimits> limits;
  if (limit.connections != 0 || limit.messages != 0) {
    if (before != nullptr && before->limits() && before->limits()->options() == limit) {
      limits = before->limits();
    } else {
      limits = std::make_shared<ClientLimits>(limit);
    }
  }
  auto tls = load_tls(own);
  if (!tls) return std::unexpected(tls.error().within("listener " + listener.name));
  return std::make_shared<MailService>(std::move(*recipients), std::move(store), std::move(limits),
                                       std::move(*tls));
}

}  // namespace netd::smtp
