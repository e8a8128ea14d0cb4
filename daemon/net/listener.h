// One configured listener in one worker: accepts, applies limits and access lists, owns the
// connections.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/access_log_file.h"
#include "daemon/base/endpoint.h"
#include "daemon/config/settings.h"
#include "daemon/event/read_watch.h"
#include "daemon/event/timer.h"
#include "daemon/net/connection.h"
#include "daemon/net/counters.h"
#include "daemon/net/io_context.h"
#include "daemon/net/limits.h"
#include "daemon/net/place_exchange.h"
#include "daemon/net/session.h"
#include "daemon/net/socket.h"
#include "daemon/net/udp_service.h"

namespace netd {

/// What the workers' listeners of one name share, over all generations of the configuration.
/// Everything in it may be used from any thread.
struct ListenerShared {
  ListenerShared(std::string listener_name, std::string protocol_name, unsigned workers,
                 SharedLimit& all_connections)
      : name(std::move(listener_name)),
        protocol(std::move(protocol_name)),
        counters(workers),
        total(all_connections) {}

  const std::string name;
  const std::string protocol;
  std::vector<TrafficCounters> counters;  ///< one a worker
  SharedLimit connections{0};
  PerClientLimit per_client{0};
  SharedLimit& total;  ///< over all listeners; the server's
  std::atomic<unsigned> paused_workers{0};
  PlaceExchange places;
  /// When somebody was last told of a limit that was reached, in steady_clock ticks.
  std::atomic<Monotonic::rep> last_limit_report{0};
};

/// One generation of a listener's settings, with what was made from it for one worker.
struct ListenerGeneration {
  // shared_ptr: every connection keeps the generation that it was opened under alive.
  std::shared_ptr<const config::Settings> settings;  ///< owns `listener`
  const config::ListenerSettings* listener = nullptr;
  std::unique_ptr<StreamProtocol> stream;      ///< null: not a stream protocol
  std::unique_ptr<DatagramProtocol> datagram;  ///< null: no UDP
  std::shared_ptr<AccessLogFile> access_log;   ///< null unless access_log is a file
};

/// What a listener's connection looks like to `netctl connections`.
struct ConnectionSnapshot {
  std::uint64_t id = 0;
  std::string client;
  std::string local;
  Duration age{};
  Duration idle{};
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
};

/// Lives in its worker's thread.
class Listener final : public ConnectionOwner, private DatagramPolicy {
 public:
  /// `io` must outlive the listener. `worker` is its index into ListenerShared::counters. `ports`
  /// are the UDP ports that netd itself serves.
  Listener(IoContext& io, std::shared_ptr<ListenerShared> shared, unsigned worker,
           ServedPorts& ports);
  ~Listener() override;

  /// Takes the new settings into use for what is accepted from now on.
  void set_generation(std::shared_ptr<const ListenerGeneration> generation);
  /// `configured` is the `listen =` value that the socket belongs to.
  [[nodiscard]] Result<void> add_socket(const Endpoint& configured, BoundSocket socket);
  /// Takes back the sockets of one `listen =` value, still open; their connections stay.
  [[nodiscard]] std::vector<BoundSocket> release_sockets(const Endpoint& configured);
  /// The `listen =` values that it has sockets for, each once.
  [[nodiscard]] std::vector<Endpoint> configured_addresses() const;
  /// Closes all of them; the connections stay.
  void close_sockets();

  /// No more connections; those that are idle close, the others may finish. `resume` takes it back.
  void drain();
  void resume();

  /// Asks every connection to finish (Session::on_shutdown).
  void shut_down_connections();
  /// Closes all connections now.
  void abort_all();
  [[nodiscard]] std::size_t connection_count() const { return connections_.size(); }
  /// Connections that still have something to say; one that only waits for its peer's FIN has not.
  [[nodiscard]] std::size_t busy_count() const;

  /// Aborts those that `matches` says yes to, and returns how many.
  std::size_t disconnect(const std::function<bool(const Connection&)>& matches);
  void visit(const std::function<void(const Connection&)>& visitor) const;

  [[nodiscard]] const std::string& name() const { return shared_->name; }
  [[nodiscard]] const ListenerShared& shared() const { return *shared_; }
  [[nodiscard]] bool draining() const { return draining_; }

 private:
  struct Accepting {
    Endpoint configured;
    Endpoint bound;
    UniqueFd socket;
    std::unique_ptr<ReadWatch> watch;  // depends on: socket
    std::optional<ServedPort> served;  // of a TCP port that somebody chose
    Monotonic last_ready;              // when it last had a connection to accept
  };
  struct Answering {
    Endpoint configured;
    std::unique_ptr<UdpService> service;
  };
  /// What there are not enough of.
  enum class Scarce : std::uint8_t { own_places, all_places, descriptors, memory };
  [[nodiscard]] static std::string_view name_of(Scarce scarce);
  /// The connection that can best do without its place; null: none can.
  struct Displaceable {
    Connection* connection = nullptr;
    Standing standing;
    [[nodiscard]] bool before(const Displaceable& other) const;
  };

  struct Entry {
    std::shared_ptr<const ListenerGeneration> generation;
    std::unique_ptr<Connection> connection;  // its session depends on: generation
  };
  class Retired;

  void on_connection_closed(Connection& connection) noexcept override;
  static void stop_listening(Accepting& accepting);
  static void listen_again(Accepting& accepting);
  void accept_some(Accepting& accepting);
  /// False when there is nothing more to accept, or no place for it.
  bool accept_one(Accepting& accepting);
  /// Counts one more connection, if need be in place of another.
  [[nodiscard]] bool take_place(const Accepting& accepting);
  [[nodiscard]] bool count_place(Scarce& scarce);
  [[nodiscard]] bool make_place(Scarce scarce);
  [[nodiscard]] Displaceable choose_displaceable(Scarce scarce, std::size_t looks);
  [[nodiscard]] Displaceable find_displaceable(std::size_t looks);
  void ask_other_workers(Scarce scarce);
  void admit(UniqueFd socket, const SocketAddress& peer);
  void refuse(UniqueFd socket, const SocketAddress& peer, Refusal why);
  [[nodiscard]] bool allows(const SocketAddress& peer) const override;
  [[nodiscard]] DatagramProtocol* protocol() const override { return generation_->datagram.get(); }
  void pause_accepting(Scarce scarce);
  void resume_accepting();
  void report_limit(Scarce scarce);
  void log_open(const Connection& connection) const;
  void log_to_file(const ListenerGeneration& generation, const std::string& message) const;
  void log_close(const Connection& connection, const ListenerGeneration& generation) const;
  void release_limits(const SocketAddress& peer);
  void give_memory_back();
  [[nodiscard]] TrafficCounters& counters() { return shared_->counters[worker_]; }

  IoContext& io_;
  // shared_ptr: the workers' listeners and the control plane hold it, and may end in any order.
  std::shared_ptr<ListenerShared> shared_;
  unsigned worker_;
  ServedPorts& ports_;
  std::shared_ptr<const ListenerGeneration> generation_;
  std::vector<std::unique_ptr<Accepting>> accepting_;
  std::vector<Answering> answering_;
  std::vector<Entry> connections_;  // by Connection::owner_slot
  std::size_t next_look_ = 0;       // find_displaceable() goes round and round
  std::size_t crowd_ = 0;           // the most there were, or how many have stayed since
  Timer resume_timer_;
  Timer trim_timer_;
  bool paused_ = false;
  bool crowded_ = false;  // the last connection that came found no place
  bool draining_ = false;
};

}  // namespace netd
