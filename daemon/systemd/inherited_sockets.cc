#include "daemon/systemd/inherited_sockets.h"

#include <fcntl.h>
#include <systemd/sd-daemon.h>

#include <cerrno>
#include <cstdlib>

namespace netd {

Result<std::vector<InheritedSocket>> take_inherited_sockets() {
  char** names = nullptr;
  const int count = ::sd_listen_fds_with_names(1, &names);
  if (count < 0) return fail_system("sockets of the service manager", -count);
  std::vector<InheritedSocket> sockets;
  for (int i = 0; i < count; ++i) {
    InheritedSocket socket{names[i], UniqueFd(SD_LISTEN_FDS_START + i)};
    std::free(names[i]);
    const int flags = ::fcntl(socket.fd.get(), F_GETFL);
    if (flags < 0 || ::fcntl(socket.fd.get(), F_SETFL, flags | O_NONBLOCK) != 0) {
      return fail_system("socket " + socket.name + " of the service manager", errno);
    }
    sockets.push_back(std::move(socket));
  }
  std::free(static_cast<void*>(names));
  return sockets;
}

}  // namespace netd
