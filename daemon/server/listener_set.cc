#include "daemon/server/listener_set.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <utility>

#include "daemon/net/socket.h"

namespace netd {

namespace {

const ListenerSet::Address* find_address(const ListenerSet::Entry& entry,
                                         const Endpoint& configured) {
  const auto found =
      std::ranges::find(entry.addresses, configured, &ListenerSet::Address::configured);
  return found == entry.addresses.end() ? nullptr : &*found;
}

/// Where in the files the address stands.
std::string at_place(const config::ListenerSettings& listener, const Endpoint& configured,
                     std::string_view message) {
  for (const config::Value& value : listener.own.list("listen")) {
    if (value.text == configured.text()) {
      return config::format(listener.own.mistake("listen", value, message));
    }
  }
  return config::format(listener.own.mistake("listen", message));
}

/// Any other socket stays readable without ever giving a connection.
bool is_listening(int fd) {
  int listening = 0;
  socklen_t size = sizeof listening;
  return ::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening != 0;
}

}  // namespace

ListenerSet::Prepared::~Prepared() {
  for (const std::string& path : new_unix_paths_) ::unlink(path.c_str());
}

std::vector<std::string> unmatched_sockets(const config::Settings& settings,
                                           const std::vector<InheritedSocket>& inherited) {
  std::vector<std::string> unmatched;
  for (const InheritedSocket& socket : inherited) {
    if (SocketStore::is_stored(socket)) continue;
    const Endpoint wanted{Transport::inherited, {}, 0, socket.name};
    const bool used = std::ranges::any_of(settings.listeners, [&](const auto& listener) {
      return std::ranges::find(listener.listen, wanted) != listener.listen.end();
    });
    if (used) continue;
    unmatched.push_back("socket " + socket.name +
                        " was passed by the service manager, but no listener has `listen = fd:" +
                        socket.name + "`");
  }
  return unmatched;
}

ListenerSet::ListenerSet(std::vector<std::unique_ptr<Worker>>& workers, DaemonQueries& daemon,
                         ServiceManager& manager, std::vector<InheritedSocket> inherited)
    : workers_(workers),
      daemon_(daemon),
      manager_(manager),
      inherited_(std::move(inherited)),
      store_(manager, inherited_) {}

ListenerSet::Entry* ListenerSet::find(std::string_view name) {
  const auto found =
      std::ranges::find_if(entries_, [&](const Entry& one) { return one.shared->name == name; });
  return found == entries_.end() ? nullptr : &*found;
}

const ListenerSet::Entry* ListenerSet::owner_of(const Endpoint& configured,
                                                std::string_view listener) const {
  // Port 0 is another port for every listener that asks for it.
  const bool any_port = configured.port == 0 && (configured.transport == Transport::tcp ||
                                                 configured.transport == Transport::udp);
  const auto found = std::ranges::find_if(entries_, [&](const Entry& one) {
    return find_address(one, configured) != nullptr && (!any_port || one.shared->name == listener);
  });
  return found == entries_.end() ? nullptr : &*found;
}

/// Whether a socket of ours is bound to this port on some address: `*` and 127.0.0.1 may then
/// follow one another in a reload, which the kernel allows between sockets that share.
bool ListenerSet::has_port(const Endpoint& configured) const {
  for (const Entry& entry : entries_) {
    for (const Address& address : entry.addresses) {
      for (const Endpoint& bound : address.bound) {
        if (bound.transport == configured.transport && bound.port == configured.port) return true;
      }
    }
  }
  return false;
}

TrafficTotals ListenerSet::totals(const Entry& entry) {
  TrafficTotals totals;
  for (const TrafficCounters& one : entry.shared->counters) totals.add(one);
  return totals;
}

// ---- Preparing.

std::expected<ListenerSet::Prepared, std::vector<std::string>> ListenerSet::prepare(
    const std::shared_ptr<const config::Settings>& settings,
    const std::shared_ptr<const services::ServiceTable>& services) {
  Prepared prepared;
  prepared.plans_.resize(workers_.size());
  std::vector<std::string> mistakes = unmatched_sockets(*settings, inherited_);
  for (const config::ListenerSettings& listener : settings->listeners) {
    if (auto done = prepare_listener({settings, services}, listener, prepared); !done) {
      mistakes.push_back(done.error().what());
    }
  }
  if (!mistakes.empty()) return std::unexpected(std::move(mistakes));
  return prepared;
}

Result<void> ListenerSet::prepare_listener(const Generation& generation,
                                           const config::ListenerSettings& listener,
                                           Prepared& prepared) {
  const Protocol* protocol = find_protocol(listener.protocol);
  if (protocol == nullptr) return fail("no protocol " + listener.protocol);  // the loader's check
  const Entry* before = find(listener.name);
  if (before != nullptr && before->shared->protocol != listener.protocol) before = nullptr;

  Entry entry;
  entry.settings = generation.settings;
  entry.listener = &listener;
  entry.shared = before != nullptr ? before->shared
                                   : std::make_shared<ListenerShared>(
                                         listener.name, listener.protocol,
                                         static_cast<unsigned>(workers_.size()), all_connections_);
  entry.draining =
      before != nullptr && before->draining;  // until whoever asked for it takes it back
  if (protocol->make_shared_state != nullptr) {
    auto state = protocol->make_shared_state(*generation.settings, listener,
                                             before != nullptr ? before->state : nullptr);
    if (!state) return std::unexpected(state.error().within("listener " + listener.name));
    entry.state = std::move(*state);
  }
  if (listener.access_log == config::AccessLog::file) {
    const bool same = before != nullptr && before->access_log &&
                      before->listener->access_log_path == listener.access_log_path;
    if (same) {
      entry.access_log = before->access_log;
    } else if (auto file = AccessLogFile::open(listener.access_log_path)) {
      entry.access_log = std::move(*file);
    } else {
      return std::unexpected(file.error().within("listener " + listener.name));
    }
  }
  prepared.entries_.push_back(std::move(entry));
  if (auto made = make_generations(generation, listener, prepared.entries_.back(), prepared);
      !made) {
    return made;
  }
  for (const Endpoint& configured : listener.listen) {
    if (auto done = prepare_address(configured, listener, prepared); !done) {
      return fail(at_place(listener, configured, done.error().what()));
    }
  }
  return {};
}

Result<void> ListenerSet::make_generations(const Generation& common,
                                           const config::ListenerSettings& listener,
                                           const Entry& entry, Prepared& prepared) {
  const Protocol* protocol = find_protocol(listener.protocol);
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    auto generation = std::make_shared<ListenerGeneration>();
    generation->settings = common.settings;
    generation->listener = &listener;
    generation->access_log = entry.access_log;
    const ProtocolContext context{.settings = common.settings,
                                  .listener = listener,
                                  .io = workers_[i]->io(),
                                  .daemon = daemon_,
                                  .shared = entry.state,
                                  .access_log = entry.access_log,
                                  .services = common.services};
    const std::string doing = "listener " + listener.name;
    if (protocol->make_stream != nullptr) {
      auto stream = protocol->make_stream(context);
      if (!stream) return std::unexpected(stream.error().within(doing));
      generation->stream = std::move(*stream);
    }
    if (protocol->make_datagram != nullptr) {
      auto datagram = protocol->make_datagram(context);
      if (!datagram) return std::unexpected(datagram.error().within(doing));
      generation->datagram = std::move(*datagram);
    }
    prepared.plans_[i].listeners.push_back({entry.shared, std::move(generation), {}});
  }
  return {};
}

