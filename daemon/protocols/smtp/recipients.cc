#include "daemon/protocols/smtp/recipients.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "daemon/base/text.h"
#include "daemon/protocols/smtp/idn.h"
#include "daemon/protocols/smtp/maildir.h"

namespace netd::smtp {

namespace {

/// One message goes to at most this many.
constexpr std::size_t kMaxFound = 10'000;
constexpr std::string_view kPostmaster = "postmaster";

/// "user" or "user@domain" taken apart; nothing for anything else.
std::optional<std::pair<std::string, std::string>> split_user(std::string_view text) {
  if (text.find('@') == std::string_view::npos) {
    const auto address = parse_mailbox(std::string(text) + "@example.org");
    if (!address) return {};
    return std::pair(to_ascii_lower(address->local), std::string());
  }
  const auto address = parse_mailbox(text);
  if (!address) return {};
  return std::pair(to_ascii_lower(address->local), to_ascii_lower(address->domain));
}

std::string join(std::string_view local, std::string_view domain) {
  std::string joined(local);
  joined += '@';
  joined += domain;
  return joined;
}

/// The elements between commas; a comma inside of quotes belongs to its address.
std::vector<std::string_view> split_targets(std::string_view text) {
  std::vector<std::string_view> targets;
  bool quoted = false;
  std::size_t start = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] == '"') quoted = !quoted;
    if (i < text.size() && (quoted || text[i] != ',')) continue;
    targets.push_back(trim(text.substr(start, i - start)));
    start = i + 1;
  }
  return targets;
}

}  // namespace

Result<void> RecipientTable::check_domain(std::string_view pattern) {
  if (pattern == "*") return {};
  const bool wild = pattern.starts_with("*.");
  const std::string_view name = wild ? pattern.substr(2) : pattern;
  if (is_domain(name) || (!wild && is_address_literal(name))) return {};
  return fail("expected a domain, *.DOMAIN or *");
}

Result<void> RecipientTable::check_user(std::string_view user) {
  if (split_user(user)) return {};
  return fail("expected USER or USER@DOMAIN");
}

Result<RecipientTable> RecipientTable::create(const Options& options, std::string_view aliases,
                                              std::string_view file) {
  RecipientTable table;
  for (const std::string& written : options.domains) {
    std::string domain = to_ascii_lower(written);
    if (domain == "*") {
      table.every_domain_ = true;
    } else if (domain.starts_with("*.")) {
      table.suffixes_.push_back(domain_key(domain).substr(1));
    } else {
      if (table.primary_domain_.empty()) table.primary_domain_ = domain;
      table.domains_.try_emplace(domain_key(domain), std::move(domain));
    }
  }
  if (table.primary_domain_.empty()) table.primary_domain_ = to_ascii_lower(options.hostname);
  for (const std::string& user : options.users) {
    const auto parts = split_user(user);
    if (!parts) return fail("user " + user + ": expected USER or USER@DOMAIN");
    table.users_.insert(parts->second.empty() ? parts->first
                                              : join(parts->first, domain_key(parts->second)));
  }
  table.every_user_ = options.users.empty();
  table.catch_all_ = to_ascii_lower(options.catch_all);
  table.delimiter_ = options.delimiter;
  if (auto read = table.read_aliases(aliases, file); !read) {
    return std::unexpected(std::move(read.error()));
  }
  if (auto checked = table.check_targets(file); !checked) {
    return std::unexpected(std::move(checked.error()));
  }
  return table;
}

