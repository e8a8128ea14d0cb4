// One HTTP connection: requests in, answers out, in order.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "daemon/net/connection.h"
#include "daemon/protocols/http/body.h"
#include "daemon/protocols/http/framing.h"
#include "daemon/protocols/http/handler.h"
#include "daemon/protocols/http/parser.h"
#include "daemon/protocols/http/proxy_transaction.h"

namespace netd::http {

class Site;

class HttpSession final : public Session, private ProxyClient {
 public:
  /// `site` must outlive the session.
  HttpSession(Connection& connection, Site& site);

  void on_open() override;
  std::size_t on_data(std::string_view input) override;
  void on_end() override;
  void on_drained() override;
  void on_timeout(Timeout which) override;
  void on_shutdown() override;
  Standing standing() override;
  void on_displaced() override;
  void on_closed() noexcept override;

 private:
  enum class State : std::uint8_t {
    head,      ///< between requests, or in a head
    body,      ///< the rest of a body is to come
    awaiting,  ///< the daemon was asked for a document
    proxied,   ///< an instance of a service is at work
    closing,   ///< nothing more is read
  };
  /// Rates are measured over this long: pauses are no attack.
  static constexpr std::chrono::seconds kRatePeriod{10};

  /// What the connection's deadline is set for.
  enum class Timing : std::uint8_t { none, head, receiving, sending };

  /// What becomes of the connection behind an answer.
  enum class After : std::uint8_t {
    keep_alive,
    close,          ///< the client may be sending still
    close_at_once,  ///< the client has said that it sends no more (RFC 9112, section 9.6)
  };

  /// A request whose body comes in pieces, or whose answer somebody else is still writing.
  struct Unfinished {
    Framing framing;
    BodyDecoder decoder;
    std::string head;  // a copy: the request is parsed again when its body is complete
    Awaited awaited;
    std::unique_ptr<ProxyTransaction> proxied;
  };

  [[nodiscard]] bool can_go_on() const;
  std::size_t take(std::string_view input);
  std::size_t take_head(std::string_view input);
  std::size_t take_body(std::string_view input);
  /// Begins a body that did not come as a whole. `head` is the request's.
  void await_body(const Framing& framing, const BodyDecoder& decoder, std::string_view head,
                  bool body_has_begun);
  void restore_request();
  /// Null when there is no handler for the request: the response says why.
  Handler* find_handler(Response& response, std::string_view& path) const;
  /// `head` is the bytes that the request was read from.
  void respond(const Framing& framing, std::string_view head);
  Handler::Outcome dispatch(Response& response, Awaited& awaited);
  void await_document(const Framing& framing, std::string_view head, const Awaited& awaited);
  void on_document(std::string text);
  void finish(const Framing& framing, Handler::Outcome outcome, std::string_view reason);
  void send(After after);
  /// Answers what is not served, and ends the connection. `has_request`: the head was read.
  void refuse(int status, std::string_view reason, bool has_request);
  void end(After after);
  void watch(Timing timing);
  void stop_watching();
  [[nodiscard]] std::uint64_t progress() const;
  void on_deadline();

  // In session_standing.cc.
  [[nodiscard]] Standing standing_of_transfer();

  // In session_proxy.cc.
  /// The handler that passes the request on, or null.
  [[nodiscard]] ProxyHandler* find_proxy() const;
  /// `rest` is what came behind the head; returns how much of it is consumed.
  std::size_t begin_proxy(ProxyHandler& proxy, const Framing& framing, std::string_view head,
                          std::string_view rest);
  std::size_t take_proxied(std::string_view input);
  std::size_t pass_body(std::string_view input);
  void fail_proxied(int status, std::string_view reason);
  std::unique_ptr<Unfinished> end_proxied();
  void log_proxied();
  void on_proxied_idle();
  void on_proxy_failed(int status, const std::string& reason) override;
  void on_proxy_done(bool keep_alive) override;
  void on_proxy_broken() override;
  void on_proxy_wrote() override;
  void on_proxy_tunnel() override;
  void on_proxy_tunnel_end() override;
  [[nodiscard]] bool may_keep_alive() const override;

  Site& site_;
  HeadParser parser_;
  std::unique_ptr<Unfinished> unfinished_;
  const SocketAddress* local_ = nullptr;  // the site's
  std::uint64_t progress_mark_ = 0;       // what progress() was when it was last looked at
  std::uint32_t requests_ = 0;
  State state_ = State::head;
  Timing timing_ = Timing::none;
  bool has_leftover_ : 1 = false;  // the last on_data() did not take everything
  bool shutting_down_ : 1 = false;
};

}  // namespace netd::http
