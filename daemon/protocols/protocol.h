// How a protocol presents itself to the server: one constant of type Protocol, listed in
// registry.cc. Nothing else in the daemon knows a protocol by name.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/access_log_file.h"
#include "daemon/base/error.h"
#include "daemon/config/schema.h"
#include "daemon/config/settings.h"
#include "daemon/net/io_context.h"
#include "daemon/net/session.h"
#include "daemon/services/service_table.h"

namespace netd {

/// What all workers of one listener share (a mail store, a table of names). Made in the main thread
/// for one generation of the listener's settings; its methods are called from every worker.
class SharedState {
 public:
  virtual ~SharedState() = default;
  /// Empty when the listener can do its work, else what is wrong, for people ("mail store: disk
  /// full"). Any thread.
  [[nodiscard]] virtual std::string trouble() const { return {}; }
};

/// What protocols may ask of the daemon as a whole. Called in a worker's thread; the answer comes
/// back in the same thread, later.
class DaemonQueries {
 public:
  virtual ~DaemonQueries() = default;
  enum class Document : std::uint8_t {
    status,   ///< what `netctl status --json` says
    metrics,  ///< Prometheus text exposition format
    livez,    ///< empty: alive; else the reasons, one a line
    readyz,   ///< empty: ready; else the reasons, one a line
  };
  virtual void ask(Document document, Dispatcher& reply_to,
                   std::function<void(std::string text)> reply) = 0;
};

/// Everything a protocol is made from.
struct ProtocolContext {
  std::shared_ptr<const config::Settings> settings;  ///< this generation's; kept alive by sessions
  const config::ListenerSettings& listener;          ///< part of `settings`
  IoContext& io;                                     ///< the worker's; outlives the protocol
  DaemonQueries& daemon;                             ///< outlives the protocol
  std::shared_ptr<SharedState> shared;  ///< of make_shared_state(), or null; shared by all workers
  /// For protocols whose logs_requests() is true; null unless the access log is a file. Shared by
  /// all workers.
  std::shared_ptr<AccessLogFile> access_log = nullptr;
  /// The services of `settings`; never null. Shared by all workers.
  std::shared_ptr<const services::ServiceTable> services =
      std::make_shared<services::ServiceTable>();
};

struct Protocol {
  std::string_view name;
  std::string_view summary;  ///< one line, for people
  /// The keys of a [listener] section beyond those that every listener has.
  std::span<const config::SettingRow> rows;
  /// Finds what single rows cannot (two keys that exclude each other, a folder that is not there);
  /// adds one mistake for each. May be null.
  void (*check)(const config::Section& section, std::vector<config::Mistake>& mistakes);
  /// Main thread, before the listener's sockets open; a failure stops the start or the reload. May
  /// be null. `previous` is the same listener's state of the generation before, or null: state that
  /// can live on (threads, files) is taken from it.
  Result<std::shared_ptr<SharedState>> (*make_shared_state)(
      const config::Settings& settings, const config::ListenerSettings& listener,
      const std::shared_ptr<SharedState>& previous);
  /// Null when the protocol does not run over streams.
  Result<std::unique_ptr<StreamProtocol>> (*make_stream)(const ProtocolContext& context);
  /// Null when the protocol does not run over UDP.
  Result<std::unique_ptr<DatagramProtocol>> (*make_datagram)(const ProtocolContext& context);
};

/// All of them, in alphabetical order.
[[nodiscard]] std::span<const Protocol* const> protocols();
[[nodiscard]] const Protocol* find_protocol(std::string_view name);

}  // namespace netd