/// aliases(5) as far as it is about addresses: comments, and lines that start with a blank go on
/// the one before.
Result<void> RecipientTable::read_aliases(std::string_view text, std::string_view file) {
  std::string logical;
  std::size_t number = 0;
  std::size_t logical_number = 0;
  const auto place = [&] { return std::string(file) + ':' + std::to_string(logical_number); };
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++number;
    const std::string_view content = trim(line);
    if (content.empty() || content.starts_with('#')) continue;
    if (line.front() == ' ' || line.front() == '\t') {
      if (logical.empty()) {
        return fail(std::string(file) + ':' + std::to_string(number) +
                    ": the first line cannot be a continuation");
      }
      logical += ' ';
      logical += content;
      continue;
    }
    if (!logical.empty()) {
      if (auto added = add_alias(logical, place()); !added) return added;
    }
    logical = content;
    logical_number = number;
  }
  return logical.empty() ? Result<void>() : add_alias(logical, place());
}

Result<void> RecipientTable::add_alias(std::string_view line, const std::string& place) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return fail(place + ": expected ALIAS: TARGET, TARGET...");
  const auto parts = split_user(trim(line.substr(0, colon)));
  if (!parts) return fail(place + ": the alias is neither USER nor USER@DOMAIN");
  std::vector<std::string> targets;
  for (const std::string_view target : split_targets(line.substr(colon + 1))) {
    if (target.empty()) continue;
    const auto target_parts = split_user(target);
    if (!target_parts) {
      return fail(place + ": target \"" + printable(target) +
                  "\" is neither USER nor USER@DOMAIN (netd runs no programs and writes no files)");
    }
    targets.push_back(target_parts->second.empty()
                          ? target_parts->first
                          : join(target_parts->first, target_parts->second));
  }
  if (targets.empty()) return fail(place + ": the alias has no target");
  std::string key =
      parts->second.empty() ? parts->first : join(parts->first, domain_key(parts->second));
  if (!aliases_.emplace(std::move(key), std::move(targets)).second) {
    return fail(place + ": the alias is there already");
  }
  return {};
}

/// Mail must not leave this server, and a typing error must not lose it.
Result<void> RecipientTable::check_targets(std::string_view file) const {
  const auto check = [&](const std::string& alias, const std::string& target) -> Result<void> {
    const std::size_t alias_at = alias.rfind('@');
    const std::size_t at = target.rfind('@');
    const std::string local = target.substr(0, at);
    // Neither has a domain: the target is in the recipient's, which is served or it is refused.
    std::string domain = primary_domain_;
    if (alias_at != std::string::npos) domain = alias.substr(alias_at + 1);
    if (at != std::string::npos) domain = target.substr(at + 1);
    if (at != std::string::npos && !serves(domain)) {
      return fail("target " + target + " is not in a domain of this server");
    }
    if (local != kPostmaster && !is_user(local, domain) && find_alias(local, domain) == nullptr) {
      return fail("target " + target + " is no user");
    }
    return {};
  };
  for (const auto& [alias, targets] : aliases_) {
    for (const std::string& target : targets) {
      if (auto checked = check(alias, target); !checked) {
        return std::unexpected(checked.error().within(std::string(file) + ": alias " + alias));
      }
    }
  }
  for (const auto& [alias, targets] : aliases_) {
    std::vector<std::string> mailboxes;
    Search search{.mailboxes = mailboxes, .listed = {}, .seen = {}};
    expand(alias, primary_domain_, search);
    if (search.too_many) {
      return fail(std::string(file) + ": alias " + alias + ": leads to more than " +
                  std::to_string(kMaxFound) + " mailboxes");
    }
    if (!search.found) {
      return fail(std::string(file) + ": alias " + alias + ": leads back to itself alone");
    }
  }
  if (catch_all_.empty()) return {};
  if (auto checked = check("", catch_all_); !checked) {
    return std::unexpected(checked.error().within("catch_all"));
  }
  return {};
}

bool RecipientTable::serves(std::string_view domain) const {
  if (every_domain_) return true;
  const std::string key = domain_key(domain);
  if (domains_.contains(key)) return true;
  return std::ranges::any_of(suffixes_, [&](const std::string& suffix) {
    return key.size() > suffix.size() && key.ends_with(suffix);
  });
}

