// The commands of a session (RFC 5321, section 4.1.1; BDAT: RFC 3030).
#include <array>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/base/text.h"
#include "daemon/protocols/smtp/session.h"

namespace netd::smtp {

namespace {

/// What a client names itself: anything that could be a host (RFC 5321, section 4.1.4, forbids to
/// refuse more than what is no name at all).
bool is_helo_name(std::string_view name) {
  for (const char c : name) {
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  }
  if (name.ends_with('.')) name.remove_suffix(1);
  return is_domain(name) || is_address_literal(name);
}

/// A web browser, or a page that makes one post to this port, must not get to the commands in its
/// body.
bool is_http_request(std::string_view line) {
  constexpr std::array<std::string_view, 10> kMethods = {
      "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PRI"};
  const std::string_view word = line.substr(0, line.find(' '));
  for (const std::string_view method : kMethods) {
    if (word == method) return line.find(" HTTP/") != std::string_view::npos;
  }
  return false;
}

const Reply& reply_to(ParameterError error) {
  switch (error) {
    case ParameterError::unknown:
      return reply::kParameterUnknown;
    case ParameterError::not_implemented:
      return reply::kParameterValue;
    case ParameterError::syntax:
      break;
  }
  return reply::kParameterSyntax;
}

const Reply& reply_to(Verdict verdict) {
  switch (verdict) {
    case Verdict::accepted:
      return reply::kRecipientOk;
    case Verdict::relay_denied:
      return reply::kRelayDenied;
    case Verdict::unknown_user:
      return reply::kUnknownUser;
    case Verdict::too_many:
      return reply::kTooManyRecipients;
    case Verdict::bad_name:
      break;
  }
  return reply::kMailboxName;
}

}  // namespace

void SmtpSession::execute(std::string_view line) {
  if (log_enabled(LogLevel::debug)) {
    LogEntry(LogLevel::debug, "smtp_command")
        .listener(protocol_.settings().listener)
        .protocol("smtp")
        .connection(connection().id())
        .send(line);
  }
  if (line.empty()) return say(reply::kNoCommand);
  if (has_control_characters(line)) return say(reply::kControlCharacters);
  const Command command = parse_command(line);
  const bool takes_parameters = command.verb == Verb::mail || command.verb == Verb::rcpt;
  if (!takes_parameters && line.size() + 2 > kMaxCommandLine) return say(reply::kLineTooLong);
  switch (command.verb) {
    case Verb::helo:
    case Verb::ehlo:
      return say_hello(command);
    case Verb::mail:
      return begin_transaction(command.argument);
    case Verb::rcpt:
      return add_recipient(command.argument);
    case Verb::data:
      return begin_text(command.argument);
    case Verb::bdat:
      return begin_chunk(command.argument);
    case Verb::rset:
      if (!command.argument.empty()) return say(reply::kNoArgument);
      reset();
      return say(reply::kOk);
    case Verb::noop:
      return say(reply::kOk);
    case Verb::quit:
      if (!command.argument.empty()) return say(reply::kNoArgument);
      return quit();
    case Verb::vrfy:
      return verify(command.argument);
    case Verb::help:
      return help();
    case Verb::starttls:
      return start_tls(command.argument);
    case Verb::expn:
    case Verb::not_implemented:
      return say(reply::kNotImplemented);
    case Verb::unknown:
      break;
  }
  if (is_http_request(line)) return say_bye(reply::kNotHttp);
  say(reply::kUnknownCommand);
}

/// EHLO and HELO, also in the middle: then they reset (RFC 5321, section 4.1.4).
void SmtpSession::say_hello(const Command& command) {
  if (!is_helo_name(command.argument)) return say(reply::kHeloSyntax);
  reset();
  helo_ = command.argument;
  esmtp_ = command.verb == Verb::ehlo;
  if (esmtp_) {
    connection().write(protocol_.extensions(may_start_tls()));
  } else {
    say(Reply{250, "", ""}, protocol_.settings().hostname);
  }
}

void SmtpSession::begin_transaction(std::string_view argument) {
  if (helo_.empty()) return say(reply::kNeedHelo);
  if (transaction_) return say(reply::kNestedMail);
  const auto path_text = after_keyword(argument, "FROM");
  if (!path_text) return say(reply::kMailSyntax);
  auto parsed = parse_path(*path_text, PathKind::reverse);
  if (!parsed) {
    return say(parsed.error() == AddressError::too_long ? reply::kSenderTooLong
                                                        : reply::kSenderSyntax);
  }
  const auto parameters = parse_mail_parameters(parsed->rest);
  if (!parsed->rest.empty() && !esmtp_) return say(reply::kParameterNeedsEhlo);
  if (!parameters) return say(reply_to(parameters.error()));
  if (const Reply* refusal = mail_refusal(*parameters, parsed->address)) return say(*refusal);
  if (!admit_message()) return say(reply::kTooManyMessages);

  transaction_ = std::make_unique<Transaction>();
  transaction_->sender = std::move(parsed->address);
  transaction_->smtputf8 = parameters->smtputf8;
  transaction_->declared_size = parameters->size.value_or(0);
  if (parameters->envid) transaction_->envid = *parameters->envid;
  say(reply::kSenderOk);
}

const Reply* SmtpSession::mail_refusal(const MailParameters& parameters,
                                       const Address& sender) const {
  if (sender.utf8 && !parameters.smtputf8) return &reply::kNeedsSmtputf8;
  if (parameters.size.value_or(0) > protocol_.settings().max_message_size) return &reply::kTooBig;
  return nullptr;
}

bool SmtpSession::admit_message() {
  const auto& limits = protocol_.service().limits();
  const auto client = connection().peer().ip();
  return !limits || !client || limits->admit_message(*client, connection().dispatcher().now());
}

void SmtpSession::add_recipient(std::string_view argument) {
  if (helo_.empty()) return say(reply::kNeedHelo);
  if (!transaction_) return say(reply::kNeedMail);
  if (chunking_) return say(reply::kInsideChunks);
  const auto path_text = after_keyword(argument, "TO");
  if (!path_text) return say(reply::kRcptSyntax);
  const auto parsed = parse_path(*path_text, PathKind::forward);
  if (!parsed) {
    return say(parsed.error() == AddressError::too_long ? reply::kRecipientTooLong
                                                        : reply::kRecipientSyntax);
  }
  const auto parameters = parse_rcpt_parameters(parsed->rest);
  if (!parsed->rest.empty() && !esmtp_) return say(reply::kParameterNeedsEhlo);
  if (!parameters) return say(reply_to(parameters.error()));
  if (const Reply* refusal = check_recipient(parsed->address, *parameters)) {
    transaction_->recipients_refused = true;
    return say(*refusal);
  }
  ++transaction_->recipients;
  transaction_->only_recipient =
      transaction_->recipients == 1 ? parsed->address.text() : std::string();
  say(reply::kRecipientOk);
}

/// Null when the recipient is accepted: its mailboxes are in the transaction then.
const Reply* SmtpSession::check_recipient(const Address& recipient,
                                          const RcptParameters& parameters) {
  if ((recipient.utf8 || parameters.utf8) && !transaction_->smtputf8) {
    return &reply::kNeedsSmtputf8;
  }
  if (transaction_->recipients >= protocol_.settings().max_recipients) {
    return &reply::kTooManyRecipients;
  }
  std::vector<std::string>& mailboxes = transaction_->mailboxes;
  const std::size_t before = mailboxes.size();
  const Verdict verdict = protocol_.service().recipients().route(recipient, mailboxes);
  if (verdict != Verdict::accepted) return &reply_to(verdict);
  MailStore& store = *protocol_.service().store();
  for (std::size_t i = before; i < mailboxes.size(); ++i) {
    if (!store.is_full(mailboxes[i], transaction_->declared_size)) continue;
    mailboxes.resize(before);
    return &reply::kMailboxFull;
  }
  if (parameters.notify || parameters.orcpt) {
    // Mail ends here, so the record is all that a request for notification can lead to.
    LogEntry(LogLevel::info, "smtp_notification_request")
        .listener(protocol_.settings().listener)
        .protocol("smtp")
        .connection(connection().id())
        .field("NETD_MAIL_NOTIFY", parameters.notify.value_or(""))
        .field("NETD_MAIL_ORCPT", parameters.orcpt.value_or(""))
        .send("notification asked for " + recipient.text());
  }
  return nullptr;
}

void SmtpSession::begin_text(std::string_view argument) {
  if (!argument.empty()) return say(reply::kNoArgument);
  if (helo_.empty()) return say(reply::kNeedHelo);
  if (!transaction_) return say(reply::kNeedMail);
  if (chunking_) return say(reply::kInsideChunks);
  if (transaction_->recipients == 0) {
    return say(transaction_->recipients_refused ? reply::kNoValidRecipients : reply::kNeedRcpt);
  }
  open_message(Framing::dot);
  state_ = State::text;
  say(bare_lf_ ? reply::kStartMailHint : reply::kStartMail);
}

/// The octets of a chunk follow whatever the answer is going to be, and are never commands.
void SmtpSession::begin_chunk(std::string_view argument) {
  const auto chunk = parse_chunk(argument);
  if (!chunk) return say(reply::kBdatSyntax);
  if (!esmtp_) return skip_chunk(chunk->size, reply::kNeedHelo);
  if (!transaction_) return skip_chunk(chunk->size, reply::kNeedMail);
  if (transaction_->recipients == 0) {
    return skip_chunk(chunk->size, transaction_->recipients_refused ? reply::kNoValidRecipients
                                                                    : reply::kNeedRcpt);
  }
  if (!chunking_) {
    open_message(Framing::counted);
    chunking_ = true;
  }
  IncomingMessage& message = *transaction_->message;
  if (!message.has_room_for(chunk->size)) message.refuse(reply::kTooBig);
  last_chunk_ = chunk->last;
  chunk_left_ = chunk->size;
  state_ = State::chunk;
  if (chunk_left_ == 0) end_chunk();
}

void SmtpSession::skip_chunk(std::uint64_t size, const Reply& reason) {
  chunk_refusal_ = reason;
  chunk_left_ = size;
  state_ = State::chunk;
  const auto limit = protocol_.settings().message_timeout;
  if (limit != limit.zero()) connection().set_deadline(limit);
  if (size == 0) end_chunk();
}

/// Whoever wants to know asks with RCPT (RFC 5321, section 7.3).
void SmtpSession::verify(std::string_view argument) {
  if (argument.empty()) return say(reply::kVrfySyntax);
  constexpr std::string_view kUtf8 = " SMTPUTF8";  // RFC 6531, section 3.7.4.2
  const bool utf8 = argument.size() > kUtf8.size() &&
                    iequals(argument.substr(argument.size() - kUtf8.size()), kUtf8);
  for (const char c : argument) {
    if (static_cast<unsigned char>(c) >= 0x80 && !utf8) return say(reply::kNeedsSmtputf8);
  }
  say(reply::kCannotVerify);
}

void SmtpSession::help() {
  connection().write("214-2.0.0 Commands (RFC 5321):\r\n");
  if (may_start_tls()) connection().write("214-2.0.0   STARTTLS\r\n");
  connection().write(
      "214-2.0.0   EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT\r\n"
      "214-2.0.0 A dialogue: EHLO me, MAIL FROM:<you@example.org>, RCPT TO:<me@example.org>,\r\n"
      "214-2.0.0   DATA, the message, a line with a dot alone, QUIT\r\n"
      "214 2.0.0 netd, see smtp in netd.conf(5)\r\n");
}

bool SmtpSession::may_start_tls() const {
  return protocol_.service().tls() != nullptr && tls_ == Tls::none;
}

/// RFC 3207, section 4. Whatever was said until here, and whatever came behind the command in plain
/// text, may be somebody else's words: all of it is forgotten.
void SmtpSession::start_tls(std::string_view argument) {
  if (protocol_.service().tls() == nullptr) return say(reply::kNotImplemented);
  if (!argument.empty()) return say(reply::kNoArgument);
  if (!may_start_tls()) return say(reply::kTlsActive);
  reset();
  helo_.clear();
  esmtp_ = false;
  say(reply::kStartTls);
  tls_ = Tls::handshake;
  connection().set_deadline(kHandshakeTime);
  connection().start_tls(*protocol_.service().tls());
}

void SmtpSession::reset() {
  transaction_.reset();
  chunking_ = false;
  connection().clear_deadline();
}

void SmtpSession::quit() {
  transaction_.reset();
  say(Reply{221, "2.0.0", ""}, protocol_.settings().hostname + " closes the connection");
  connection().close();
}

}  // namespace netd::smtp
