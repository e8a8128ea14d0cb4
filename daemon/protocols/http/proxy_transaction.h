// One request on its way to an instance of a service, and the answer on its way back.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/event/dispatcher.h"
#include "daemon/net/connection.h"
#include "daemon/net/connector.h"
#include "daemon/protocols/http/body.h"
#include "daemon/protocols/http/framing.h"
#include "daemon/protocols/http/proxy_head.h"
#include "daemon/protocols/http/request.h"
#include "daemon/protocols/http/response_parser.h"
#include "daemon/protocols/http/upstream_pool.h"
#include "daemon/services/service_table.h"

namespace netd::http {

class ProxyHandler;

/// The client's side of a transaction. Of on_proxy_failed, _done and _broken one is called, once;
/// the transaction does nothing after it.
class ProxyClient {
 public:
  /// No answer can be had and none has begun: an error page is due.
  virtual void on_proxy_failed(int status, const std::string& reason) = 0;
  /// All of the answer is written.
  virtual void on_proxy_done(bool keep_alive) = 0;
  /// The answer broke off in the middle, or the tunnel did: only a reset can say so.
  virtual void on_proxy_broken() = 0;
  /// Something was written to the client's connection.
  virtual void on_proxy_wrote() = 0;
  /// 101: from now on whatever comes belongs to send_tunnel().
  virtual void on_proxy_tunnel() = 0;
  /// Both ends of the tunnel have finished.
  virtual void on_proxy_tunnel_end() = 0;
  /// Whether, for all the client's side knows, its connection goes on after this answer.
  [[nodiscard]] virtual bool may_keep_alive() const = 0;

 protected:
  ~ProxyClient() = default;
};

/// Walk of a request: the session reads a head, finds that its route is a proxy's and makes a
/// transaction, which writes the head for the instance. As much of the body as has come is kept.
/// start() chooses an instance and takes an idle connection to it, or makes one; then all goes out
/// in one write, and the rest of the body as it comes. The answer is parsed where it is read,
/// translated into one buffer of the worker, and leaves in one write for each read. The connection
/// goes back to the pool, and the session goes on with its next request.
///
/// What fails before the first byte of an answer is tried with another instance, as long as the
/// method may be repeated (RFC 9110, section 9.2.2) and no more of the body has been passed on than
/// is kept.
class ProxyTransaction final : public DeferredDeletable, private UpstreamUser {
 public:
  /// All references must outlive the transaction, but for the request and the target.
  ProxyTransaction(ProxyHandler& handler, ProxyClient& client, Connection& connection,
                   const Request& request, const Target& target, const Framing& framing);
  ~ProxyTransaction() override;
  ProxyTransaction(const ProxyTransaction&) = delete;
  ProxyTransaction& operator=(const ProxyTransaction&) = delete;

  /// Content of the request's body, without the client's framing. Where it comes faster than it
  /// goes, the client's reading is paused.
  void send_body(std::string_view content);
  void end_body();
  /// May call back at once, when there is no instance to ask.
  void start();
  void send_tunnel(std::string_view bytes);
  void end_tunnel();
  void on_client_drained();
  /// The client is gone, or is told something else. Nothing is called back from here on.
  void abandon();

  [[nodiscard]] bool body_is_complete() const { return body_complete_; }
  /// The client waits for the instance, not the other way round.
  [[nodiscard]] bool holds_client() const { return client_paused_; }
  [[nodiscard]] bool answer_has_begun() const { return answer_begun_; }
  [[nodiscard]] bool is_tunnel() const { return phase_ == Phase::tunnel; }
  [[nodiscard]] int status() const { return status_; }
  /// Content passed to the client.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  enum class Phase : std::uint8_t { connecting, head, body, until_close, tunnel, done };

  /// So much of a body is kept to be sent again.
  static constexpr std::size_t kMaxKept = std::size_t{64} << 10;
  /// Larger pieces of an answer go to the socket without a copy.
  static constexpr std::size_t kMaxCopied = std::size_t{16} << 10;
  static constexpr unsigned kMaxInterim = 16;

  void try_next();
  void connect(std::size_t instance);
  void on_connected(std::size_t instance, Result<Connector::Connected> outcome);
  void attach(Upstream& upstream);
  void attempt_failed(const std::string& why);
  [[nodiscard]] bool gives_up_undelivered();
  void fail_with(int status, const std::string& why);
  void end_with_error(int status, const std::string& why);
  void let_go();
  void send(std::string_view wire);
  void hold_client();
  void release_client();

  std::size_t on_upstream_data(std::string_view input) override;
  void on_upstream_end() override;
  void on_upstream_drained() override;
  void on_upstream_timeout() override;
  void on_upstream_closed(int error) noexcept override;

  /// These return what they consumed; 0: more has to come, or the transaction is done.
  std::size_t take_head(std::string_view input);
  std::size_t take_body(std::string_view input);
  void take_interim(const ResponseHead& head, const ConnectionOptions& options);
  void begin_tunnel(const ResponseHead& head, const ConnectionOptions& options);
  void begin_answering();
  void begin_answer(const ResponseHead& head, const ConnectionOptions& options);
  void take_content(std::string_view content);
  void take_trailer(std::string_view line);
  void finish_answer();
  void flush();
  [[nodiscard]] bool may_repeat() const;
  [[nodiscard]] std::string& out();

  ProxyHandler& handler_;
  ProxyClient& client_;
  Connection& client_connection_;
  services::InstanceChoice choice_;
  std::optional<Connector> connector_;
  Upstream* upstream_ = nullptr;
  std::string request_;  // the head, then the body as far as it is kept
  ResponseParser parser_;
  BodyDecoder decoder_;
  std::uint64_t bytes_ = 0;
  std::uint64_t upstream_bytes_before_ = 0;  // read from the connection before this exchange
  Phase phase_ = Phase::connecting;
  int status_ = 0;
  unsigned interim_ = 0;
  std::string asked_protocols_;  // where asks_upgrade_
  bool is_head_ : 1;
  bool http_1_0_ : 1;
  bool asks_upgrade_ : 1;
  bool takes_trailers_ : 1;  // the client does
  bool request_chunked_ : 1;
  bool is_idempotent_ : 1;
  bool body_complete_ : 1 = false;
  bool kept_all_ : 1 = true;          // request_ holds all that was sent
  bool doubts_delivery_ : 1 = false;  // the connection's time-out is that of connecting
  bool client_paused_ : 1 = false;
  bool answer_begun_ : 1 = false;
  bool answer_chunked_ : 1 = false;
  bool passes_trailers_ : 1 = false;
  bool trailer_begun_ : 1 = false;  // the last chunk is written
  bool client_keep_alive_ : 1 = false;
  bool upstream_keep_alive_ : 1 = false;
  bool client_ended_ : 1 = false;    // of a tunnel
  bool upstream_ended_ : 1 = false;  // likewise
};

}  // namespace netd::http
