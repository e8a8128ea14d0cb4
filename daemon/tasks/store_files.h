// What the store's database and its journal need alike of the files that they lie in.
#pragma once

#include <string>

#include "daemon/base/error.h"
#include "daemon/tasks/store.h"

namespace netd::tasks {

/// The names in it survive the loss of power.
[[nodiscard]] Result<void> sync_folder(const std::string& folder);

/// Fails where what lies in the place of the database's write-ahead log is something else: SQLite
/// would take it for an empty log, and what was only in the log would be gone without a word. An
/// empty one, and one of zeros, hold nothing.
[[nodiscard]] Result<void> check_write_ahead_log(const std::string& database);

/// A full disk told from one that fails, by the error's code.
[[nodiscard]] StoreError store_error(const Error& error);

}  // namespace netd::tasks
