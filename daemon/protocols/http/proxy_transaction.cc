#include "daemon/protocols/http/proxy_transaction.h"

#include <array>
#include <charconv>
#include <utility>

#include "daemon/base/text.h"
#include "daemon/protocols/http/date.h"
#include "daemon/protocols/http/proxy_handler.h"

namespace netd::http {

namespace {

// RFC 9110, section 9.2.2.
bool is_idempotent(Method method) {
  switch (method) {
    case Method::get:
    case Method::head:
    case Method::put:
    case Method::del:
    case Method::options:
    case Method::trace:
      return true;
    default:
      return false;
  }
}

void append_chunk_size(std::string& out, std::size_t size) {
  std::array<char, 16> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), size, 16).ptr;
  out.append(digits.data(), end).append("\r\n");
}

constexpr std::string_view kLastChunk = "0\r\n\r\n";
constexpr std::string_view kTrailerEnd = "\r\n";

}  // namespace

ProxyTransaction::ProxyTransaction(ProxyHandler& handler, ProxyClient& client,
                                   Connection& connection, const Request& request,
                                   const Target& target, const Framing& framing)
    : handler_(handler),
      client_(client),
      client_connection_(connection),
      choice_(handler.service(), handler.service().connect_timeout),
      is_head_(request.method == Method::head),
      http_1_0_(request.minor_version == 0),
      asks_upgrade_(asks_for_upgrade(request, framing)),
      takes_trailers_(takes_trailers(request)),
      request_chunked_(framing.chunked),
      is_idempotent_(is_idempotent(request.method)) {
  if (asks_upgrade_) asked_protocols_ = protocols_of(request);
  write_forwarded_request(request_, {.request = request,
                                     .target = target,
                                     .framing = framing,
                                     .options = ConnectionOptions(request),
                                     .client = connection.peer(),
                                     .default_host = handler.service().name,
                                     .upgrade = asks_upgrade_,
                                     .trailers = takes_trailers_});
}

ProxyTransaction::~ProxyTransaction() { abandon(); }

std::string& ProxyTransaction::out() { return handler_.scratch(); }

// ---- To an instance.

void ProxyTransaction::start() { try_next(); }

void ProxyTransaction::try_next() {
  phase_ = Phase::connecting;
  const std::size_t instance = choice_.next(client_connection_.dispatcher().now());
  if (instance == services::InstanceChoice::kNone) {
    end_with_error(503, choice_.account());
    return;
  }
  // An idle connection may be closed by the instance in the same moment, and then nobody knows
  // whether the request was acted upon: only for what may be repeated.
  Upstream* const idle = is_idempotent_ ? handler_.pool().take_idle(instance) : nullptr;
  if (idle != nullptr) {
    attach(*idle);
  } else {
    connect(instance);
  }
}

void ProxyTransaction::connect(std::size_t instance) {
  phase_ = Phase::connecting;
  const services::SharedInstance& to = *handler_.service().instances[instance];
  connector_.emplace(client_connection_.dispatcher(),
                     [this, instance](Result<Connector::Connected> outcome) {
                       on_connected(instance, std::move(outcome));
                     });
  connector_->start(to.address(), to.resolver(),
                    choice_.begin_connecting(client_connection_.dispatcher().now()));
}

void ProxyTransaction::on_connected(std::size_t instance, Result<Connector::Connected> outcome) {
  const Monotonic now = client_connection_.dispatcher().now();
  if (outcome) {
    choice_.connected(now);
    attach(handler_.pool().add(instance, std::move(*outcome)));
    return;
  }
  choice_.failed(outcome.error().what(), now);
  try_next();
}

void ProxyTransaction::attach(Upstream& upstream) {
  upstream_ = &upstream;
  upstream.set_user(this);
  phase_ = Phase::head;
  parser_ = ResponseParser();
  Connection& connection = upstream.connection();
  upstream_bytes_before_ = connection.bytes_in();
  kept_all_ = is_idempotent_ && request_.size() <= kMaxKept;
  const services::SharedService& service = handler_.service();
  doubts_delivery_ = kept_all_ && service.connect_timeout < service.answer_timeout;
  connection.set_idle_timeout(doubts_delivery_ ? service.connect_timeout : service.answer_timeout);
  if (kept_all_) {
    connection.write(request_);
  } else {
    connection.write(std::exchange(request_, {}));
  }
  if (upstream_ != &upstream) return;  // it broke at once
  if (connection.backlogged() && !body_complete_) {
    hold_client();
  } else {
    release_client();
  }
}