Result<void> ListenerSet::prepare_address(const Endpoint& configured,
                                          const config::ListenerSettings& listener,
                                          Prepared& prepared) {
  Entry& entry = prepared.entries_.back();
  if (const Entry* owner = owner_of(configured, listener.name)) {
    entry.addresses.push_back(*find_address(*owner, configured));
    const bool stays = owner->shared == entry.shared;
    for (auto& plan : prepared.plans_) {
      plan.listeners.back().addresses.push_back({configured, {}, stays ? "" : owner->shared->name});
    }
    return {};
  }
  auto address = open_address(configured, listener, prepared);
  if (!address) return std::unexpected(address.error());
  entry.addresses.push_back(std::move(*address));
  return {};
}

Result<ListenerSet::Address> ListenerSet::open_address(const Endpoint& configured,
                                                       const config::ListenerSettings& listener,
                                                       Prepared& prepared) {
  const auto copies = static_cast<unsigned>(workers_.size());
  auto stored = take_stored(configured, listener);
  const bool anew = stored.empty();
  auto groups = anew ? open_anew(configured, listener) : std::move(stored);
  if (!groups) return std::unexpected(groups.error());
  if (anew && configured.transport == Transport::unix_stream) {
    prepared.new_unix_paths_.push_back(configured.name);
  }
  Address address{configured, {}};
  for (auto& plan : prepared.plans_)
    plan.listeners.back().addresses.push_back({configured, {}, {}});
  for (std::vector<BoundSocket>& group : *groups) {
    address.bound.push_back(group.front().endpoint);
    // A socket that is there once is shared: every worker waits on a descriptor of its own.
    while (group.size() < copies) {
      UniqueFd copy(::fcntl(group.front().fd.get(), F_DUPFD_CLOEXEC, 0));
      if (!copy) return fail_system("listen " + configured.text(), errno);
      group.push_back({std::move(copy), group.front().endpoint});
    }
    // There are more than workers when an earlier netd had more of those.
    for (std::size_t i = 0; i < group.size(); ++i) {
      auto& planned = prepared.plans_[i % copies].listeners.back().addresses.back();
      planned.sockets.push_back(std::move(group[i]));
    }
  }
  return address;
}

