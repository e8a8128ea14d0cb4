// The disk under one journal file: blocks that were written once, so that overwriting them changes
// nothing but their content. That is what makes a synced write cheap.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/base/error.h"
#include "daemon/tasks/store.h"

namespace netd::tasks {

/// One thread at a time writes; others may read what was written before.
class JournalMedium {
 public:
  JournalMedium() = default;
  virtual ~JournalMedium() = default;
  JournalMedium(const JournalMedium&) = delete;
  JournalMedium& operator=(const JournalMedium&) = delete;

  [[nodiscard]] virtual std::uint64_t size() const = 0;
  /// Within the size. With `durable` it returns when the bytes survive the loss of power. After an
  /// error what lies there is unknown: old, new or torn.
  [[nodiscard]] virtual std::optional<StoreError> write(std::uint64_t at, std::string_view bytes,
                                                        bool durable) = 0;
  /// What was written before is durable.
  [[nodiscard]] virtual std::optional<StoreError> sync() = 0;
  /// As many bytes as asked for, within the size.
  [[nodiscard]] virtual Result<std::string> read(std::uint64_t at, std::size_t size) const = 0;
};

/// How a medium is got: `path` is opened as it is, or, with a `size`, made anew with so many zeros
/// on the disk, whatever was there.
using OpenMedium = std::function<Result<std::unique_ptr<JournalMedium>>(const std::string& path,
                                                                        std::uint64_t size)>;

/// A file of the system's.
[[nodiscard]] Result<std::unique_ptr<JournalMedium>> open_journal_file(const std::string& path,
                                                                       std::uint64_t size);

}  // namespace netd::tasks