// ---- The request's body.

void ProxyTransaction::send_body(std::string_view content) {
  if (phase_ == Phase::done || content.empty()) return;
  if (!request_chunked_) {
    send(content);
    return;
  }
  std::string& wire = out();
  append_chunk_size(wire, content.size());
  wire.append(content).append("\r\n");
  send(wire);
  wire.clear();
}

void ProxyTransaction::end_body() {
  body_complete_ = true;
  // Trailers of requests stay here: nobody knows whether the instance would take them.
  if (phase_ != Phase::done && request_chunked_) send(kLastChunk);
}

void ProxyTransaction::send(std::string_view wire) {
  if (phase_ == Phase::connecting) {
    request_ += wire;
    if (request_.size() > kMaxKept && !body_complete_) hold_client();
    return;
  }
  if (kept_all_) {
    kept_all_ = request_.size() + wire.size() <= kMaxKept;
    if (kept_all_) {
      request_ += wire;
    } else {
      request_ = {};
    }
  }
  Connection& connection = upstream_->connection();
  connection.write_through(wire);
  if (upstream_ != nullptr && connection.backlogged() && !body_complete_) hold_client();
}

void ProxyTransaction::hold_client() {
  client_paused_ = true;
  client_connection_.pause_reading();
}

void ProxyTransaction::release_client() {
  if (!client_paused_) return;
  client_paused_ = false;
  client_connection_.resume_reading();
}

void ProxyTransaction::on_upstream_drained() {
  if (phase_ == Phase::tunnel) {
    client_connection_.resume_reading();
  } else {
    release_client();
  }
}

// ---- What goes wrong.

bool ProxyTransaction::may_repeat() const {
  return kept_all_ && upstream_->connection().bytes_in() == upstream_bytes_before_;
}

/// The connection is of no use any more; `why` says so of the instance.
void ProxyTransaction::attempt_failed(const std::string& why) {
  const std::size_t instance = upstream_->instance();
  const bool repeat = may_repeat();
  const bool was_reused = upstream_->is_reused();
  let_go();
  if (repeat && was_reused) {
    // The instance had closed an idle connection: that says nothing about the instance.
    connect(instance);
    return;
  }
  if (!answer_begun_) choice_.failed(why, client_connection_.dispatcher().now());
  if (repeat) {
    try_next();
  } else {
    end_with_error(502, handler_.service().instances[instance]->name() + " " + why);
  }
}

void ProxyTransaction::fail_with(int status, const std::string& why) {
  const std::string name = handler_.service().instances[upstream_->instance()]->name();
  if (!answer_begun_) choice_.failed(why, client_connection_.dispatcher().now());
  let_go();
  end_with_error(status, name + ": " + why);
}

void ProxyTransaction::end_with_error(int status, const std::string& why) {
  phase_ = Phase::done;
  if (answer_begun_) {
    client_.on_proxy_broken();
  } else {
    status_ = status;
    client_.on_proxy_failed(status, "service " + handler_.service().name + ": " + why);
  }
}

void ProxyTransaction::let_go() {
  out().clear();
  if (upstream_ == nullptr) return;
  const bool broke = is_tunnel() && client_connection_.error() != 0;
  std::exchange(upstream_, nullptr)->drop(broke);
}

void ProxyTransaction::abandon() {
  connector_.reset();
  let_go();
  phase_ = Phase::done;
}

void ProxyTransaction::on_upstream_end() {
  if (phase_ == Phase::tunnel) {
    upstream_ended_ = true;
    client_connection_.shutdown_write();
    if (client_ended_) {
      phase_ = Phase::done;
      let_go();
      client_.on_proxy_tunnel_end();
    }
  } else if (phase_ == Phase::until_close) {
    finish_answer();
  } else {
    attempt_failed("closed the connection without an answer");
  }
}

void ProxyTransaction::on_upstream_closed(int error) noexcept {
  if (phase_ == Phase::tunnel) {
    upstream_ = nullptr;
    phase_ = Phase::done;
    client_.on_proxy_broken();
  } else {
    attempt_failed(error != 0 ? system_error("broke the connection", error).what()
                              : "closed the connection without an answer");
  }
}

/// The instance may take its time, but its kernel takes a request at once: a connection from which
/// not even that is heard leads to a machine that is gone. True when it was given up.
bool ProxyTransaction::gives_up_undelivered() {
  if (!doubts_delivery_) return false;
  doubts_delivery_ = false;
  Connection& connection = upstream_->connection();
  if (body_complete_ && may_repeat() && connection.unsent() > 0) {
    attempt_failed("has vanished");
  } else {
    // What of the time has passed counts, once the instance has all that it is waiting for.
    const services::SharedService& service = handler_.service();
    connection.set_idle_timeout(body_complete_ ? service.answer_timeout - service.connect_timeout
                                               : service.answer_timeout);
  }
  return true;
}

