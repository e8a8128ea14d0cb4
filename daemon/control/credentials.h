// Who is at the other end of the control socket, and what he may do.
#pragma once

#include <sys/types.h>

#include <optional>
#include <vector>

#include "daemon/base/error.h"

namespace netd::control {

enum class Permission : std::uint8_t {
  none,         ///< not even a look
  read_status,  ///< every local user, with public_status = yes
  steer,        ///< root, netd's own user, the control group
};

/// As the kernel knew them when the peer connected.
struct PeerCredentials {
  uid_t uid = 0;
  gid_t gid = 0;
  pid_t pid = 0;
  std::vector<gid_t> groups;  ///< supplementary ones
};

[[nodiscard]] Result<PeerCredentials> peer_credentials(int fd);

struct AccessRules {
  uid_t own_uid = 0;
  std::optional<gid_t> group;  ///< none: the group does not exist on this host
  bool public_status = false;
};

[[nodiscard]] Permission permission_of(const PeerCredentials& peer, const AccessRules& rules);

}  // namespace netd::control
