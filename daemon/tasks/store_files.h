// What the store's database and its journal need alike of the files that they lie in.
#pragma once

#include <string>

#include "daemon/base/error.h"
#include "daemon/tasks/store.h"

namespace netd::tasks {

/// The names in it survive the loss of power.
[[nodiscard]] Result<void> sync_folder(const std::string& folder);

/// A full disk told from one that fails, by the error's code.
[[nodiscard]] StoreError store_error(const Error& error);

}  // namespace netd::tasks