void ProxyTransaction::on_upstream_timeout() {
  if (phase_ == Phase::tunnel) {
    phase_ = Phase::done;
    let_go();
    client_.on_proxy_tunnel_end();
    return;
  }
  if (gives_up_undelivered()) return;
  // A client that does not read, or does not send, is the session's to judge.
  const bool client_is_slow =
      client_connection_.backlogged() || (!body_complete_ && !client_paused_);
  if (client_is_slow) return;
  fail_with(504, "no answer within " + format_duration(handler_.service().answer_timeout));
}

// ---- The answer.

std::size_t ProxyTransaction::on_upstream_data(std::string_view input) {
  std::size_t used = 0;
  while (used < input.size() && upstream_ != nullptr) {
    const std::string_view rest = input.substr(used);
    const std::size_t taken = phase_ == Phase::head ? take_head(rest) : take_body(rest);
    if (taken == 0) break;
    used += taken;
    if (phase_ != Phase::done) continue;
    // Bytes behind an answer answer nothing: such an instance has lost track.
    upstream_keep_alive_ = upstream_keep_alive_ && used == input.size();
    finish_answer();
    return input.size();
  }
  if (upstream_ == nullptr) return input.size();
  flush();
  return used;
}

std::size_t ProxyTransaction::take_head(std::string_view input) {
  ResponseHead& head = handler_.head();
  switch (parser_.parse(input, head)) {
    case ResponseParser::State::incomplete:
      return 0;
    case ResponseParser::State::refused:
      fail_with(502, std::string(parser_.reason()));
      return 0;
    case ResponseParser::State::complete:
      break;
  }
  const std::size_t size = parser_.size();
  parser_ = ResponseParser();
  const ConnectionOptions options(head);
  if (options.too_many()) {
    fail_with(502, "too many connection options");
  } else if (head.status == 101) {
    begin_tunnel(head, options);
  } else if (head.status < 200) {
    take_interim(head, options);
  } else {
    begin_answer(head, options);
  }
  return upstream_ != nullptr ? size : 0;
}

void ProxyTransaction::take_interim(const ResponseHead& head, const ConnectionOptions& options) {
  if (++interim_ > kMaxInterim) {
    fail_with(502, "too many interim answers");
  } else if (!http_1_0_) {
    write_interim_answer(out(), head, options);
  }
}

void ProxyTransaction::begin_tunnel(const ResponseHead& head, const ConnectionOptions& options) {
  if (!asks_upgrade_ || !are_among(protocols_of(head), asked_protocols_)) {
    fail_with(502, "an upgrade that was not asked for");
    return;
  }
  write_forwarded_answer(
      out(), {.head = head,
              .options = options,
              .common = handler_.common_fields(),
              .date = handler_.date_field(unix_seconds(client_connection_.dispatcher().clock())),
              .upgrade = true});
  status_ = head.status;
  begin_answering();
  phase_ = Phase::tunnel;
  request_ = {};
  const auto timeout = handler_.service().tunnel_timeout;
  upstream_->connection().set_idle_timeout(timeout);
  client_connection_.set_idle_timeout(timeout);
  client_connection_.set_full_duplex();
  flush();
  if (phase_ == Phase::tunnel) client_.on_proxy_tunnel();
}

/// The client is about to get it: from here on another instance cannot help.
void ProxyTransaction::begin_answering() {
  answer_begun_ = true;
  choice_.served();
}

