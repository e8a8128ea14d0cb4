// The part of HttpSession that has its requests answered by the instances of a service.
#include <utility>

#include "daemon/protocols/http/proxy_handler.h"
#include "daemon/protocols/http/session.h"
#include "daemon/protocols/http/site.h"

namespace netd::http {

ProxyHandler* HttpSession::find_proxy() const {
  const Target& target = site_.target;
  if (target.form != Target::Form::origin && target.form != Target::Form::absolute) return nullptr;
  const Routes::Route* const route = site_.routes().find(target.host, target.path);
  ProxyHandler* const proxy = route != nullptr ? route->handler->proxy() : nullptr;
  return proxy != nullptr && proxy->takes(site_.request) ? proxy : nullptr;
}

std::size_t HttpSession::begin_proxy(ProxyHandler& proxy, const Framing& framing,
                                     std::string_view head, std::string_view rest) {
  const Target& target = site_.target;
  if (target.has_encoded_slash && target.has_dot_segments) {
    refuse(400, "dot segments behind encoded slashes", true);
    return rest.size();
  }
  if (ConnectionOptions(site_.request).too_many()) {
    refuse(400, "too many connection options", true);
    return rest.size();
  }
  ++requests_;
  unfinished_ = std::make_unique<Unfinished>();
  unfinished_->framing = framing;
  unfinished_->decoder = BodyDecoder(framing, site_.limits().max_body);
  unfinished_->head = head;
  ProxyClient& client = *this;
  unfinished_->proxied = std::make_unique<ProxyTransaction>(proxy, client, connection(),
                                                            site_.request, target, framing);
  state_ = State::proxied;
  std::size_t used = 0;
  if (framing.has_body()) {
    used = pass_body(rest);
    if (state_ != State::proxied) return used;
    if (!unfinished_->proxied->body_is_complete()) watch(Timing::receiving);
  } else {
    unfinished_->proxied->end_body();
  }
  unfinished_->proxied->start();
  return used;
}

/// What comes from the client while an instance works for it.
std::size_t HttpSession::take_proxied(std::string_view input) {
  ProxyTransaction& proxied = *unfinished_->proxied;
  if (proxied.is_tunnel()) {
    proxied.send_tunnel(input);
    return input.size();
  }
  if (!proxied.body_is_complete()) return pass_body(input);
  // The next request waits for its turn.
  connection().pause_reading();
  return 0;
}

std::size_t HttpSession::pass_body(std::string_view input) {
  BodyDecoder& decoder = unfinished_->decoder;
  ProxyTransaction& proxied = *unfinished_->proxied;
  std::size_t used = 0;
  for (;;) {
    const BodyDecoder::Step step = decoder.step(input.substr(used));
    used += step.consumed;
    proxied.send_body(step.content);
    // Passing it on may have ended the transaction.
    if (state_ != State::proxied) return input.size();
    if (step.state == BodyDecoder::State::complete) {
      if (timing_ == Timing::receiving) stop_watching();
      proxied.end_body();
      return used;
    }
    if (step.state == BodyDecoder::State::refused) {
      fail_proxied(decoder.status(), decoder.reason());
      return input.size();
    }
    if (step.consumed == 0 || used == input.size()) return used;
  }
}

/// The client's fault: the instance is left alone, and the connection ends.
void HttpSession::fail_proxied(int status, std::string_view reason) {
  if (unfinished_->proxied->answer_has_begun()) {
    connection().abort(true);
    return;
  }
  restore_request();
  const std::unique_ptr<Unfinished> request = end_proxied();
  refuse(status, reason, true);
}

std::unique_ptr<HttpSession::Unfinished> HttpSession::end_proxied() {
  std::unique_ptr<Unfinished> request = std::exchange(unfinished_, nullptr);
  request->proxied->abandon();
  // It may be further up the stack.
  connection().dispatcher().defer(std::move(request->proxied));
  stop_watching();
  state_ = State::head;
  return request;
}

void HttpSession::on_proxy_failed(int status, const std::string& reason) {
  const bool body_is_complete = unfinished_->proxied->body_is_complete();
  site_.now = unix_seconds(connection().dispatcher().clock());
  restore_request();
  const std::unique_ptr<Unfinished> request = end_proxied();
  site_.response.clear();
  site_.response.status = status;
  site_.response.close = !body_is_complete;
  finish(request->framing, Handler::Outcome::failed, reason);
  if (state_ == State::head) connection().resume_reading();
}

void HttpSession::on_proxy_done(bool keep_alive) {
  log_proxied();
  end_proxied();
  if (connection().backlogged()) watch(Timing::sending);
  if (keep_alive && !shutting_down_) {
    connection().resume_reading();
  } else {
    end(After::close);
  }
}

void HttpSession::on_proxy_broken() {
  log_proxied();
  connection().abort(true);
}

void HttpSession::log_proxied() {
  if (!site_.logs()) return;
  const ProxyTransaction& proxied = *unfinished_->proxied;
  site_.now = unix_seconds(connection().dispatcher().clock());
  restore_request();
  site_.response.clear();
  site_.response.status = proxied.status();
  site_.log(connection(), proxied.bytes());
}

void HttpSession::on_proxy_wrote() {
  if (connection().backlogged()) watch(Timing::sending);
}

void HttpSession::on_proxy_tunnel() {
  stop_watching();
  log_proxied();
  connection().resume_reading();
}

void HttpSession::on_proxy_tunnel_end() {
  end_proxied();
  state_ = State::closing;
  connection().close();
}

bool HttpSession::may_keep_alive() const {
  const std::uint64_t max_requests = site_.limits().max_requests;
  return unfinished_->framing.keep_alive && !shutting_down_ && !connection().peer_has_ended() &&
         (max_requests == 0 || requests_ < max_requests);
}

/// Both ways silent for the idle time-out.
void HttpSession::on_proxied_idle() {
  const ProxyTransaction& proxied = *unfinished_->proxied;
  if (proxied.is_tunnel()) {
    connection().abort();
    return;
  }
  // The instance's time-out counts while it has to answer, and the rate while it may count.
  const bool client_is_due = !proxied.body_is_complete() && !proxied.holds_client();
  const bool rate_decides = timing_ != Timing::none && site_.limits().min_rate > 0;
  if (rate_decides) return;
  if (timing_ == Timing::sending) {
    connection().abort(true);
  } else if (client_is_due) {
    fail_proxied(408, "the request took too long");
  }
}

}  // namespace netd::http
