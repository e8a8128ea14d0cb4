#include "ctl/smtp_client.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "daemon/base/text.h"

namespace netd::ctl {

namespace {

using std::chrono::milliseconds;

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};

bool is_ascii(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

Result<UniqueFd> open_socket(int family, const sockaddr* address, socklen_t length,
                             milliseconds timeout) {
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return fail_system("socket", errno);
  // connect(2) heeds the time-out for sending, too.
  const timeval time{.tv_sec = timeout.count() / 1000,
                     .tv_usec = static_cast<suseconds_t>(timeout.count() % 1000 * 1000)};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
  if (::connect(fd.get(), address, length) == 0) return fd;
  return fail_system("connect", errno == EINPROGRESS ? ETIMEDOUT : errno);
}

Result<UniqueFd> connect_to(const Endpoint& server, milliseconds timeout) {
  if (server.transport == Transport::unix_stream) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (server.name.size() >= sizeof address.sun_path) return fail_system("connect", ENAMETOOLONG);
    std::memcpy(address.sun_path, server.name.data(), server.name.size());
    return open_socket(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof address,
                       timeout);
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const std::string host = server.host == "*" ? "localhost" : server.host;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(server.port).c_str(), &hints, &list);
  if (error != 0) return fail("look up " + host + ": " + ::gai_strerror(error));
  const std::unique_ptr<addrinfo, FreeAddresses> owner(list);
  Result<UniqueFd> last = fail("look up " + host + ": no address");
  for (const addrinfo* each = list; each != nullptr; each = each->ai_next) {
    last = open_socket(each->ai_family, each->ai_addr, each->ai_addrlen, timeout);
    if (last) break;
  }
  return last;
}

/// errno of a socket with a time-out says something else when it is over.
int reason() { return errno == EAGAIN ? ETIMEDOUT : errno; }

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

Result<SmtpClient> SmtpClient::connect(const Endpoint& server, milliseconds timeout) {
  auto fd = connect_to(server, timeout);
  if (!fd) return std::unexpected(fd.error().within(server.text()));
  return SmtpClient(std::move(*fd));
}

Result<Submission> SmtpClient::submit(const Envelope& envelope, std::string_view message,
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
  if (auto sent = send(dot_stuffed(message)); !sent) return std::unexpected(sent.error());
  reply = read_reply();
  if (!reply) return std::unexpected(reply.error());
  submission.accepted = reply->is_positive();
  return refused(std::move(*reply));
}

/// The greeting and EHLO, or HELO where that is not known.
Result<SmtpReply> SmtpClient::greet(std::string_view own_name, std::string_view& extensions) {
  auto reply = read_reply();
  if (!reply || !reply->is_positive()) return reply;
  reply = ask("EHLO " + std::string(own_name));
  if (reply && reply->code >= 500) return ask("HELO " + std::string(own_name));
  if (reply) offered_ = reply->text;
  extensions = offered_;
  return reply;
}

Result<SmtpReply> SmtpClient::ask(std::string line) {
  line += "\r\n";
  if (auto sent = send(line); !sent) return std::unexpected(sent.error());
  return read_reply();
}

Result<void> SmtpClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return fail_system("send", reason());
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return {};
}

Result<SmtpReply> SmtpClient::read_reply() {
  SmtpReply reply;
  std::size_t length = 0;
  while (true) {
    const auto line = read_line();
    if (!line) return std::unexpected(line.error());
    const auto code = parse_decimal(std::string_view(*line).substr(0, 3));
    length += line->size();
    if (line->size() < 3 || !code || length > kMaxReply) {
      return fail("the server does not speak SMTP: it said \"" + printable(*line) + '"');
    }
    reply.code = static_cast<unsigned>(*code);
    if (!reply.text.empty()) reply.text += '\n';
    if (line->size() > 4) reply.text += line->substr(4);
    if (line->size() == 3 || (*line)[3] != '-') return reply;
  }
}

Result<std::string> SmtpClient::read_line() {
  while (true) {
    const std::size_t end = received_.find('\n');
    if (end != std::string::npos) {
      std::string line = received_.substr(0, end);
      received_.erase(0, end + 1);
      if (line.ends_with('\r')) line.pop_back();
      return line;
    }
    if (received_.size() > kMaxReply) return fail("the server does not speak SMTP");
    std::array<char, 4096> buffer{};
    const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_system("read", reason());
    if (got == 0) return fail("the server closed the connection");
    received_.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace netd::ctl
