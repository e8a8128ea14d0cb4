#include "daemon/tasks/store_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "daemon/base/unique_fd.h"

namespace netd::tasks {

Result<void> sync_folder(const std::string& folder) {
  const UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0) return fail_system("sync " + folder, errno);
  return {};
}

StoreError store_error(const Error& error) {
  const bool full = error.code() == ENOSPC || error.code() == EDQUOT;
  return {full ? StoreError::Kind::full : StoreError::Kind::io, error.what()};
}

}  // namespace netd::tasks
