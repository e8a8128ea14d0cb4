#include "daemon/net/listener.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/base/message_ids.h"
#include "daemon/base/spare_memory.h"
#include "daemon/base/text.h"

namespace netd {

namespace {

// From this many connections on, what they took is worth giving back to the system: of a message
// under way that is two chunks of 64 KiB.
constexpr std::size_t kCrowd = 128;
// So few of them hold no more than as many pages of the heap.
constexpr std::size_t kFew = 32;
// How many connections one readiness takes in before others get their turn.
constexpr int kAcceptsPerTurn = 64;
// A loop that comes round more often than this takes one at a time: it sees soon enough, and for
// nothing, whether there are more.
constexpr std::chrono::microseconds kShortTurn{200};
// A paused listener looks again this often: what it waits for may be freed by another worker.
constexpr std::chrono::milliseconds kResumeInterval{100};
// How many connections are looked at for one to let go, and when there was none among them: every
// kResumeInterval, that is.
constexpr std::size_t kLooks = 32;
constexpr std::size_t kManyLooks = 1024;
// Nobody is let go who has been of no use for less long.
constexpr std::chrono::milliseconds kGrace{500};
// How often one limit is worth an entry in the log.
constexpr std::chrono::minutes kLimitReportInterval{1};

/// Costs a fraction of accept4(2), which makes a socket and a file before it finds nobody.
bool somebody_waits(int listening) {
  pollfd waiting{.fd = listening, .events = POLLIN, .revents = 0};
  return ::poll(&waiting, 1, 0) > 0;
}

bool out_of_resources(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

/// A connection on its way out, with what its session depends on.
class Listener::Retired final : public DeferredDeletable {
 public:
  explicit Retired(Entry entry) : entry_(std::move(entry)) {}

 private:
  Entry entry_;
};

Listener::Listener(IoContext& io, std::shared_ptr<ListenerShared> shared, unsigned worker,
                   ServedPorts& ports)
    : io_(io),
      shared_(std::move(shared)),
      worker_(worker),
      ports_(ports),
      resume_timer_(io.dispatcher, [this] { resume_accepting(); }),
      trim_timer_(io.dispatcher, [this] { give_memory_back(); }) {
  io_.listeners.push_back(this);
  shared_->places.join(*this, io_.dispatcher);
}

Listener::~Listener() {
  abort_all();
  std::erase(io_.listeners, this);
  shared_->places.leave(*this);
  if (paused_) shared_->paused_workers.fetch_sub(1, std::memory_order_relaxed);
}

void Listener::set_generation(std::shared_ptr<const ListenerGeneration> generation) {
  generation_ = std::move(generation);
}

Result<void> Listener::add_socket(const Endpoint& configured, BoundSocket socket) {
  if (socket.endpoint.transport == Transport::udp) {
    auto service = UdpService::create(io_.dispatcher, std::move(socket), *this, counters(), ports_);
    if (!service) return std::unexpected(service.error());
    answering_.push_back({configured, std::move(*service)});
    return {};
  }
  auto accepting = std::make_unique<Accepting>();
  accepting->configured = configured;
  accepting->socket = std::move(socket.fd);
  accepting->bound = socket.endpoint;
  // One that the kernel chose may well be the port of somebody's UDP socket, and loops with none.
  const bool kernel_chose = configured.transport == Transport::tcp && configured.port == 0;
  if (socket.endpoint.transport == Transport::tcp && !kernel_chose) {
    accepting->served.emplace(ports_, socket.endpoint.port);
  }
  auto watch = ReadWatch::create(io_.dispatcher, accepting->socket.get(),
                                 [this, raw = accepting.get()] { accept_some(*raw); });
  if (!watch) return std::unexpected(watch.error());
  accepting->watch = std::move(*watch);
  if (draining_) {
    stop_listening(*accepting);
  } else if (paused_) {
    accepting->watch->pause();
  }
  accepting_.push_back(std::move(accepting));
  return {};
}

std::vector<BoundSocket> Listener::release_sockets(const Endpoint& configured) {
  std::vector<BoundSocket> released;
  for (auto& one : accepting_) {
    if (one->configured != configured) continue;
    if (draining_) listen_again(*one);  // it may go to a listener that is not
    one->watch.reset();
    released.push_back({std::move(one->socket), one->bound});
  }
  for (auto& one : answering_) {
    if (one.configured == configured) released.push_back(one.service->release_socket());
  }
  std::erase_if(accepting_, [&](const auto& one) { return one->configured == configured; });
  std::erase_if(answering_, [&](const auto& one) { return one.configured == configured; });
  return released;
}

std::vector<Endpoint> Listener::configured_addresses() const {
  std::vector<Endpoint> addresses;
  const auto add = [&](const Endpoint& one) {
    if (std::ranges::find(addresses, one) == addresses.end()) addresses.push_back(one);
  };
  for (const auto& one : accepting_) add(one->configured);
  for (const auto& one : answering_) add(one.configured);
  return addresses;
}

void Listener::close_sockets() {
  accepting_.clear();
  answering_.clear();
}

// ---- Accepting.

void Listener::accept_some(Accepting& accepting) {
  const Monotonic now = io_.dispatcher.now();
  const bool turns_are_short = now - std::exchange(accepting.last_ready, now) < kShortTurn;
  const int most = turns_are_short ? 1 : kAcceptsPerTurn;
  for (int i = 0; i < most; ++i) {
    if (i > 0 && !somebody_waits(accepting.socket.get())) return;
    if (!accept_one(accepting)) return;
  }
}

std::string_view Listener::name_of(Scarce scarce) {
  switch (scarce) {
    case Scarce::own_places:
      return "max_connections";
    case Scarce::all_places:
      return "max_connections of [netd]";
    case Scarce::descriptors:
      return "file descriptors";
    default:
      return "memory";
  }
}

bool Listener::accept_one(Accepting& accepting) {
  // The places are taken first: a connection that has none waits in the kernel's queue.
  if (!take_place(accepting)) return false;
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  UniqueFd socket(::accept4(accepting.socket.get(), address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!socket) {
    const int error = errno;
    shared_->connections.give_back();
    shared_->total.give_back();
    if (out_of_resources(error)) {
      const bool descriptors = error == EMFILE || error == ENFILE;
      return make_place(descriptors ? Scarce::descriptors : Scarce::memory);
    }
    // The peer of a connection that was waiting may be gone already: the next one may not.
    return error == ECONNABORTED || error == EINTR || error == EPROTO || error == EPERM;
  }
  const SocketAddress peer =
      storage.ss_family == AF_UNIX ? unix_peer_of(socket.get()) : SocketAddress(address, size);
  admit(std::move(socket), peer);
  return true;
}

bool Listener::count_place(Scarce& scarce) {
  scarce = Scarce::own_places;
  if (!shared_->connections.take()) return false;
  scarce = Scarce::all_places;
  if (shared_->total.take()) return true;
  shared_->connections.give_back();
  return false;
}

bool Listener::take_place(const Accepting& accepting) {
  Scarce scarce{};
  if (count_place(scarce)) return true;
  // Nobody goes unless somebody comes.
  if (!somebody_waits(accepting.socket.get())) return false;
  if (!make_place(scarce)) return false;
  if (count_place(scarce)) return true;
  pause_accepting(scarce);  // another worker was faster
  return false;
}

/// Lets somebody go, or pauses.
bool Listener::make_place(Scarce scarce) {
  const Displaceable chosen = choose_displaceable(scarce, crowded_ ? kManyLooks : kLooks);
  if (chosen.connection == nullptr) {
    crowded_ = true;
    ask_other_workers(scarce);
    pause_accepting(scarce);
    return false;
  }
  crowded_ = false;
  chosen.connection->displace();
  report_limit(scarce);
  return true;
}

Listener::Displaceable Listener::choose_displaceable(Scarce scarce, std::size_t looks) {
  if (scarce == Scarce::own_places) return find_displaceable(looks);
  Displaceable chosen;
  for (Listener* const one : io_.listeners) {
    const Displaceable found = one->find_displaceable(looks);
    if (found.before(chosen)) chosen = found;
  }
  return chosen;
}

bool Listener::Displaceable::before(const Displaceable& other) const {
  if (standing.worth != other.standing.worth) return standing.worth > other.standing.worth;
  if (connection == nullptr || other.connection == nullptr) return connection != nullptr;
  // Time is told by the turn of the loop, and one turn may have seen both of them.
  if (standing.since == other.standing.since) return connection->id() < other.connection->id();
  return standing.since < other.standing.since;
}

/// Looks at some of the connections only, at the next ones every time: that costs the same however
/// many there are.
Listener::Displaceable Listener::find_displaceable(std::size_t looks) {
  const Monotonic late = io_.dispatcher.now() - kGrace;
  Displaceable chosen;
  for (looks = std::min(looks, connections_.size()); looks > 0; --looks) {
    if (++next_look_ >= connections_.size()) next_look_ = 0;
    Connection& connection = *connections_[next_look_].connection;
    const Displaceable one{&connection, connection.standing()};
    const bool may_go =
        one.standing.worth != Standing::Worth::working && one.standing.since <= late;
    if (may_go && one.before(chosen)) chosen = one;
  }
  return chosen;
}

void Listener::ask_other_workers(Scarce scarce) {
  // shared_ptr: the workers that are asked have it, each for its own time. One of them is enough.
  const auto wanted = std::make_shared<std::atomic<bool>>(true);
  shared_->places.ask_others(*this, [shared = shared_, scarce, wanted](Listener* other) {
    if (!shared->places.has(other)) return;
    const Displaceable chosen = other->choose_displaceable(scarce, kManyLooks);
    if (chosen.connection != nullptr && wanted->exchange(false)) chosen.connection->displace();
  });
}

void Listener::admit(UniqueFd socket, const SocketAddress& peer) {
  counters().accepted.add(1);
  if (!allows(peer)) {
    refuse(std::move(socket), peer, Refusal::address);
    return;
  }
  if (const auto ip = peer.ip(); ip && !shared_->per_client.take(*ip)) {
    refuse(std::move(socket), peer, Refusal::connections);
    return;
  }
  auto connection = std::make_unique<Connection>(io_, *this, counters(), std::move(socket), peer);
  Connection& started = *connection;
  started.owner_slot = connections_.size();
  counters().active.add(1);
  log_open(started);
  auto session = generation_->stream->open(started);
  // By a quarter, not twofold: what a crowd takes counts for each connection.
  if (connections_.size() == connections_.capacity()) {
    connections_.reserve(connections_.size() + connections_.size() / 4 + 16);
  }
  connections_.push_back({generation_, std::move(connection)});
  if (connections_.size() >= kCrowd) crowd_ = std::max(crowd_, connections_.size());
  started.set_idle_timeout(generation_->listener->idle_timeout);
  started.start(std::move(session));
}

void Listener::refuse(UniqueFd socket, const SocketAddress& peer, Refusal why) {
  counters().refused.add(1);
  shared_->connections.give_back();
  shared_->total.give_back();
  const std::string_view words = generation_->stream->refusal(why);
  // A socket that is new has room for them; a client that is gone misses nothing.
  if (!words.empty()) {
    (void)!::send(socket.get(), words.data(), words.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  // Not with a reset: that may come before connect() has returned, which would fail then.
  socket.reset();
  if (!log_enabled(LogLevel::info)) return;
  const std::string client = peer.text();
  LogEntry(LogLevel::info, "connection_refused")
      .listener(shared_->name)
      .protocol(shared_->protocol)
      .client(client)
      .send(shared_->name + ": " + client + " refused: " +
            (why == Refusal::address ? "address not allowed" : "max_connections_per_client"));
}

bool Listener::allows(const SocketAddress& peer) const {
  const config::ListenerSettings& settings = *generation_->listener;
  if (settings.allow.empty() && settings.deny.empty()) return true;
  const auto ip = peer.ip();
  if (!ip) return true;  // who may use a unix socket is said by its mode
  const auto matches = [&](const IpNetwork& network) { return network.contains(*ip); };
  if (std::ranges::any_of(settings.deny, matches)) return false;
  return settings.allow.empty() || std::ranges::any_of(settings.allow, matches);
}

void Listener::pause_accepting(Scarce scarce) {
  if (!paused_) {
    paused_ = true;
    shared_->paused_workers.fetch_add(1, std::memory_order_relaxed);
    for (auto& one : accepting_) one->watch->pause();
  }
  resume_timer_.arm(kResumeInterval);
  report_limit(scarce);
}

void Listener::resume_accepting() {
  if (!paused_) return;
  paused_ = false;
  resume_timer_.cancel();
  shared_->paused_workers.fetch_sub(1, std::memory_order_relaxed);
  if (draining_) return;
  for (auto& one : accepting_) one->watch->resume();
}

void Listener::report_limit(Scarce scarce) {
  const Monotonic::rep now = io_.dispatcher.now().time_since_epoch().count();
  Monotonic::rep last = shared_->last_limit_report.load(std::memory_order_relaxed);
  if (last != 0 && now - last < Duration(kLimitReportInterval).count()) return;
  if (!shared_->last_limit_report.compare_exchange_strong(last, now)) return;
  const std::string limit(name_of(scarce));
  LogEntry(LogLevel::warning, "limit_reached")
      .listener(shared_->name)
      .protocol(shared_->protocol)
      .message_id(message_id::kLimitReached)
      .field("NETD_LIMIT", limit)
      .send(shared_->name + ": limit reached: " + limit +
            "; new connections take the place of idle ones, or wait until others close");
}

// ---- Connections.

void Listener::on_connection_closed(Connection& connection) noexcept {
  const std::size_t slot = connection.owner_slot;
  Entry entry = std::move(connections_[slot]);
  if (slot + 1 != connections_.size()) {
    connections_[slot] = std::move(connections_.back());
    connections_[slot].connection->owner_slot = slot;
  }
  connections_.pop_back();
  counters().active.sub(1);
  release_limits(connection.peer());
  log_close(connection, *entry.generation);
  io_.dispatcher.defer(std::make_unique<Retired>(std::move(entry)));
  const bool crowd_has_left = crowd_ > kFew && connections_.size() <= crowd_ / 4;
  if (crowd_has_left && !trim_timer_.armed()) trim_timer_.arm(std::chrono::seconds(1));
  resume_accepting();
}

// The allocator keeps what is freed between what is not. This takes a millisecond or two, so it
// happens when most of a crowd have left, and again when most of those who had stayed have.
void Listener::give_memory_back() {
  crowd_ = connections_.size();
  connections_.shrink_to_fit();
  give_spare_memory_back();
}

void Listener::release_limits(const SocketAddress& peer) {
  shared_->connections.give_back();
  shared_->total.give_back();
  if (const auto ip = peer.ip()) shared_->per_client.give_back(*ip);
}

/// A TCP socket stops listening but keeps its address, and can listen again: clients are refused at
/// once instead of waiting in a queue that nobody empties.
void Listener::stop_listening(Accepting& accepting) {
  accepting.watch->pause();
  if (accepting.bound.transport == Transport::tcp) {
    (void)::shutdown(accepting.socket.get(), SHUT_RD);
  }
}

void Listener::listen_again(Accepting& accepting) {
  if (accepting.bound.transport == Transport::tcp) {
    (void)::listen(accepting.socket.get(), SOMAXCONN);
  }
}

void Listener::drain() {
  if (!draining_) {
    draining_ = true;
    for (auto& one : accepting_) stop_listening(*one);
  }
  shut_down_connections();
}

void Listener::shut_down_connections() {
  // What closes lives on until the loop has unwound: the pointers stay good.
  std::vector<Connection*> open;
  open.reserve(connections_.size());
  for (const Entry& entry : connections_) open.push_back(entry.connection.get());
  for (Connection* connection : open) connection->shut_down();
}

void Listener::resume() {
  if (!draining_) return;
  draining_ = false;
  for (auto& one : accepting_) {
    listen_again(*one);
    if (!paused_) one->watch->resume();
  }
}

std::size_t Listener::busy_count() const {
  return static_cast<std::size_t>(std::ranges::count_if(
      connections_, [](const Entry& entry) { return !entry.connection->is_lingering(); }));
}

void Listener::abort_all() {
  while (!connections_.empty()) connections_.back().connection->abort();
}

std::size_t Listener::disconnect(const std::function<bool(const Connection&)>& matches) {
  std::vector<Connection*> chosen;
  for (const Entry& entry : connections_) {
    if (matches(*entry.connection)) chosen.push_back(entry.connection.get());
  }
  for (Connection* connection : chosen) connection->abort(true);
  return chosen.size();
}

void Listener::visit(const std::function<void(const Connection&)>& visitor) const {
  for (const Entry& entry : connections_) visitor(*entry.connection);
}

// ---- Log.

void Listener::log_open(const Connection& connection) const {
  const auto where = generation_->listener->access_log;
  if (where == config::AccessLog::file && !generation_->stream->logs_requests()) {
    log_to_file(*generation_, connection.peer().text() + " connected");
  }
  if (where != config::AccessLog::journal || !log_enabled(LogLevel::info)) return;
  const std::string client = connection.peer().text();
  LogEntry(LogLevel::info, "connection_open")
      .listener(shared_->name)
      .protocol(shared_->protocol)
      .connection(connection.id())
      .client(client)
      .send(shared_->name + ": " + client + " connected");
}

void Listener::log_to_file(const ListenerGeneration& generation, const std::string& message) const {
  if (!generation.access_log) return;
  generation.access_log->write(format_rfc3339(io_.dispatcher.clock().wall()) + " " + shared_->name +
                               " " + message);
}

void Listener::log_close(const Connection& connection, const ListenerGeneration& generation) const {
  const auto where = generation.listener->access_log;
  if (where == config::AccessLog::off ||
      (where == config::AccessLog::file && generation.stream->logs_requests()) ||
      (where == config::AccessLog::journal && !log_enabled(LogLevel::info))) {
    return;
  }
  const std::string client = connection.peer().text();
  const auto lasted = to_milliseconds(io_.dispatcher.now() - connection.opened_at());
  std::string message = client + " closed after " + std::to_string(lasted.count()) + "ms, " +
                        std::to_string(connection.bytes_in()) + " bytes in, " +
                        std::to_string(connection.bytes_out()) + " out";
  if (connection.displaced()) message += "; its place was needed";
  if (connection.error() != 0) message = system_error(message, connection.error()).what();
  if (where == config::AccessLog::file) {
    log_to_file(generation, message);
    return;
  }
  LogEntry(LogLevel::info, "connection_close")
      .listener(shared_->name)
      .protocol(shared_->protocol)
      .connection(connection.id())
      .client(client)
      .bytes(connection.bytes_in(), connection.bytes_out())
      .duration(lasted)
      .send(shared_->name + ": " + message);
}

}  // namespace netd
