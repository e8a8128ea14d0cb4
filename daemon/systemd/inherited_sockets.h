// Sockets that the service manager opened for us: sd_listen_fds_with_names(3).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/error.h"
#include "daemon/base/unique_fd.h"

namespace netd {

struct InheritedSocket {
  std::string name;  ///< FileDescriptorName= of the socket unit
  UniqueFd fd;
};

/// Takes them over, once, and removes the variables that announced them. Close-on-exec and
/// non-blocking. To be called before the first thread.
[[nodiscard]] Result<std::vector<InheritedSocket>> take_inherited_sockets();

}  // namespace netd
