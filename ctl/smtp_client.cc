#include "ctl/smtp_client.h"

#include <algorithm>
#include <array>
#include <utility>

#include "daemon/base/text.h"

namespace netd::ctl {

namespace {

bool is_ascii(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

std::unexpected<ClientError> failed(std::string message) {
  return std::unexpected(ClientError{Trouble::failed, std::move(message)});
}

bool offers(std::string_view extensions, std::string_view keyword) {
  return std::ranges::any_of(split(extensions, '\n'), [&](std::string_view line) {
    return iequals(line.substr(0, line.find(' ')), keyword);
  });
}

}  // namespace

std::string dot_stuffed(std::string_view message) {
  std::string result;
  result.reserve(message.size() + 64);
  bool line_start = true;
  for (const char c : message) {
    if (line_start && c == '.') result += '.';
    result += c;
    line_start = c == '\n';
  }
  if (!line_start) result += "\r\n";
  result += ".\r\n";
  return result;
}

ClientResult<SmtpClient> SmtpClient::connect(const Endpoint& server, milliseconds timeout) {
  auto fd = dial(server, timeout);
  if (!fd) return std::unexpected(fd.error());
  return SmtpClient(std::move(*fd), timeout);
}

ClientResult<Submission> SmtpClient::submit(const Envelope& envelope, std::string_view message,
                                            std::string_view own_name) {
  Submission submission;
  const auto refused = [&](SmtpReply reply) {
    submission.reply = std::move(reply);
    [[maybe_unused]] const auto farewell = ask("QUIT");
    return submission;
  };
  std::string_view extensions;
  auto reply = greet(own_name, extensions);
  if (!reply) return std::unexpected(reply.error());
  if (!reply->is_positive()) return refused(std::move(*reply));

  std::string mail = "MAIL FROM:<" + envelope.sender + '>';
  if (offers(extensions, "SIZE")) mail += " SIZE=" + std::to_string(message.size());
  if (!is_ascii(message) && offers(extensions, "8BITMIME")) mail += " BODY=8BITMIME";
  const bool utf8 =
      !is_ascii(envelope.sender) || !std::ranges::all_of(envelope.recipients, is_ascii);
  if (utf8 && offers(extensions, "SMTPUTF8")) mail += " SMTPUTF8";
  reply = ask(std::move(mail));
  if (!reply) return std::unexpected(reply.error());
  if (!reply->is_positive()) return refused(std::move(*reply));

  bool any = false;
  for (const std::string& recipient : envelope.recipients) {
    reply = ask("RCPT TO:<" + recipient + '>');
    if (!reply) return std::unexpected(reply.error());
    any = any || reply->is_positive();
    submission.recipients.push_back({recipient, *reply});
  }
  if (!any) return refused(std::move(*reply));
  reply = ask("DATA");
  if (!reply) return std::unexpected(reply.error());
  if (reply->code != 354) return refused(std::move(*reply));
  const auto sent = send_all(fd_.get(), dot_stuffed(message), timeout_);
  reply = read_reply();
  // Who wants no more of it may have said why before he closed.
  if (!reply && !sent) return std::unexpected(sent.error());
  if (!reply) return std::unexpected(reply.error());
  submission.accepted = reply->is_positive();
  return refused(std::move(*reply));
}

/// The greeting and EHLO, or HELO where that is not known.
ClientResult<SmtpReply> SmtpClient::greet(std::string_view own_name, std::string_view& extensions) {
  auto reply = read_reply();
  if (!reply || !reply->is_positive()) return reply;
  reply = ask("EHLO " + std::string(own_name));
  if (reply && reply->code >= 500) return ask("HELO " + std::string(own_name));
  if (reply) offered_ = reply->text;
  extensions = offered_;
  return reply;
}

ClientResult<SmtpReply> SmtpClient::ask(std::string line) {
  line += "\r\n";
  if (auto sent = send_all(fd_.get(), line, timeout_); !sent) return std::unexpected(sent.error());
  return read_reply();
}

ClientResult<SmtpReply> SmtpClient::read_reply() {
  SmtpReply reply;
  std::size_t length = 0;
  const Deadline deadline = deadline_of(timeout_);
  while (true) {
    const auto line = read_line(deadline);
    if (!line) return std::unexpected(line.error());
    const auto code = parse_decimal(std::string_view(*line).substr(0, 3));
    length += line->size();
    if (line->size() < 3 || !code || length > kMaxReply) {
      return failed("the server does not speak SMTP: it said \"" + printable(*line) + '"');
    }
    reply.code = static_cast<unsigned>(*code);
    if (!reply.text.empty()) reply.text += '\n';
    if (line->size() > 4) reply.text += line->substr(4);
    if (line->size() == 3 || (*line)[3] != '-') return reply;
  }
}

ClientResult<std::string> SmtpClient::read_line(Deadline deadline) {
  while (true) {
    const std::size_t end = received_.find('\n');
    if (end != std::string::npos) {
      std::string line = received_.substr(0, end);
      received_.erase(0, end + 1);
      if (line.ends_with('\r')) line.pop_back();
      return line;
    }
    if (received_.size() > kMaxReply) return failed("the server does not speak SMTP");
    std::array<char, 4096> buffer{};
    const auto got = receive_some(fd_.get(), buffer, deadline);
    if (!got) return std::unexpected(got.error());
    if (*got == 0) {
      return std::unexpected(ClientError{Trouble::closed, "the server closed the connection"});
    }
    received_.append(buffer.data(), *got);
  }
}

}  // namespace netd::ctl
