// Listening sockets that wait at the service manager while netd restarts (FileDescriptorStoreMax=
// of the unit): the kernel goes on accepting for them, so no client is refused.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/endpoint.h"
#include "daemon/net/socket.h"
#include "daemon/systemd/inherited_sockets.h"
#include "daemon/systemd/service_manager.h"

namespace netd {

/// Main thread only.
class SocketStore {
 public:
  /// Moves those of `inherited` that an earlier netd stored out of it; what stays was opened by a
  /// socket unit. `manager` must outlive the store.
  SocketStore(ServiceManager& manager, std::vector<InheritedSocket>& inherited);

  /// Whether it is a socket of an earlier netd, and none of a socket unit.
  [[nodiscard]] static bool is_stored(const InheritedSocket& socket);

  /// The name under which the sockets of one `listen =` value are stored. Empty: they cannot be, as
  /// the service manager takes no name that long. Port 0 is another port for each listener.
  [[nodiscard]] static std::string name_of(const Endpoint& configured, std::string_view listener);

  /// What came back for one `listen =` value, a group for each address of it, as open_sockets()
  /// returns them. Empty: nothing that can be used.
  [[nodiscard]] std::vector<std::vector<BoundSocket>> take(const Endpoint& configured,
                                                           std::string_view listener);

  /// From now on the store holds the names of `wanted` and no other. The descriptors of a name are
  /// those to add; what it has stays. Closes what was not taken.
  void update(const std::map<std::string, std::vector<int>>& wanted);

 private:
  ServiceManager& manager_;
  std::vector<InheritedSocket> returned_;  // and not taken yet
  std::set<std::string> names_;            // that the service manager holds
};

}  // namespace netd
