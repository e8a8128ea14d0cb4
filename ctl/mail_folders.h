// The Maildir folders that netd's SMTP listeners write, as a reader finds them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ctl/context.h"

namespace netd::ctl {

/// A message in new/ or cur/ of a mailbox.
struct StoredMail {
  std::string id;       ///< what netd said when it took it; of others' files the unique name
  std::string mailbox;  ///< "bob@example.org"
  std::string path;
  std::chrono::microseconds time{};  ///< of arrival, since 1970
  std::uint64_t size = 0;            ///< octets
  bool seen = false;                 ///< a mail reader has had it
};

/// Where to look. The files are read as they are: who may read them decides the file system.
struct MailSource {
  std::string listener;  ///< only this one's; empty: every SMTP listener's
  std::string maildir;   ///< this folder, without asking netd; empty: ask
};

/// The Maildir roots of netd's listeners, each once. Errors are those of reaching netd, and that
/// there is no such listener.
struct MailRoots {
  std::vector<std::string> folders;
  std::string error;
  int status = kDone;
};
[[nodiscard]] MailRoots find_mail_roots(const MailSource& source, const Context& context);

/// All messages below the roots, the newest first. A folder that is missing is empty; one that
/// cannot be read is an error.
[[nodiscard]] Result<std::vector<StoredMail>> list_mail(const std::vector<std::string>& roots);

/// The message; of one that is longer than kMaxMail only so much of its beginning.
inline constexpr std::uint64_t kMaxMail = std::uint64_t{256} << 20;
[[nodiscard]] Result<std::string> read_mail(const std::string& path);

/// The values of a key in the sections [listener NAME] with `protocol = smtp` of a configuration as
/// `config` shows it.
[[nodiscard]] std::vector<std::string> smtp_values(std::string_view config,
                                                   std::string_view listener, std::string_view key);

}  // namespace netd::ctl
