// Where captures are kept.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/base/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/trouble.h"
#include "daemon/base/unique_fd.h"

namespace netd::capture {

/// A file that has no final name yet. One thread at a time.
struct Draft {
  UniqueFd fd;
  std::string temporary_name;  ///< empty: the file has no name at all (O_TMPFILE)
};

/// One folder of captures. All calls but report_*() and trouble() block on the disk. Any thread.
///
/// It is looked up by its path for every file, and made again when it is gone: who removes or moves
/// it away while netd runs gets the next captures where he expects them, and not in a folder that
/// has no name any more.
class Folder {
 public:
  /// How drafts are made. Unnamed ones vanish by themselves in a crash; where there can
  /// be none they are named .NAME.partial, locked, and removed at the next start.
  enum class DraftKind : std::uint8_t { unnamed, named };

  /// Opens the folder, and makes it when only its last part is missing. Removes drafts that a crash
  /// left. `listener` is for the log.
  // shared_ptr: files under way hold the folder beside the listener.
  [[nodiscard]] static Result<std::shared_ptr<Folder>> open(const std::string& listener,
                                                            const std::string& path);
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  [[nodiscard]] Result<Draft> begin(const std::string& name);
  /// Makes the draft durable under `name`, or NAME-2, NAME-3 and so on when that exists, and
  /// returns the name. On failure nothing is left of it.
  [[nodiscard]] Result<std::string> keep(Draft draft, const std::string& name);
  void discard(Draft draft);

  /// What the disk says: an error shows in trouble() and in the log until the next success.
  void report_failure(const Error& error);
  void report_success();
  [[nodiscard]] std::string trouble() const { return trouble_.what(); }

  [[nodiscard]] const std::string& path() const { return path_; }
  /// For tests.
  void set_draft_kind(DraftKind kind) { kind_ = kind; }

 private:
  Folder(std::string listener, std::string path);
  [[nodiscard]] Result<void> make() const;
  [[nodiscard]] Result<Draft> begin_unnamed();
  [[nodiscard]] Result<Draft> begin_named(const std::string& name);
  [[nodiscard]] Result<void> give_name(const Draft& draft, const std::string& name) const;
  [[nodiscard]] Result<void> sync() const;
  [[nodiscard]] std::string path_of(const std::string& name) const { return path_ + "/" + name; }
  void remove_stale_drafts() const;

  const std::string listener_;
  const std::string path_;
  std::atomic<DraftKind> kind_{DraftKind::unnamed};
  Trouble trouble_;
};

/// "20261122T153518Z-127.0.0.1-17": sorts by time, and holds nothing that a shell minds.
[[nodiscard]] std::string file_name(WallTime time, std::string_view client, std::uint64_t id);

}  // namespace netd::capture
