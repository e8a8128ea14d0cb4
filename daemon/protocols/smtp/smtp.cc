#include "daemon/protocols/smtp/smtp.h"

#include <memory>
#include <utility>

#include "daemon/protocols/smtp/mail_service.h"
#include "daemon/protocols/smtp/session.h"
#include "daemon/protocols/smtp/settings.h"

namespace netd {

namespace {

Result<std::unique_ptr<StreamProtocol>> make_stream(const ProtocolContext& context) {
  return std::make_unique<smtp::SmtpProtocol>(
      context.io, smtp::SmtpSettings::from(*context.settings, context.listener),
      std::dynamic_pointer_cast<smtp::MailService>(context.shared));
}

}  // namespace

const Protocol kSmtpProtocol = {
    .name = "smtp",
    .summary = "receives mail (RFC 5321) into Maildir folders",
    .rows = smtp::smtp_rows(),
    .check = smtp::check_smtp,
    .make_shared_state = smtp::make_mail_service,
    .make_stream = make_stream,
    .make_datagram = nullptr,
};

}  // namespace netd