Result<std::vector<std::vector<BoundSocket>>> ListenerSet::open_anew(
    const Endpoint& configured, const config::ListenerSettings& listener) {
  if (configured.transport == Transport::inherited) return open_inherited(configured, listener);
  return open_sockets(configured, static_cast<unsigned>(workers_.size()), has_port(configured),
                      UnixSocketMode{listener.socket_mode, std::nullopt});
}

/// The sockets of an earlier netd, with what is missing so that every worker has its own.
std::vector<std::vector<BoundSocket>> ListenerSet::take_stored(
    const Endpoint& configured, const config::ListenerSettings& listener) {
  auto groups = store_.take(configured, listener.name);
  for (std::vector<BoundSocket>& group : groups) {
    if (configured.transport == Transport::unix_stream || group.size() >= workers_.size()) continue;
    auto address = describe_socket(group.front().fd.get());
    if (!address) continue;
    if (configured.host == "*") address->host = "*";
    const auto missing = static_cast<unsigned>(workers_.size() - group.size());
    auto more = open_sockets(*address, missing, true, UnixSocketMode{});
    if (!more) continue;  // the workers share what there is
    for (BoundSocket& one : more->front()) {
      group.push_back({std::move(one.fd), group.front().endpoint});
    }
  }
  return groups;
}

