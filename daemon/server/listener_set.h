// The main thread's view of all listeners: which there are, what they are bound to, and how to get
// from one configuration to the next without closing what stays.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/endpoint.h"
#include "daemon/base/error.h"
#include "daemon/config/settings.h"
#include "daemon/net/counters.h"
#include "daemon/net/limits.h"
#include "daemon/net/listener.h"
#include "daemon/protocols/protocol.h"
#include "daemon/server/worker.h"
#include "daemon/systemd/inherited_sockets.h"

namespace netd {

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

  /// `workers` and `daemon` must outlive the set.
  ListenerSet(std::vector<std::unique_ptr<Worker>>& workers, DaemonQueries& daemon,
              std::vector<InheritedSocket> inherited);

  /// Opens what `settings` asks for beyond what is open. On failure the error lists what did not
  /// work, a line each, each "FILE:LINE: message" where it comes from a file.
  [[nodiscard]] std::expected<Prepared, std::vector<std::string>> prepare(
      const std::shared_ptr<const config::Settings>& settings);
  /// Hands each worker its plan; cannot fail. `done` is called in the main thread, through `main`,
  /// when all workers have taken it.
  void commit(Prepared prepared, Dispatcher& main, const std::function<void()>& done);

  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
  [[nodiscard]] Entry* find(std::string_view name);
  [[nodiscard]] static TrafficTotals totals(const Entry& entry);
  /// Those that no `fd:` listener of the configuration uses.
  [[nodiscard]] std::vector<std::string> unused_inherited() const;
  [[nodiscard]] SharedLimit& all_connections() { return all_connections_; }
  /// Removes the files of unix sockets, at the end.
  void remove_unix_paths();

 private:
  Result<void> prepare_listener(const std::shared_ptr<const config::Settings>& settings,
                                const config::ListenerSettings& listener, Prepared& prepared);
  Result<void> prepare_address(const Endpoint& configured, const config::ListenerSettings& listener,
                               Prepared& prepared);
  Result<Address> open_address(const Endpoint& configured, const config::ListenerSettings& listener,
                               Prepared& prepared);
  Result<std::vector<std::vector<BoundSocket>>> open_inherited(
      const Endpoint& configured, const config::ListenerSettings& listener) const;
  Result<void> make_generations(const std::shared_ptr<const config::Settings>& settings,
                                const config::ListenerSettings& listener, const Entry& entry,
                                Prepared& prepared);
  /// Who has the sockets that `listener` asks for with `configured`; null: they are to be opened.
  [[nodiscard]] const Entry* owner_of(const Endpoint& configured, std::string_view listener) const;
  [[nodiscard]] bool has_port(const Endpoint& configured) const;

  std::vector<std::unique_ptr<Worker>>& workers_;
  DaemonQueries& daemon_;
  std::vector<InheritedSocket> inherited_;
  SharedLimit all_connections_{0};
  std::vector<Entry> entries_;
};

}  // namespace netd
