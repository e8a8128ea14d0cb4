#include "daemon/control/credentials.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace netd::control {

Result<PeerCredentials> peer_credentials(int fd) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return fail_system("SO_PEERCRED", errno);
  }
  PeerCredentials peer{credentials.uid, credentials.gid, credentials.pid, {}};
  // The first call asks for the size: NGROUPS_MAX groups would be a quarter of a megabyte.
  gid_t none{};
  size = 0;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, &none, &size) == 0) return peer;
  if (errno != ERANGE) return peer;  // an older kernel: the primary group has to do
  peer.groups.resize(size / sizeof(gid_t));
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, peer.groups.data(), &size) != 0) {
    return fail_system("SO_PEERGROUPS", errno);
  }
  return peer;
}

Permission permission_of(const PeerCredentials& peer, const AccessRules& rules) {
  const bool in_group =
      rules.group && (peer.gid == *rules.group ||
                      std::ranges::find(peer.groups, *rules.group) != peer.groups.end());
  if (peer.uid == 0 || peer.uid == rules.own_uid || in_group) return Permission::steer;
  return rules.public_status ? Permission::read_status : Permission::none;
}

}  // namespace netd::control
