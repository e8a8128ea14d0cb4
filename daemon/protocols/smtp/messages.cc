// A session's messages: from the first octet to the answer.
#include <utility>

#include "daemon/base/log.h"
#include "daemon/protocols/smtp/session.h"
#include "daemon/protocols/smtp/trace.h"

namespace netd::smtp {

void SmtpSession::open_message(Framing framing) {
  const SmtpSettings& settings = protocol_.settings();
  UniqueNames::Name name = protocol_.service().store()->next_name();
  Transaction& transaction = *transaction_;
  const IncomingMessage::Limits limits{settings.max_message_size, settings.max_line_length,
                                       settings.normalise_bare_newline};
  DeliveryClient& client = *this;
  transaction.message =
      std::make_unique<IncomingMessage>(framing, limits, protocol_.courier(), client,
                                        std::move(transaction.mailboxes), std::move(name.file));
  transaction.id = std::move(name.id);
  transaction.text_began = connection().dispatcher().now();
  const std::string sender = transaction.sender.text();
  const std::string address = client_literal();
  const std::string tls = connection().tls_description();
  std::string_view protocol = "SMTP";
  if (transaction.smtputf8) {
    protocol = tls.empty() ? "UTF8SMTP" : "UTF8SMTPS";
  } else if (esmtp_) {
    protocol = tls.empty() ? "ESMTP" : "ESMTPS";
  }
  append_trace({.sender = sender,
                .recipient = transaction.only_recipient,
                .helo = helo_,
                .client = address,
                .hostname = settings.hostname,
                .protocol = protocol,
                .tls = tls,
                .id = transaction.id,
                .time = connection().dispatcher().clock().wall()},
               transaction.message->front());
  if (settings.message_timeout != settings.message_timeout.zero()) {
    connection().set_deadline(settings.message_timeout);
  }
}

void SmtpSession::end_message() {
  connection().clear_deadline();
  IncomingMessage& message = *transaction_->message;
  message.complete();
  if (const auto verdict = message.verdict()) {
    answer_message(*verdict);
  } else {
    state_ = State::storing;
  }
}

void SmtpSession::end_chunk() {
  state_ = State::commands;
  if (chunk_refusal_.code != 0) {
    if (!transaction_ || !transaction_->message) connection().clear_deadline();
    say(std::exchange(chunk_refusal_, Reply{}));
    return;
  }
  if (last_chunk_) {
    end_message();
  } else if (transaction_->message->refused()) {
    // The client need not send the rest; what it sends nevertheless is a chunk of nothing.
    answer_message(*transaction_->message->verdict());
  } else {
    say(reply::kChunkOk);
  }
}

void SmtpSession::answer_message(const Reply& verdict) {
  log_message(verdict);
  const std::string id = std::move(transaction_->id);
  reset();
  state_ = State::commands;
  if (verdict.is_error()) {
    say(verdict);
  } else {
    errors_ = 0;
    say(verdict, "Ok: delivered as " + id);
  }
  if (draining_ && connection().is_open()) say_bye(reply::kShuttingDown);
}

void SmtpSession::log_message(const Reply& verdict) {
  if (!log_enabled(LogLevel::info)) return;
  const Transaction& transaction = *transaction_;
  const auto taken = std::chrono::duration_cast<std::chrono::milliseconds>(
      connection().dispatcher().now() - transaction.text_began);
  LogEntry entry(LogLevel::info, verdict.is_error() ? "mail_refused" : "mail_delivered");
  entry.listener(protocol_.settings().listener)
      .protocol("smtp")
      .connection(connection().id())
      .client(connection().peer().text())
      .bytes(transaction.message->size(), 0)
      .duration(taken)
      .field("NETD_MAIL_ID", transaction.id);
  const std::string tls = connection().tls_description();
  if (!tls.empty()) entry.field("NETD_TLS", tls);
  if (!transaction.envid.empty()) entry.field("NETD_MAIL_ENVID", transaction.envid);
  std::string text = verdict.is_error() ? "mail refused" : "mail delivered";
  text += ": from=<" + transaction.sender.text() + '>';
  if (transaction.recipients == 1) {
    text += " to=<" + transaction.only_recipient + '>';
  } else {
    text += " recipients=" + std::to_string(transaction.recipients);
  }
  text += " size=" + std::to_string(transaction.message->size()) + " id=" + transaction.id;
  if (verdict.is_error()) {
    text += ": ";
    text += verdict.text;
  }
  entry.send(text);
}

std::string SmtpSession::client_literal() const {
  const auto& peer = connection().peer();
  if (!peer.is_ip()) return {};
  std::string text = peer.ip_text();
  return text.find(':') == std::string::npos ? text : "IPv6:" + text;
}

}  // namespace netd::smtp
