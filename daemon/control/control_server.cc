#include "daemon/control/control_server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/control/system_group.h"
#include "daemon/control/vocabulary.h"
#include "daemon/net/socket.h"

namespace netd::control {

namespace {

constexpr int kAcceptsPerTurn = 32;
constexpr std::chrono::milliseconds kResumeInterval{200};
constexpr mode_t kGroupMode = 0660;
constexpr mode_t kPublicMode = 0666;

mode_t mode_of(const config::ControlSettings& settings) {
  return settings.public_status ? kPublicMode : kGroupMode;
}

}  // namespace

/// Keeps a closed connection until the loop has unwound.
class ControlServer::Retired final : public DeferredDeletable {
 public:
  explicit Retired(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}

 private:
  std::unique_ptr<Connection> connection_;
};

ControlServer::ControlServer(IoContext& io, const Services& services)
    : io_(io), services_(services), resume_timer_(io.dispatcher, [this] { watch_->resume(); }) {}

Result<std::unique_ptr<ControlServer>> ControlServer::create(
    IoContext& io, const config::ControlSettings& settings, const Services& services,
    UniqueFd inherited) {
  std::unique_ptr<ControlServer> server(new ControlServer(io, services));
  if (auto opened = server->open(settings, std::move(inherited)); !opened) {
    return std::unexpected(opened.error().within("control socket"));
  }
  return server;
}

Result<void> ControlServer::open(const config::ControlSettings& settings, UniqueFd inherited) {
  rules_ = {::geteuid(), find_group(settings.group), settings.public_status};
  if (inherited) {
    socket_ = std::move(inherited);
  } else {
    UnixSocketMode mode{mode_of(settings), std::nullopt};
    if (rules_.group && may_give_to(*rules_.group)) mode.group = rules_.group;
    Endpoint endpoint;
    endpoint.transport = Transport::unix_stream;
    endpoint.name = settings.socket;
    auto opened = open_sockets(endpoint, 1, false, mode);
    if (!opened) return std::unexpected(opened.error());
    socket_ = std::move(opened->front().front().fd);
    path_ = settings.socket;
    if (auto known = remember_file(); !known) return known;
  }
  auto watch = ReadWatch::create(io_.dispatcher, socket_.get(), [this] { accept_some(); });
  if (!watch) return std::unexpected(watch.error());
  watch_ = std::move(*watch);
  return {};
}

Result<void> ControlServer::remember_file() {
  if (::stat(path_.c_str(), &file_) != 0) return fail_system("stat " + path_, errno);
  return {};
}

/// Only the file that this process made: another one may have taken its place meanwhile.
void ControlServer::remove_file() {
  const std::string path = std::exchange(path_, {});
  struct stat now{};
  if (path.empty() || ::lstat(path.c_str(), &now) != 0) return;
  if (now.st_ino == file_.st_ino && now.st_dev == file_.st_dev) ::unlink(path.c_str());
}

ControlServer::~ControlServer() {
  remove_file();
  const auto closing = std::exchange(connections_, {});  // so that none is looked for in the list
  for (const auto& connection : closing) connection->abort();
}

void ControlServer::shut_down() {
  resume_timer_.cancel();
  watch_.reset();
  socket_.reset();
  remove_file();
  // A connection that closes leaves the list.
  for (std::size_t i = connections_.size(); i > 0; --i) {
    if (i <= connections_.size()) connections_[i - 1]->shut_down();
  }
}

void ControlServer::accept_some() {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    UniqueFd client(::accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (client) {
      admit(std::move(client));
      continue;
    }
    const int error = errno;
    if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM) {
      pause_accepting(error);
      return;
    }
    if (error != ECONNABORTED && error != EINTR) return;
  }
}

/// A socket that stays readable while nothing can be accepted would turn the loop in vain.
void ControlServer::pause_accepting(int error) {
  watch_->pause();
  resume_timer_.arm(kResumeInterval);
  LogEntry(LogLevel::warning, "control_paused")
      .send(system_error("control socket: accept", error).what());
}

void ControlServer::admit(UniqueFd socket) {
  auto peer = peer_credentials(socket.get());
  if (!peer) return;  // gone already
  if (connections_.size() >= kMaxClients) {
    const std::string line = error_document(code::kBusy, "too many control clients") + "\n";
    (void)::send(socket.get(), line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return;
  }
  const Permission permission = permission_of(*peer, rules_);
  const auto address = SocketAddress::unix_peer(peer->uid, peer->pid);
  auto connection = std::make_unique<Connection>(io_, *this, counters_, std::move(socket), address);
  auto session =
      std::make_unique<ControlSession>(*connection, services_, *this, std::move(*peer), permission);
  connection->owner_slot = connections_.size();
  Connection& started = *connection;
  connections_.push_back(std::move(connection));
  started.start(std::move(session));
}

void ControlServer::on_connection_closed(Connection& connection) noexcept {
  const std::size_t slot = connection.owner_slot;
  if (slot >= connections_.size()) return;  // the destructor took the list
  auto closed = std::move(connections_[slot]);
  if (slot + 1 != connections_.size()) {
    connections_[slot] = std::move(connections_.back());
    connections_[slot]->owner_slot = slot;
  }
  connections_.pop_back();
  io_.dispatcher.defer(std::make_unique<Retired>(std::move(closed)));
}

void ControlServer::flush_soon(ControlSession& session) {
  marked_.push_back({&session, session.watch()});
  if (flush_posted_) return;
  flush_posted_ = true;
  io_.dispatcher.post([this, watch = lifetime_.watch()] {
    if (watch.alive()) flush_all();
  });
}

void ControlServer::flush_all() {
  flush_posted_ = false;
  flushing_.swap(marked_);
  for (const auto& one : flushing_) {
    if (one.watch.alive()) one.session->flush();
  }
  flushing_.clear();
  // Whoever has got an answer is about to say more.
  io_.dispatcher.expect_soon();
}

}  // namespace netd::control