void ProxyTransaction::begin_answer(const ResponseHead& head, const ConnectionOptions& options) {
  using Body = ResponseFraming::Body;
  const ResponseFraming framing = read_response_framing(head, is_head_);
  if (!framing.refusal.empty()) {
    fail_with(502, std::string(framing.refusal));
    return;
  }
  const bool length_unknown = framing.body == Body::chunked || framing.body == Body::until_close;
  answer_chunked_ = length_unknown && !http_1_0_;
  // What Connection names stays here even as a trailer, and its names are gone by then.
  passes_trailers_ =
      takes_trailers_ && answer_chunked_ && framing.body == Body::chunked && !options.names_any();
  client_keep_alive_ = client_.may_keep_alive() && body_complete_ && !(length_unknown && http_1_0_);
  upstream_keep_alive_ = framing.keep_alive;
  status_ = head.status;
  begin_answering();
  doubts_delivery_ = false;
  upstream_->connection().set_idle_timeout(handler_.service().answer_timeout);
  write_forwarded_answer(
      out(), {.head = head,
              .options = options,
              .common = handler_.common_fields(),
              .date = handler_.date_field(unix_seconds(client_connection_.dispatcher().clock())),
              .has_length = framing.has_content_length && head.status != 204,
              .length = framing.content_length,
              .chunked = answer_chunked_,
              .trailers = passes_trailers_,
              .keep_alive = client_keep_alive_,
              .http_1_0 = http_1_0_});
  switch (framing.body) {
    case Body::none:
      phase_ = Phase::done;
      break;
    case Body::until_close:
      phase_ = Phase::until_close;
      break;
    case Body::length:
    case Body::chunked:
      phase_ = Phase::body;
      decoder_ = BodyDecoder(
          {.content_length = framing.content_length, .chunked = framing.body == Body::chunked},
          INT64_MAX);
      break;
  }
}

std::size_t ProxyTransaction::take_body(std::string_view input) {
  if (phase_ == Phase::tunnel || phase_ == Phase::until_close) {
    take_content(input);
    return input.size();
  }
  const BodyDecoder::Step step = decoder_.step(input);
  take_content(step.content);
  if (!step.trailer.empty() && passes_trailers_) take_trailer(step.trailer);
  if (upstream_ == nullptr) return 0;
  switch (step.state) {
    case BodyDecoder::State::incomplete:
      break;
    case BodyDecoder::State::refused:
      fail_with(502, std::string(decoder_.reason()));
      return 0;
    case BodyDecoder::State::complete:
      phase_ = Phase::done;
      break;
  }
  return step.consumed;
}

void ProxyTransaction::take_content(std::string_view content) {
  if (content.empty()) return;
  bytes_ += content.size();
  if (answer_chunked_) {
    append_chunk_size(out(), content.size());
    out().append(content).append("\r\n");
  } else if (content.size() > kMaxCopied) {
    flush();
    if (upstream_ == nullptr) return;
    client_connection_.write_through(content);
    if (upstream_ != nullptr) client_.on_proxy_wrote();
  } else {
    out() += content;
  }
}

void ProxyTransaction::take_trailer(std::string_view line) {
  if (!is_passed_trailer(line.substr(0, line.find(':')))) return;
  if (!trailer_begun_) out() += "0\r\n";
  trailer_begun_ = true;
  out().append(line).append("\r\n");
}

void ProxyTransaction::flush() {
  std::string& text = out();
  if (!text.empty()) {
    client_connection_.write(text);
    text.clear();
    if (upstream_ != nullptr) client_.on_proxy_wrote();
  }
  if (upstream_ != nullptr && client_connection_.backlogged()) {
    upstream_->connection().pause_reading();
  }
}

void ProxyTransaction::finish_answer() {
  if (answer_chunked_) out() += trailer_begun_ ? kTrailerEnd : kLastChunk;
  flush();
  phase_ = Phase::done;
  if (upstream_ == nullptr) return;  // the client is gone
  Upstream& upstream = *std::exchange(upstream_, nullptr);
  Connection& connection = upstream.connection();
  const bool reusable = upstream_keep_alive_ && body_complete_ && connection.is_open() &&
                        !connection.peer_has_ended() && !connection.backlogged();
  if (reusable) {
    connection.resume_reading();
    handler_.pool().give_back(upstream);
  } else {
    upstream.drop(true);
  }
  client_.on_proxy_done(client_keep_alive_);
}

void ProxyTransaction::on_client_drained() {
  if (upstream_ != nullptr) upstream_->connection().resume_reading();
}

// ---- Tunnels.

void ProxyTransaction::send_tunnel(std::string_view bytes) {
  if (upstream_ == nullptr) return;
  Connection& connection = upstream_->connection();
  connection.write_through(bytes);
  if (upstream_ != nullptr && connection.backlogged()) client_connection_.pause_reading();
}

void ProxyTransaction::end_tunnel() {
  client_ended_ = true;
  if (upstream_ == nullptr) return;
  upstream_->connection().shutdown_write();
  if (!upstream_ended_) return;
  // What is still on its way to the instance leaves first.
  Upstream& upstream = *std::exchange(upstream_, nullptr);
  upstream.set_user(nullptr);
  upstream.connection().close();
  phase_ = Phase::done;
  client_.on_proxy_tunnel_end();
}

}  // namespace netd::http