Result<std::vector<std::vector<BoundSocket>>> ListenerSet::open_inherited(
    const Endpoint& configured, const config::ListenerSettings& listener) const {
  const Protocol& protocol = *find_protocol(listener.protocol);
  std::vector<std::vector<BoundSocket>> groups;
  for (const InheritedSocket& socket : inherited_) {
    if (socket.name != configured.name) continue;
    UniqueFd copy(::fcntl(socket.fd.get(), F_DUPFD_CLOEXEC, 0));
    if (!copy) return fail_system("listen " + configured.text(), errno);
    auto endpoint = describe_socket(copy.get());
    if (!endpoint) return std::unexpected(endpoint.error().within("listen " + configured.text()));
    const bool datagram = endpoint->transport == Transport::udp;
    if (datagram ? protocol.make_datagram == nullptr : protocol.make_stream == nullptr) {
      return fail("listen " + configured.text() + ": " + std::string(protocol.name) +
                  " does not run over the kind of socket that was passed");
    }
    if (!datagram && !is_listening(copy.get())) {
      return fail("listen " + configured.text() +
                  ": the socket that was passed is not a listening stream socket");
    }
    if (endpoint->transport == Transport::tcp) {
      const int on = 1;
      (void)::setsockopt(copy.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    groups.emplace_back();
    groups.back().push_back({std::move(copy), *endpoint});
  }
  if (groups.empty()) {
    return fail("listen " + configured.text() +
                ": the service manager passed no socket of that name "
                "(FileDescriptorName= of the socket unit)");
  }
  return groups;
}

// ---- Committing.

void ListenerSet::commit(Prepared prepared, Dispatcher& main, const std::function<void()>& done) {
  prepared.new_unix_paths_.clear();
  store_sockets(prepared);
  std::vector<std::string> old_paths;
  for (const Entry& entry : entries_) {
    for (const Address& address : entry.addresses) {
      if (address.configured.transport == Transport::unix_stream) {
        old_paths.push_back(address.configured.name);
      }
    }
  }
  std::chrono::milliseconds drain_timeout{};
  for (Entry& entry : prepared.entries_) {
    const config::ListenerSettings& listener = *entry.listener;
    entry.shared->connections.set_maximum(listener.max_connections);
    entry.shared->per_client.set_maximum(listener.max_connections_per_client);
    drain_timeout = entry.settings->netd.drain_timeout;
    for (const Address& address : entry.addresses) {
      if (address.configured.transport != Transport::unix_stream) continue;
      std::erase(old_paths, address.configured.name);
      (void)::chmod(address.configured.name.c_str(), listener.socket_mode);
    }
  }
  for (const std::string& path : old_paths) ::unlink(path.c_str());
  entries_ = std::move(prepared.entries_);

  // Counted in the main thread only.
  auto left = std::make_shared<std::size_t>(workers_.size());
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    Worker* worker = workers_[i].get();
    // shared_ptr because std::function copies what it holds, and a plan owns sockets.
    auto plan = std::make_shared<WorkerPlan>(std::move(prepared.plans_[i]));
    worker->dispatcher().post([worker, plan, drain_timeout, &main, left, done] {
      worker->apply(std::move(*plan), drain_timeout);
      main.post([left, done] {
        if (--*left == 0) done();
      });
    });
  }
}

/// Hands what is new to the service manager, and takes back what is not wanted any more.
void ListenerSet::store_sockets(const Prepared& prepared) {
  std::map<std::string, std::vector<int>> wanted;
  for (const WorkerPlan& plan : prepared.plans_) {
    for (const auto& listener : plan.listeners) {
      for (const auto& address : listener.addresses) {
        if (address.configured.transport == Transport::inherited) continue;
        auto& descriptors = wanted[SocketStore::name_of(address.configured, listener.shared->name)];
        // The workers' descriptors of a unix socket are copies of one.
        const bool copy =
            address.configured.transport == Transport::unix_stream && !descriptors.empty();
        if (copy) continue;
        for (const BoundSocket& socket : address.sockets) descriptors.push_back(socket.fd.get());
      }
    }
  }
  store_.update(wanted);
}

void ListenerSet::remove_unix_paths() {
  if (manager_.is_there()) return;
  for (const Entry& entry : entries_) {
    for (const Address& address : entry.addresses) {
      if (address.configured.transport == Transport::unix_stream) {
        ::unlink(address.configured.name.c_str());
      }
    }
  }
}

}  // namespace netd
