// The two halves of a forwarded connection.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "daemon/net/connection.h"
#include "daemon/net/connector.h"
#include "daemon/net/session.h"
#include "daemon/protocols/forward/forward.h"

namespace netd::forward {

class UpstreamSession;

/// The client's half. Owns the connection to the target.
///
/// Each direction is a pump of its own: bytes are handed on as they come, a side that cannot take
/// more stops the reading of the other, and the end of one direction is handed on as a FIN while
/// the other goes on (RFC 9293, section 3.6). A connection that breaks on one side is reset on the
/// other, so that nobody takes a part for the whole.
class ClientSession final : public Session, private ConnectionOwner {
 public:
  ClientSession(Connection& connection, Settings& settings);
  ~ClientSession() override;

  void on_open() override;
  std::size_t on_data(std::string_view input) override;
  void on_end() override;
  void on_drained() override;
  void on_timeout(Timeout which) override;
  void on_shutdown() override;
  void on_closed() noexcept override;

 private:
  friend class UpstreamSession;

  /// How long an open tunnel may be silent while the server is stopping.
  static constexpr std::chrono::seconds kDrainSilence{1};
  /// Connects to an instance that was not tried yet.
  void try_next();
  void on_connected(Result<Connector::Connected> outcome);
  void give_up(const std::string& why);

  void on_upstream_open();
  void on_upstream_data(std::string_view input);
  void on_upstream_end();
  void on_connection_closed(Connection& upstream) noexcept override;
  void finish_if_both_ended();

  Settings& settings_;
  std::unique_ptr<Connection> upstream_;
  services::InstanceChoice choice_;
  std::optional<Connector> connector_;  // while connecting
  std::string last_error_;
  bool connected_ = false;
  bool client_ended_ = false;
  bool upstream_ended_ = false;
};

/// The target's half: passes everything on to the client's, which outlives it.
class UpstreamSession final : public Session {
 public:
  UpstreamSession(Connection& connection, ClientSession& client)
      : Session(connection), client_(client) {}

  void on_open() override { client_.on_upstream_open(); }
  std::size_t on_data(std::string_view input) override {
    client_.on_upstream_data(input);
    return input.size();
  }
  void on_end() override { client_.on_upstream_end(); }
  void on_drained() override { client_.connection().resume_reading(); }
  void on_timeout(Timeout which) override { client_.on_timeout(which); }

 private:
  ClientSession& client_;
};

}  // namespace netd::forward
