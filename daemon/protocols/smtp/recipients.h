// Who gets mail here: domains, users, aliases and the catch-all.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "daemon/base/error.h"
#include "daemon/protocols/smtp/address.h"

namespace netd::smtp {

enum class Verdict : std::uint8_t {
  accepted,
  relay_denied,  ///< not a domain of this server
  unknown_user,
  bad_name,  ///< no folder can have this name
  too_many,  ///< more mailboxes than one message can go to
};

/// Immutable once made; any thread.
class RecipientTable {
 public:
  struct Options {
    std::vector<std::string> domains;  ///< "example.org", "*.example.net", "*"
    std::vector<std::string> users;    ///< "user" or "user@example.org"; empty: everybody
    std::string catch_all;             ///< the same; empty: none
    char delimiter = '+';              ///< between a user and a tag; NUL: none
    std::string hostname;              ///< the domain of <Postmaster> when all domains are patterns
  };
  /// `aliases` is the text of an aliases file, `file` its name for errors.
  [[nodiscard]] static Result<RecipientTable> create(const Options& options,
                                                     std::string_view aliases,
                                                     std::string_view file);

  /// Adds the mailboxes ("DOMAIN/USER", below the Maildir root) that a recipient's mail goes to,
  /// without those that are in the list already; none unless it is accepted.
  [[nodiscard]] Verdict route(const Address& recipient, std::vector<std::string>& mailboxes) const;

  /// Of a row: completes `found "X", ...`.
  [[nodiscard]] static Result<void> check_domain(std::string_view pattern);
  [[nodiscard]] static Result<void> check_user(std::string_view user);

 private:
  RecipientTable() = default;
  Result<void> read_aliases(std::string_view text, std::string_view file);
  Result<void> add_alias(std::string_view line, const std::string& place);
  [[nodiscard]] Result<void> check_targets(std::string_view file) const;
  [[nodiscard]] bool serves(std::string_view domain) const;
  [[nodiscard]] std::string spelling(std::string_view domain) const;
  [[nodiscard]] bool is_user(const std::string& local, const std::string& domain) const;
  [[nodiscard]] const std::vector<std::string>* find_alias(const std::string& local,
                                                           const std::string& domain) const;
  /// One look-up: where it leads, and the aliases it came through.
  struct Search {
    std::vector<std::string>& mailboxes;
    std::unordered_set<std::string> listed;  // what is in mailboxes, once there was an alias
    std::unordered_set<std::string> seen;
    bool found = false;
    bool too_many = false;
  };
  void expand(const std::string& target, const std::string& domain, Search& search) const;
  void resolve(const std::string& local, const std::string& domain, Search& search) const;
  static void add_mailbox(const std::string& local, const std::string& domain, Search& search);

  // Keys are domain_key()s, so that A-labels and U-labels meet.
  std::unordered_map<std::string, std::string> domains_;  // by key: as configured, in lower case
  std::vector<std::string> suffixes_;                     // of keys: ".example.net"
  bool every_domain_ = false;
  std::string primary_domain_;
  std::unordered_set<std::string> users_;  // lower case; "user" or "user@key"
  bool every_user_ = false;
  std::unordered_map<std::string, std::vector<std::string>> aliases_;
  std::string catch_all_;
  char delimiter_ = '+';
};

}  // namespace netd::smtp
