// The Maildir format (maildir(5), https://cr.yp.to/proto/maildir.html): names, folders and the
// calls that make them last. Blocking; for storage threads.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/base/clock.h"
#include "daemon/base/error.h"

namespace netd::smtp {

/// Makes file names that no other delivery has, in this process or another, before or after a
/// restart. Any thread.
class UniqueNames {
 public:
  /// `clock` must outlive this.
  UniqueNames(const Clock& clock, std::string_view hostname);

  struct Name {
    std::string file;  ///< "1763827200.M250117P42R9f31c0d2Q7.mail.example.org"
    std::string id;    ///< "M250117P42R9f31c0d2Q7": its middle, an atom for Received
  };
  [[nodiscard]] Name next();

  /// The name in tmp/ until the message is complete: one that the sweep knows as netd's.
  [[nodiscard]] static std::string in_tmp(std::string_view file);
  /// Whether a file in tmp/ is netd's, of this instance or another.
  [[nodiscard]] static bool is_of_netd(std::string_view name_in_tmp);
  /// Whether it is of this very instance, and so perhaps in flight.
  [[nodiscard]] bool is_of_this(std::string_view name_in_tmp) const;

 private:
  const Clock& clock_;
  const std::string host_;
  const std::string instance_;  // "P42R9f31c0d2"
  std::atomic<std::uint64_t> count_{0};
};

/// The folder's name for a local part: ASCII letters in lower case; what could leave the folder,
/// hide in it or confuse a shell as %XX. Nothing for a name that no file system holds.
[[nodiscard]] std::optional<std::string> mailbox_folder_name(std::string_view local_part);

/// Makes ROOT/DOMAIN/USER/{tmp,new,cur} as far as they are missing, and brings every one of them to
/// disk when `sync` is set. `mailbox` is "DOMAIN/USER".
[[nodiscard]] Result<void> make_mailbox(const std::string& root, std::string_view mailbox,
                                        bool sync);

/// mkdir -p, with the new folders on disk.
[[nodiscard]] Result<void> make_root(const std::string& root);

/// fsync(2) of a folder; 0 or errno.
[[nodiscard]] int sync_folder(const std::string& path);

/// Gives a file another name in the same file system, without replacing anything; 0 or errno. With
/// an error it has its old name alone.
[[nodiscard]] int rename_new(const std::string& from, const std::string& to);

/// Whether this error of link(2) says that the two names cannot be of one file: another file
/// system, one without links, or a file that has as many as it can.
[[nodiscard]] bool cannot_link(int error);

}  // namespace netd::smtp
