// What a journal holds when netd starts, or when its store is examined.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/error.h"
#include "daemon/tasks/journal_format.h"
#include "daemon/tasks/journal_medium.h"
#include "daemon/tasks/journal_overlay.h"
#include "daemon/tasks/store.h"

namespace netd::tasks {

/// The two files of the journal in `folder`.
[[nodiscard]] std::string journal_path(const std::string& folder, int file);
inline constexpr int kJournalFiles = 2;
/// The content of one. Fails where it is missing or no file of that generation.
[[nodiscard]] Result<std::string> read_journal_file(const OpenMedium& open, const std::string& path,
                                                    std::uint64_t generation);

/// Of what journal the files in `folder` hold commits, where the database names none: its log is
/// damaged or gone, or they do not belong together. Those of the journal `ended` up to `applied`
/// are in the database. 0: there are no others.
[[nodiscard]] std::uint64_t stray_generation(const OpenMedium& open, const std::string& folder,
                                             std::uint64_t ended, std::uint64_t applied);

/// Where the database has never named a journal: fails where something else than a journal lies in
/// the place of one.
[[nodiscard]] Result<void> check_no_stranger(const OpenMedium& open, const std::string& folder);

/// The commits of a journal that the database has not taken yet.
struct RecoveredJournal {
  std::string bytes;  // of all files, one after the other
  Overlay overlay;    // with places in `bytes`
  std::uint64_t count = 0;
  std::uint64_t last = 0;  // the number of the last commit; what was applied, where there is none
  /// For people; empty where all is as it was written. A commit that was never acknowledged may be
  /// missing at the end, which is no damage.
  std::string damage;
};

/// `files`: the whole content of each. With damage, the overlay is made of the commits before it,
/// and with `salvage` of every commit that is whole.
[[nodiscard]] RecoveredJournal recover_journal(std::span<const std::string> files,
                                               std::uint64_t generation, std::uint64_t applied,
                                               bool salvage);

/// The record that a put at `where` in `bytes` holds; nothing where there is none.
[[nodiscard]] std::optional<DecodedOp> op_at(std::string_view bytes, Place where);

/// Shows the tasks of a database as they are with an overlay on top.
class MergedTasks {
 public:
  using Visit = std::function<Result<void>(const Record&)>;
  /// All of them must outlive this.
  MergedTasks(const Overlay& overlay, std::string_view bytes, const Visit& visit);

  /// One row of the database after the other, in the order of seq.
  [[nodiscard]] Result<void> row(const Record& record);
  /// A row out of that order.
  [[nodiscard]] Result<void> stray(const Record& record);
  /// The tasks that the overlay alone has and that come after the last row.
  [[nodiscard]] Result<void> finish();

 private:
  [[nodiscard]] Result<void> show_put(std::uint64_t seq);

  const Overlay& overlay_;
  const std::string_view bytes_;
  const Visit& visit_;
  std::vector<std::uint64_t> puts_;  // of the overlay, ascending
  std::size_t next_ = 0;             // of puts_
};

/// The fields that an overlay says are different now.
void set_changed(Record& record, const Overlay::TaskChange& change);

}  // namespace netd::tasks