/// The domain's folder: one for all spellings where the configuration has the name.
std::string RecipientTable::spelling(std::string_view domain) const {
  const auto found = domains_.find(domain_key(domain));
  return found == domains_.end() ? to_ascii_lower(domain) : found->second;
}

bool RecipientTable::is_user(const std::string& local, const std::string& domain) const {
  return every_user_ || users_.contains(local) || users_.contains(join(local, domain_key(domain)));
}

const std::vector<std::string>* RecipientTable::find_alias(const std::string& local,
                                                           const std::string& domain) const {
  if (aliases_.empty()) return nullptr;
  auto found = aliases_.find(join(local, domain_key(domain)));
  if (found == aliases_.end()) found = aliases_.find(local);
  return found == aliases_.end() ? nullptr : &found->second;
}

Verdict RecipientTable::route(const Address& recipient, std::vector<std::string>& mailboxes) const {
  const std::string local = to_ascii_lower(recipient.local);
  const std::string domain =
      recipient.domain.empty() ? primary_domain_ : spelling(recipient.domain);
  // <Postmaster> alone is this server's, whatever its domains are (RFC 5321, section 4.5.1).
  if (!recipient.domain.empty() && !serves(domain)) return Verdict::relay_denied;

  std::string user = local;  // without the tag
  const bool exact =
      find_alias(local, domain) != nullptr || (!every_user_ && is_user(local, domain));
  if (!exact && delimiter_ != '\0') {
    const std::size_t at = local.find(delimiter_);
    if (at != std::string::npos && at > 0) user.resize(at);
  }
  const bool known =
      user == kPostmaster || find_alias(user, domain) != nullptr || is_user(user, domain);
  if (!known && catch_all_.empty()) return Verdict::unknown_user;
  const std::size_t before = mailboxes.size();
  Search search{.mailboxes = mailboxes, .listed = {}, .seen = {}};
  if (known) {
    resolve(user, domain, search);
  } else {
    expand(catch_all_, domain, search);
  }
  if (search.too_many) {
    // Some of an alias' mailboxes would not get the message that was accepted for it.
    mailboxes.resize(before);
    return Verdict::too_many;
  }
  return search.found ? Verdict::accepted : Verdict::bad_name;
}

/// A target of an alias, or the catch-all; without a domain it is in the recipient's.
void RecipientTable::expand(const std::string& target, const std::string& domain,
                            Search& search) const {
  const std::size_t at = target.rfind('@');
  if (at == std::string::npos) return resolve(target, domain, search);
  resolve(target.substr(0, at), spelling(std::string_view(target).substr(at + 1)), search);
}

void RecipientTable::resolve(const std::string& local, const std::string& domain,
                             Search& search) const {
  const std::vector<std::string>* targets = find_alias(local, domain);
  if (targets == nullptr) return add_mailbox(local, domain, search);
  // Each alias once, so that loops end and nothing is looked up more often than there are aliases.
  const std::string whole = join(local, domain);
  if (!search.seen.insert(whole).second) return;
  if (search.listed.empty()) search.listed.insert(search.mailboxes.begin(), search.mailboxes.end());
  for (const std::string& target : *targets) {
    // An alias that names itself means the mailbox of that name.
    if (target == local || target == whole) {
      add_mailbox(local, domain, search);
    } else {
      expand(target, domain, search);
    }
  }
}

void RecipientTable::add_mailbox(const std::string& local, const std::string& domain,
                                 Search& search) {
  const std::optional<std::string> folder = mailbox_folder_name(local);
  if (!folder) return;
  search.found = true;
  std::string mailbox = domain + '/' + *folder;
  const bool is_listed =
      search.seen.empty() ? std::ranges::find(search.mailboxes, mailbox) != search.mailboxes.end()
                          : !search.listed.insert(mailbox).second;
  if (is_listed) return;
  search.too_many = search.mailboxes.size() >= kMaxFound;
  if (!search.too_many) search.mailboxes.push_back(std::move(mailbox));
}

}  // namespace netd::smtp
