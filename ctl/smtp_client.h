// Sends one message by SMTP (RFC 5321). Blocking.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ctl/clients/dial.h"

namespace netd::ctl {

/// What a server answered.
struct SmtpReply {
  unsigned code = 0;
  std::string text;  ///< its lines, without the code, joined with LF

  [[nodiscard]] bool is_positive() const { return code >= 200 && code < 400; }
};

struct Envelope {
  std::string sender;  ///< empty: null
  std::vector<std::string> recipients;
};

/// How the server took it.
struct Submission {
  struct Recipient {
    std::string address;
    SmtpReply reply;
  };
  std::vector<Recipient> recipients;  ///< those that were tried
  SmtpReply reply;                    ///< the one that decided
  bool accepted = false;              ///< for those recipients that were
};

class SmtpClient {
 public:
  /// An answer longer than this ends the dialogue.
  static constexpr std::size_t kMaxReply = std::size_t{64} << 10;

  /// Connects to a tcp or unix endpoint. Every wait of the dialogue ends after `timeout` (zero:
  /// never).
  [[nodiscard]] static ClientResult<SmtpClient> connect(const Endpoint& server,
                                                        milliseconds timeout);

  /// The whole dialogue from the greeting to QUIT. `message` has lines that end with CRLF; dots are
  /// stuffed here. Errors are those of the connection; what the server says is in the result.
  [[nodiscard]] ClientResult<Submission> submit(const Envelope& envelope, std::string_view message,
                                                std::string_view own_name);

 private:
  SmtpClient(UniqueFd fd, milliseconds timeout) : fd_(std::move(fd)), timeout_(timeout) {}

  ClientResult<SmtpReply> ask(std::string line);
  ClientResult<SmtpReply> read_reply();
  ClientResult<std::string> read_line(Deadline deadline);
  ClientResult<SmtpReply> greet(std::string_view own_name, std::string_view& extensions);

  UniqueFd fd_;
  milliseconds timeout_;
  std::string received_;
  std::string offered_;  // what EHLO was answered
};

/// A dot more at the start of each line that has one, and the line that ends DATA.
[[nodiscard]] std::string dot_stuffed(std::string_view message);

}  // namespace netd::ctl
