// One SMTP client (RFC 5321): its commands, its transactions, its patience.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/event/timer.h"
#include "daemon/net/connection.h"
#include "daemon/net/session.h"
#include "daemon/protocols/smtp/address.h"
#include "daemon/protocols/smtp/command.h"
#include "daemon/protocols/smtp/courier.h"
#include "daemon/protocols/smtp/delivery.h"
#include "daemon/protocols/smtp/incoming_message.h"
#include "daemon/protocols/smtp/mail_service.h"
#include "daemon/protocols/smtp/reply.h"
#include "daemon/protocols/smtp/settings.h"

namespace netd::smtp {

/// What the sessions of one worker share.
class SmtpProtocol final : public StreamProtocol {
 public:
  SmtpProtocol(IoContext& io, SmtpSettings settings, std::shared_ptr<MailService> service);
  ~SmtpProtocol() override;

  [[nodiscard]] std::unique_ptr<Session> open(Connection& connection) override;

  [[nodiscard]] std::string_view refusal(Refusal why) const override {
    return why == Refusal::address ? address_refused_ : connections_refused_;
  }

  [[nodiscard]] const SmtpSettings& settings() const { return settings_; }
  [[nodiscard]] const MailService& service() const { return *service_; }
  [[nodiscard]] const std::shared_ptr<Courier>& courier() const { return courier_; }
  /// "220 ...", and what EHLO and HELP are answered; the same for everybody.
  [[nodiscard]] std::string_view greeting() const { return greeting_; }
  [[nodiscard]] std::string_view extensions(bool starttls) const {
    return starttls ? extensions_with_starttls_ : extensions_;
  }

 private:
  const SmtpSettings settings_;
  const std::shared_ptr<MailService> service_;  // shared by the workers
  const std::shared_ptr<Courier> courier_;      // shared with the deliveries under way
  std::string greeting_;
  std::string extensions_;
  std::string extensions_with_starttls_;
  std::string address_refused_;
  std::string connections_refused_;
};

/// A line longer than this is no command, whatever its parameters are (RFC 5321, section 4.5.3.1.4,
/// and what extensions add to MAIL and RCPT).
inline constexpr std::size_t kMaxCommandLine = 512;
inline constexpr std::size_t kMaxMailLine = 4096;

/// How long a client may be silent while others find no place. RFC 5321, section 4.5.3.2, asks for
/// minutes, which only those can be given who do not keep mail out by them.
inline constexpr std::chrono::seconds kCrowdedPatience{10};

/// From the answer to STARTTLS to the first octets under TLS.
inline constexpr std::chrono::seconds kHandshakeTime{30};

class SmtpSession final : public Session, private DeliveryClient {
 public:
  SmtpSession(Connection& connection, const SmtpProtocol& protocol);
  ~SmtpSession() override;

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
    silent,  ///< before the greeting
    commands,
    text,     ///< of DATA
    chunk,    ///< of BDAT
    storing,  ///< a message is complete; its answer comes from the store
  };

  enum class Tls : std::uint8_t { none, handshake, active };

  /// From MAIL to the answer to the message's end (RFC 5321, section 3.3).
  struct Transaction {
    Address sender;
    std::string only_recipient;  ///< empty when there are several
    std::vector<std::string> mailboxes;
    std::size_t recipients = 0;  ///< accepted
    bool recipients_refused = false;
    bool smtputf8 = false;
    std::uint64_t declared_size = 0;
    std::string envid;
    std::string id;
    Monotonic text_began;
    std::unique_ptr<IncomingMessage> message;
  };

  // ---- session.cc: octets.
  void greet();
  std::size_t read_line(std::string_view input);
  std::size_t read_text(std::string_view input);
  std::size_t read_chunk(std::string_view input);
  [[nodiscard]] bool held_up() const;
  void time_line();
  void on_delivery_returned(std::unique_ptr<Delivery> delivery) override;
  void say(const Reply& reply);
  void say(const Reply& reply, std::string_view text);
  void say_bye(const Reply& reply);
  void count_error();
  void hold_back();
  void let_go_on();

  // ---- commands.cc: what each command does.
  void execute(std::string_view line);
  void say_hello(const Command& command);
  void begin_transaction(std::string_view argument);
  void add_recipient(std::string_view argument);
  void begin_text(std::string_view argument);
  void begin_chunk(std::string_view argument);
  void skip_chunk(std::uint64_t size, const Reply& reason);
  void verify(std::string_view argument);
  void help();
  void start_tls(std::string_view argument);
  [[nodiscard]] bool may_start_tls() const;
  void reset();
  void quit();
  [[nodiscard]] const Reply* mail_refusal(const MailParameters& parameters,
                                          const Address& sender) const;
  [[nodiscard]] const Reply* check_recipient(const Address& recipient,
                                             const RcptParameters& parameters);
  [[nodiscard]] bool admit_message();

  // ---- messages.cc: from the first octet to the answer.
  void open_message(Framing framing);
  void end_message();
  void end_chunk();
  void answer_message(const Reply& verdict);
  void log_message(const Reply& verdict);
  [[nodiscard]] std::string client_literal() const;

  const SmtpProtocol& protocol_;
  std::string helo_;
  std::unique_ptr<Transaction> transaction_;
  std::unique_ptr<Timer> timer_;  // of the greeting or the tarpit
  std::uint64_t chunk_left_ = 0;
  Reply chunk_refusal_;  // of a chunk outside of any message; code 0: none
  unsigned errors_ = 0;  // since the last message that was accepted
  State state_ = State::silent;
  Tls tls_ = Tls::none;
  bool esmtp_ = false;
  bool chunking_ = false;  // the transaction's text comes by BDAT
  bool last_chunk_ = false;
  bool overlong_ = false;       // the rest of a line that was too long is dropped
  bool line_is_timed_ = false;  // the deadline is that of a command line whose end is not there yet
  bool bare_lf_ = false;        // the last command line ended with LF alone
  bool held_back_ = false;      // in the tarpit
  bool draining_ = false;
  bool peer_ended_ = false;
};

}  // namespace netd::smtp
