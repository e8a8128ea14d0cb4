#include "daemon/server/socket_store.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "daemon/base/log.h"

namespace netd {

namespace {

// A socket unit may have any name for its descriptors; none is likely to begin like this.
constexpr std::string_view kPrefix = "netd.listen.";

// FDNAME= takes 255 characters, all of ASCII, printable and no colon: sd_notify(3).
constexpr std::size_t kMaxName = 255;

bool needs_escape(char c) { return c <= ' ' || c > '~' || c == ':' || c == '%'; }

std::string escape(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string escaped;
  for (const char c : text) {
    if (!needs_escape(c)) {
      escaped += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    escaped += '%';
    escaped += kDigits[byte >> 4];
    escaped += kDigits[byte & 15];
  }
  return escaped;
}

bool is_ip(Transport transport) {
  return transport == Transport::tcp || transport == Transport::udp;
}

/// Whether clients that use `configured` reach the socket. A unix socket whose file is gone is
/// deaf.
bool serves(const Endpoint& socket, const Endpoint& configured) {
  if (socket.transport != configured.transport) return false;
  if (is_ip(configured.transport)) return configured.port == 0 || socket.port == configured.port;
  struct stat status{};
  return socket.name == configured.name && ::lstat(socket.name.c_str(), &status) == 0 &&
         S_ISSOCK(status.st_mode);
}

}  // namespace

bool SocketStore::is_stored(const InheritedSocket& socket) {
  return socket.name.starts_with(kPrefix);
}

SocketStore::SocketStore(ServiceManager& manager, std::vector<InheritedSocket>& inherited)
    : manager_(manager) {
  const auto stored = std::ranges::stable_partition(
      inherited, [](const InheritedSocket& socket) { return !is_stored(socket); });
  for (InheritedSocket& socket : stored) names_.insert(socket.name);
  returned_.assign(std::move_iterator(stored.begin()), std::move_iterator(stored.end()));
  inherited.erase(stored.begin(), stored.end());
}

std::string SocketStore::name_of(const Endpoint& configured, std::string_view listener) {
  std::string name(kPrefix);
  name += escape(configured.text());
  if (is_ip(configured.transport) && configured.port == 0) name += "@" + escape(listener);
  return name.size() <= kMaxName ? name : "";
}

std::vector<std::vector<BoundSocket>> SocketStore::take(const Endpoint& configured,
                                                        std::string_view listener) {
  const std::string name = name_of(configured, listener);
  std::vector<std::vector<BoundSocket>> groups;
  std::vector<Endpoint> addresses;  // of the groups
  for (InheritedSocket& socket : returned_) {
    if (socket.name != name || !socket.fd) continue;
    const auto address = describe_socket(socket.fd.get());
    if (!address || !serves(*address, configured)) continue;
    // One that was drained does not listen any more.
    if (address->transport != Transport::udp && ::listen(socket.fd.get(), SOMAXCONN) != 0) continue;
    const auto known = std::ranges::find(addresses, *address);
    const auto index = static_cast<std::size_t>(known - addresses.begin());
    if (known == addresses.end()) {
      addresses.push_back(*address);
      groups.emplace_back();
    }
    BoundSocket bound{std::move(socket.fd), configured};
    bound.endpoint.port = address->port;
    groups[index].push_back(std::move(bound));
  }
  std::erase_if(returned_, [](const InheritedSocket& socket) { return !socket.fd; });
  return groups;
}

void SocketStore::update(const std::map<std::string, std::vector<int>>& wanted) {
  const std::size_t before = names_.size();
  // What came back and cannot be used makes room for what was opened in its place.
  for (const InheritedSocket& socket : returned_) {
    if (names_.erase(socket.name) == 0) continue;
    manager_.remove_stored(socket.name);
    LogEntry(LogLevel::debug, "stored_socket_closed")
        .send("closed the stored socket " + socket.name);
  }
  returned_.clear();
  for (auto name = names_.begin(); name != names_.end();) {
    if (wanted.contains(*name)) {
      ++name;
      continue;
    }
    manager_.remove_stored(*name);
    name = names_.erase(name);
  }
  if (names_.size() < before) manager_.wait_until_done();
  for (const auto& [name, descriptors] : wanted) {
    if (name.empty() || descriptors.empty()) continue;
    manager_.store(name, descriptors);
    names_.insert(name);
  }
}

}  // namespace netd
