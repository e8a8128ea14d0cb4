#include "daemon/protocols/http/session.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "daemon/protocols/http/site.h"

namespace netd::http {

namespace {

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::string_view kAllMethods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE";

// How long an open tunnel may be silent while the server is stopping.
constexpr std::chrono::seconds kDrainSilence{1};

// Larger pieces of memory go to the socket without a copy.
constexpr std::size_t kMaxCopied = std::size_t{64} << 10;

}  // namespace

HttpSession::HttpSession(Connection& connection, Site& site) : Session(connection), site_(site) {}

void HttpSession::on_open() {
  connection().set_idle_timeout(site_.limits().idle_timeout);
  connection().read_at_once();
}

// ---- Input.

bool HttpSession::can_go_on() const {
  const bool takes_input =
      state_ == State::head || state_ == State::body || state_ == State::proxied;
  return takes_input && connection().is_open() && !connection().backlogged();
}

std::size_t HttpSession::on_data(std::string_view input) {
  site_.now = unix_seconds(connection().dispatcher().clock());
  std::size_t used = 0;
  while (used < input.size() && can_go_on()) {
    const std::string_view rest = input.substr(used);
    const std::size_t taken = take(rest);
    if (taken == 0) break;
    used += taken;
  }
  has_leftover_ = used < input.size();
  if (connection().backlogged()) watch(Timing::sending);
  return used;
}

std::size_t HttpSession::take(std::string_view input) {
  switch (state_) {
    case State::body:
      return take_body(input);
    case State::proxied:
      return take_proxied(input);
    default:
      return take_head(input);
  }
}

std::size_t HttpSession::take_head(std::string_view input) {
  switch (parser_.parse(input, site_.limits().head, site_.request)) {
    case HeadParser::State::incomplete:
      // One deadline for the whole head: bytes that drip in do not move it.
      if (parser_.started() && timing_ != Timing::head) watch(Timing::head);
      return 0;
    case HeadParser::State::refused:
      parser_.describe(input, site_.limits().head, site_.request);
      refuse(parser_.status(), parser_.reason(), true);
      return input.size();
    case HeadParser::State::complete:
      break;
  }
  const std::size_t size = parser_.size();
  parser_.reset();
  stop_watching();
  const Framing framing = read_framing(site_.request);
  read_target(site_.request, site_.target);
  if (framing.status != 0 || site_.target.status != 0) {
    const bool by_framing = framing.status != 0 && framing.status != 417;
    if (by_framing || site_.target.status == 0) {
      refuse(framing.status, framing.reason, true);
    } else {
      refuse(site_.target.status, site_.target.reason, true);
    }
    return input.size();
  }
  if (site_.has_proxies()) {
    if (ProxyHandler* const proxy = find_proxy()) {
      return size + begin_proxy(*proxy, framing, input.substr(0, size), input.substr(size));
    }
  }
  if (!framing.has_body()) {
    respond(framing, input.substr(0, size));
    return size;
  }
  BodyDecoder decoder(framing, site_.limits().max_body);
  const BodyDecoder::Progress progress = decoder.discard(input.substr(size));
  switch (progress.state) {
    case BodyDecoder::State::complete:
      respond(framing, input.substr(0, size));
      break;
    case BodyDecoder::State::refused:
      refuse(decoder.status(), decoder.reason(), true);
      return input.size();
    case BodyDecoder::State::incomplete:
      await_body(framing, decoder, input.substr(0, size), input.size() > size);
      break;
  }
  return size + progress.consumed;
}

void HttpSession::await_body(const Framing& framing, const BodyDecoder& decoder,
                             std::string_view head, bool body_has_begun) {
  if (framing.expects_continue && !body_has_begun) {
    // Whoever waits to be asked need not send what nobody wants.
    std::string_view path;
    site_.response.clear();
    if (find_handler(site_.response, path) == nullptr) {
      site_.pages().fill(site_.request, {}, site_.response);
      send(After::close);
      return;
    }
    connection().write(kContinue);
  }
  unfinished_ = std::make_unique<Unfinished>();
  unfinished_->framing = framing;
  unfinished_->decoder = decoder;
  unfinished_->head = head;
  state_ = State::body;
  watch(Timing::receiving);
}

std::size_t HttpSession::take_body(std::string_view input) {
  BodyDecoder& decoder = unfinished_->decoder;
  const BodyDecoder::Progress progress = decoder.discard(input);
  switch (progress.state) {
    case BodyDecoder::State::incomplete:
      return progress.consumed;
    case BodyDecoder::State::refused:
      refuse(decoder.status(), decoder.reason(), true);
      return input.size();
    case BodyDecoder::State::complete:
      break;
  }
  stop_watching();
  state_ = State::head;
  restore_request();
  const std::unique_ptr<Unfinished> request = std::exchange(unfinished_, nullptr);
  respond(request->framing, request->head);
  return progress.consumed;
}

/// Reads the saved head again: other requests have used the site's place since.
void HttpSession::restore_request() {
  HeadParser again;
  // It was complete once, so it is again.
  (void)again.parse(unfinished_->head, site_.limits().head, site_.request);
  read_target(site_.request, site_.target);
}

// ---- Answers.

Handler* HttpSession::find_handler(Response& response, std::string_view& path) const {
  const Method method = site_.request.method;
  if (method == Method::other) {
    response.status = 501;  // though a service may know it: see find_proxy()
    return nullptr;
  }
  if (method == Method::connect) {
    response.status = 405;
    response.field("Allow", kAllMethods);
    return nullptr;
  }
  const Routes::Route* const route = site_.routes().find(site_.target.host, site_.target.path);
  if (route == nullptr) {
    response.status = 404;
    return nullptr;
  }
  Handler& handler = *route->handler;
  if (method != Method::options && !handler.allows(method)) {
    response.status = 405;
    response.field("Allow", handler.allowed_methods());
    return nullptr;
  }
  path = std::string_view(site_.target.path).substr(route->pattern.prefix.size());
  return &handler;
}

Handler::Outcome HttpSession::dispatch(Response& response, Awaited& awaited) {
  const Method method = site_.request.method;
  if (site_.target.form == Target::Form::asterisk) {
    response.field("Allow", kAllMethods);
    return Handler::Outcome::answered;
  }
  std::string_view path;
  Handler* const handler = find_handler(response, path);
  if (handler == nullptr) return Handler::Outcome::failed;
  if (method == Method::options && !handler->handles_options()) {
    response.field("Allow", handler->allowed_methods());
    return Handler::Outcome::answered;
  }
  SocketAddress local;
  if (handler->wants_local_address()) {
    if (local_ == nullptr) local_ = site_.local_address(connection());
    if (local_ == nullptr) local = connection().local();
  }
  const Exchange exchange{.request = site_.request,
                          .target = site_.target,
                          .path = path,
                          .peer = connection().peer(),
                          .local = local_ != nullptr ? local_ : &local,
                          .now = site_.now};
  return handler->handle(exchange, response, awaited);
}

void HttpSession::respond(const Framing& framing, std::string_view head) {
  ++requests_;
  site_.response.clear();
  Awaited awaited;
  const Handler::Outcome outcome = dispatch(site_.response, awaited);
  if (outcome == Handler::Outcome::awaiting) {
    await_document(framing, head, awaited);
  } else {
    finish(framing, outcome, {});
  }
}

void HttpSession::finish(const Framing& framing, Handler::Outcome outcome,
                         std::string_view reason) {
  if (outcome == Handler::Outcome::failed) {
    site_.pages().fill(site_.request, reason, site_.response);
  }
  const std::uint64_t max_requests = site_.limits().max_requests;
  const bool last = max_requests != 0 && requests_ >= max_requests;
  if (site_.response.close) {
    send(After::close);
  } else if (!framing.keep_alive) {
    send(After::close_at_once);
  } else {
    send(shutting_down_ || last ? After::close : After::keep_alive);
  }
}

void HttpSession::send(After after) {
  Response& response = site_.response;
  const bool is_head = site_.request.method == Method::head;
  connection().write(site_.head_writer().write(
      response,
      {.keep_alive = after == After::keep_alive, .http_1_0 = site_.request.minor_version == 0},
      site_.now));
  if (!is_head) {
    for (BodyPart& part : response.body) {
      if (part.file) {
        connection().send_file(std::move(part.file), part.offset, part.length);
      } else if (part.bytes.size() > kMaxCopied) {
        connection().write_through(part.bytes);
      } else {
        connection().write(part.bytes);
      }
    }
  }
  if (site_.logs()) {
    site_.log(connection(), is_head ? 0 : response.body_length);
  }
  if (after != After::keep_alive) end(after);
}

void HttpSession::refuse(int status, std::string_view reason, bool has_request) {
  if (unfinished_) {
    restore_request();
  } else if (!has_request) {
    site_.request.clear();
  }
  site_.now = unix_seconds(connection().dispatcher().clock());
  site_.response.clear();
  site_.response.status = status;
  site_.pages().fill(site_.request, reason, site_.response);
  // The request is read out of it until the answer has been logged.
  const std::unique_ptr<Unfinished> refused = std::exchange(unfinished_, nullptr);
  send(After::close);
}

/// Nothing more is read; what is written leaves first. While it leaves, its reader is still
/// watched, which the connection would not do once it is closing.
void HttpSession::end(After after) {
  state_ = State::closing;
  if (connection().backlogged()) {
    connection().pause_reading();
  } else if (after == After::close_at_once) {
    connection().close_at_once();
  } else {
    connection().close();
  }
}

// ---- Documents that the daemon writes.

void HttpSession::await_document(const Framing& framing, std::string_view head,
                                 const Awaited& awaited) {
  unfinished_ = std::make_unique<Unfinished>();
  unfinished_->framing = framing;
  unfinished_->head = head;
  unfinished_->awaited = awaited;
  state_ = State::awaiting;
  connection().pause_reading();
  site_.daemon().ask(awaited.document, connection().dispatcher(),
                     [this, alive = connection().watch()](std::string text) {
                       if (alive.alive() && connection().is_open()) on_document(std::move(text));
                     });
}

void HttpSession::on_document(std::string text) {
  if (state_ != State::awaiting) return;
  site_.now = unix_seconds(connection().dispatcher().clock());
  restore_request();
  const std::unique_ptr<Unfinished> request = std::exchange(unfinished_, nullptr);
  const Awaited& awaited = request->awaited;
  state_ = State::head;
  Response& response = site_.response;
  response.clear();
  if (awaited.is_health) {
    response.status = text.empty() ? 200 : 503;
    if (text.empty()) text = "ok\n";
  }
  response.set_text(awaited.content_type, std::move(text));
  response.field("Cache-Control", "no-store");
  finish(request->framing, Handler::Outcome::answered, {});
  if (state_ == State::head) connection().resume_reading();
}

// ---- Ends and time.

void HttpSession::on_end() {
  if (state_ == State::closing) return;
  if (state_ == State::proxied) {
    // Half-close is no reason not to answer.
    if (unfinished_->proxied->is_tunnel()) {
      unfinished_->proxied->end_tunnel();
    } else if (!unfinished_->proxied->body_is_complete()) {
      fail_proxied(400, "the request ends in the middle");
    }
    return;
  }
  if (state_ == State::body || parser_.started()) {
    refuse(400, "the request ends in the middle", false);
  } else {
    connection().close();
  }
}

void HttpSession::on_drained() {
  if (timing_ == Timing::sending) stop_watching();
  if (state_ == State::proxied) {
    ProxyTransaction& proxied = *unfinished_->proxied;
    if (!proxied.body_is_complete()) watch(Timing::receiving);
    proxied.on_client_drained();
    return;
  }
  const bool idle = state_ == State::head && !has_leftover_;
  if (state_ == State::closing || (shutting_down_ && idle)) connection().close();
}

void HttpSession::on_shutdown() {
  shutting_down_ = true;
  if (state_ == State::proxied && unfinished_->proxied->is_tunnel()) {
    // It lives for as long as something moves.
    connection().set_idle_timeout(kDrainSilence);
    return;
  }
  const bool idle = state_ == State::head && !has_leftover_ && !connection().backlogged();
  if (idle) connection().close();
}

void HttpSession::watch(Timing timing) {
  if (timing_ == timing) return;
  timing_ = timing;
  // What is sent is looked at from the second period on: asking the kernel now would cost a system
  // call for every large answer.
  progress_mark_ = timing == Timing::sending ? 0 : progress();
  if (timing == Timing::head) {
    connection().set_deadline(site_.limits().header_timeout);
  } else if (site_.limits().min_rate > 0) {
    connection().set_deadline(kRatePeriod);
  }
}

void HttpSession::stop_watching() {
  if (timing_ == Timing::none) return;
  timing_ = Timing::none;
  connection().clear_deadline();
}

/// What has reached this end or, of what was sent, the other.
std::uint64_t HttpSession::progress() const {
  if (timing_ != Timing::sending) return connection().bytes_in();
  // What the kernel holds is not with the peer yet, and it takes in much at a time.
  const std::uint64_t sent = connection().bytes_out();
  return sent - std::min(sent, connection().unsent());
}

void HttpSession::on_timeout(Timeout which) {
  if (which == Timeout::deadline) {
    on_deadline();
    return;
  }
  if (state_ == State::proxied) {
    on_proxied_idle();
    return;
  }
  const bool rate_decides = timing_ == Timing::sending && site_.limits().min_rate > 0;
  if (rate_decides || state_ == State::awaiting) return;
  if (timing_ == Timing::sending || state_ == State::closing) {
    connection().abort();
  } else if (state_ == State::body || parser_.started()) {
    refuse(408, "the request took too long", false);
  } else {
    connection().close();
  }
}

void HttpSession::on_deadline() {
  if (timing_ == Timing::sending && state_ == State::head && !connection().backlogged() &&
      connection().unsent() == 0) {
    stop_watching();  // it has read everything
    return;
  }
  if (timing_ == Timing::receiving || timing_ == Timing::sending) {
    const std::uint64_t now = progress();
    const bool held = state_ == State::proxied && timing_ == Timing::receiving &&
                      unfinished_->proxied->holds_client();
    const auto least = site_.limits().min_rate * static_cast<std::uint64_t>(kRatePeriod.count());
    if (held || now >= progress_mark_ + least) {
      progress_mark_ = now;
      connection().set_deadline(kRatePeriod);
      return;
    }
  }
  if (timing_ == Timing::sending) {
    connection().abort(true);
  } else if (timing_ != Timing::none && state_ == State::proxied) {
    fail_proxied(408, "the request took too long");
  } else if (timing_ != Timing::none) {
    refuse(408, "the request took too long", false);
  }
}

void HttpSession::on_closed() noexcept {
  if (state_ == State::proxied) unfinished_->proxied->abandon();
}

}  // namespace netd::http
