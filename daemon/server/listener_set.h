// The main thread's view of all listeners: which there are, what they are bound to, and how to get
// from one configuration to the next without closing what stays.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/access_log_file.h"
#include "daemon/base/endpoint.h"
#include "daemon/base/error.h"
#include "daemon/config/settings.h"
#include "daemon/net/counters.h"
#include "daemon/net/limits.h"
#include "daemon/net/listener.h"
#include "daemon/protocols/protocol.h"
#include "daemon/server/socket_store.h"
#include "daemon/server/worker.h"
#include "daemon/systemd/inherited_sockets.h"

namespace netd {

/// The sockets of socket units that no listener has asked for, a line each that says so: nobody
/// would ever answer their clients. Those that an earlier netd stored are none of them.
[[nodiscard]] std::vector<std::string> unmatched_sockets(
    const config::Settings& settings, const std::vector<InheritedSocket>& inherited);

/// Main thread only.
class ListenerSet {
 public:
  struct Address {
    Endpoint configured;
    std::vector<Endpoint> bound;  ///< as configured, with real ports; several for a name
  };
  struct Entry {
    std::shared_ptr<ListenerShared> shared;
    std::shared_ptr<SharedState> state;  ///< null when the protocol has none
    std::shared_ptr<const config::Settings> settings;
    const config::ListenerSettings* listener = nullptr;  ///< part of `settings`
    std::vector<Address> addresses;
    std::shared_ptr<AccessLogFile> access_log;
    bool draining = false;
  };
  /// A configuration that can be taken into use: everything is open, nothing has changed yet.
  /// Dropped instead of committed, it leaves no trace.
  class Prepared {
   public:
    Prepared() = default;
    Prepared(Prepared&&) = default;
    Prepared& operator=(Prepared&&) = default;
    ~Prepared();

   private:
    friend class ListenerSet;
    std::vector<Entry> entries_;
    std::vector<WorkerPlan> plans_;            // one a worker
    std::vector<std::string> new_unix_paths_;  // removed again unless committed
  };

  /// `workers`, `daemon` and `manager` must outlive the set. `inherited` are the sockets of the
  /// service manager, those that an earlier netd stored there among them.
  ListenerSet(std::vector<std::unique_ptr<Worker>>& workers, DaemonQueries& daemon,
              ServiceManager& manager, std::vector<InheritedSocket> inherited);

  /// Opens what `settings` asks for beyond what is open. On failure the error lists what did not
  /// work, a line each, each "FILE:LINE: message" where it comes from a file.
  [[nodiscard]] std::expected<Prepared, std::vector<std::string>> prepare(
      const std::shared_ptr<const config::Settings>& settings,
      const std::shared_ptr<const services::ServiceTable>& services);
  /// Hands each worker its plan; cannot fail. `done` is called in the main thread, through `main`,
  /// when all workers have taken it.
  void commit(Prepared prepared, Dispatcher& main, const std::function<void()>& done);

  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
  [[nodiscard]] Entry* find(std::string_view name);
  [[nodiscard]] static TrafficTotals totals(const Entry& entry);
  [[nodiscard]] SharedLimit& all_connections() { return all_connections_; }
  /// Removes the files of unix sockets, at the end, unless the sockets wait for the next netd.
  void remove_unix_paths();

 private:
  /// What all listeners of one configuration are made from.
  struct Generation {
    const std::shared_ptr<const config::Settings>& settings;
    const std::shared_ptr<const services::ServiceTable>& services;
  };
  [[nodiscard]] Result<std::vector<std::vector<BoundSocket>>> open_anew(
      const Endpoint& configured, const config::ListenerSettings& listener);
  [[nodiscard]] std::vector<std::vector<BoundSocket>> take_stored(
      const Endpoint& configured, const config::ListenerSettings& listener);
  void store_sockets(const Prepared& prepared);
  Result<void> prepare_listener(const Generation& generation,
                                const config::ListenerSettings& listener, Prepared& prepared);
  Result<void> prepare_address(const Endpoint& configured, const config::ListenerSettings& listener,
                               Prepared& prepared);
  Result<Address> open_address(const Endpoint& configured, const config::ListenerSettings& listener,
                               Prepared& prepared);
  Result<std::vector<std::vector<BoundSocket>>> open_inherited(
      const Endpoint& configured, const config::ListenerSettings& listener) const;
  Result<void> make_generations(const Generation& generation,
                                const config::ListenerSettings& listener, const Entry& entry,
                                Prepared& prepared);
  /// Who has the sockets that `listener` asks for with `configured`; null: they are to be opened.
  [[nodiscard]] const Entry* owner_of(const Endpoint& configured, std::string_view listener) const;
  [[nodiscard]] bool has_port(const Endpoint& configured) const;

  std::vector<std::unique_ptr<Worker>>& workers_;
  DaemonQueries& daemon_;
  ServiceManager& manager_;
  std::vector<InheritedSocket> inherited_;  // of socket units, for `listen = fd:NAME`
  SocketStore store_;                       // depends on: manager_, inherited_
  SharedLimit all_connections_{0};
  std::vector<Entry> entries_;
};

}  // namespace netd
