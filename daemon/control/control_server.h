// The control socket: accepts, finds out who connects, owns the sessions.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "daemon/base/error.h"
#include "daemon/base/unique_fd.h"
#include "daemon/config/settings.h"
#include "daemon/control/commands.h"
#include "daemon/control/control_session.h"
#include "daemon/event/read_watch.h"
#include "daemon/event/timer.h"
#include "daemon/net/connection.h"
#include "daemon/net/counters.h"
#include "daemon/net/io_context.h"

namespace netd::control {

/// Belongs to the main thread.
class ControlServer final : public ConnectionOwner, public AnswerFlusher {
 public:
  /// Clients over this are told `busy` and closed.
  static constexpr std::size_t kMaxClients = 4096;

  /// Opens settings.socket, or takes `inherited` (bound and listening already, its file the service
  /// manager's) in its place. `io` and what `services` refers to must outlive the server.
  [[nodiscard]] static Result<std::unique_ptr<ControlServer>> create(
      IoContext& io, const config::ControlSettings& settings, const Services& services,
      UniqueFd inherited = UniqueFd());
  ~ControlServer() override;

  /// Takes no more clients, answers what is asked already, and closes. The socket's file goes.
  void shut_down();
  [[nodiscard]] std::size_t client_count() const { return connections_.size(); }

  void on_connection_closed(Connection& connection) noexcept override;
  void flush_soon(ControlSession& session) override;

 private:
  class Retired;

  ControlServer(IoContext& io, const Services& services);
  Result<void> open(const config::ControlSettings& settings, UniqueFd inherited);
  Result<void> remember_file();
  void remove_file();
  void accept_some();
  void admit(UniqueFd socket);
  void pause_accepting(int error);
  void flush_all();

  IoContext& io_;
  Services services_;
  AccessRules rules_;
  std::string path_;  // empty: inherited, or removed already
  struct stat file_{};
  UniqueFd socket_;
  std::unique_ptr<ReadWatch> watch_;  // depends on: socket_
  Timer resume_timer_;
  TrafficCounters counters_;
  std::vector<std::unique_ptr<Connection>> connections_;  // by Connection::owner_slot
  struct Marked {
    ControlSession* session;
    Lifetime::Watch watch;
  };
  std::vector<Marked> marked_;
  std::vector<Marked> flushing_;  // kept for its capacity
  bool flush_posted_ = false;
  Lifetime lifetime_;
};

}  // namespace netd::control
