// What the server answers (RFC 5321, section 4.2; enhanced codes: RFC 3463 and RFC 2034).
#pragma once

#include <cstdint>
#include <string_view>

namespace netd::smtp {

/// One line. The enhanced code is empty where RFC 2034 wants none.
struct Reply {
  std::uint16_t code = 0;
  std::string_view enhanced;
  std::string_view text;

  [[nodiscard]] constexpr bool is_error() const { return code >= 400; }
};

namespace reply {

inline constexpr Reply kOk{250, "2.0.0", "Ok"};
inline constexpr Reply kSenderOk{250, "2.1.0", "Sender ok"};
inline constexpr Reply kRecipientOk{250, "2.1.5", "Recipient ok"};
inline constexpr Reply kChunkOk{250, "2.0.0", "Chunk received"};
inline constexpr Reply kStartMail{354, "", "Start the message; end it with <CR><LF>.<CR><LF>"};
/// To a client whose command lines end with LF alone: it must learn why its dot ends nothing.
inline constexpr Reply kStartMailHint{354, "",
                                      "Start the message; end it with <CR><LF>.<CR><LF> (your "
                                      "lines end with <LF> alone: nc -C helps)"};
inline constexpr Reply kStartTls{220, "2.0.0", "Ready to start TLS"};
inline constexpr Reply kCannotVerify{252, "2.5.0", "Cannot verify; try RCPT"};

inline constexpr Reply kUnknownCommand{500, "5.5.1", "Command unknown; try HELP"};
inline constexpr Reply kNoCommand{500, "5.5.2", "Command expected"};
inline constexpr Reply kControlCharacters{500, "5.5.2", "Control characters in a command"};
inline constexpr Reply kLineTooLong{500, "5.5.2", "Line too long"};
inline constexpr Reply kNotImplemented{502, "5.5.1", "Command not implemented"};
inline constexpr Reply kNoArgument{501, "5.5.4", "This command takes no argument"};
inline constexpr Reply kHeloSyntax{501, "5.5.4", "Syntax: HELO DOMAIN or EHLO DOMAIN"};
inline constexpr Reply kMailSyntax{501, "5.5.4", "Syntax: MAIL FROM:<ADDRESS> [PARAMETERS]"};
inline constexpr Reply kRcptSyntax{501, "5.5.4", "Syntax: RCPT TO:<ADDRESS> [PARAMETERS]"};
inline constexpr Reply kBdatSyntax{501, "5.5.4", "Syntax: BDAT SIZE [LAST]"};
inline constexpr Reply kVrfySyntax{501, "5.5.4", "Syntax: VRFY ADDRESS"};
inline constexpr Reply kSenderSyntax{501, "5.1.7", "Bad sender address"};
inline constexpr Reply kSenderTooLong{501, "5.1.7", "Sender address too long"};
inline constexpr Reply kRecipientSyntax{501, "5.1.3", "Bad recipient address"};
inline constexpr Reply kRecipientTooLong{501, "5.1.3", "Recipient address too long"};
inline constexpr Reply kParameterSyntax{501, "5.5.4", "Bad parameter"};
inline constexpr Reply kParameterValue{504, "5.5.4", "Parameter value not implemented"};
inline constexpr Reply kParameterUnknown{555, "5.5.4", "Parameter not known"};
inline constexpr Reply kParameterNeedsEhlo{555, "5.5.4", "Parameters need EHLO"};
inline constexpr Reply kNeedsSmtputf8{553, "5.6.7", "Address beyond ASCII needs SMTPUTF8"};

inline constexpr Reply kNeedHelo{503, "5.5.1", "Send EHLO or HELO first"};
inline constexpr Reply kTlsActive{503, "5.5.1", "TLS is already there"};
inline constexpr Reply kNestedMail{503, "5.5.1", "Sender already given"};
inline constexpr Reply kNeedMail{503, "5.5.1", "Send MAIL first"};
inline constexpr Reply kNeedRcpt{503, "5.5.1", "Send RCPT first"};
inline constexpr Reply kNoValidRecipients{554, "5.5.1", "No valid recipients"};
inline constexpr Reply kInsideChunks{503, "5.5.1",
                                     "BDAT has begun; only BDAT, RSET and QUIT make sense"};

inline constexpr Reply kRelayDenied{550, "5.7.1", "Relaying denied: not a domain of this server"};
inline constexpr Reply kUnknownUser{550, "5.1.1", "No such user here"};
inline constexpr Reply kMailboxName{553, "5.1.3", "Mailbox name not allowed"};
inline constexpr Reply kTooManyRecipients{452, "4.5.3", "Too many recipients"};
inline constexpr Reply kMailboxFull{452, "4.2.2", "Mailbox full"};
inline constexpr Reply kTooBig{552, "5.3.4", "Message too big"};
inline constexpr Reply kBareCr{550, "5.6.0", "Message has a <CR> without <LF>"};
inline constexpr Reply kBareLf{550, "5.6.0", "Message has a <LF> without <CR>"};
inline constexpr Reply kTextLineTooLong{554, "5.6.0", "Message has a line that is too long"};
inline constexpr Reply kLoop{554, "5.4.6", "Mail loop: too many Received fields"};
inline constexpr Reply kDiskFull{452, "4.3.1", "Insufficient storage; try again later"};
inline constexpr Reply kStorageFailed{451, "4.3.0", "Storage failed; try again later"};
inline constexpr Reply kUnfinished{451, "4.4.2", "Connection ended before the end of the message"};

inline constexpr Reply kTooManyErrors{421, "4.7.0", "Too many errors"};
inline constexpr Reply kAddressNotAllowed{554, "5.7.1", "No mail is taken from your address"};
inline constexpr Reply kTooManyConnections{421, "4.7.0",
                                           "Too many connections from you; slow down"};
inline constexpr Reply kTooManyMessages{450, "4.7.1", "Too many messages from you; slow down"};
inline constexpr Reply kEarlyTalker{554, "5.5.1", "You spoke before the greeting"};
inline constexpr Reply kNotHttp{421, "4.7.0", "This is SMTP, not HTTP"};
inline constexpr Reply kIdle{421, "4.4.2", "Idle for too long"};
inline constexpr Reply kCommandTooSlow{421, "4.4.2", "Command took too long"};
inline constexpr Reply kCrowded{421, "4.4.5", "Others wait; try again later"};
inline constexpr Reply kMessageTooSlow{421, "4.4.2", "Message took too long"};
inline constexpr Reply kShuttingDown{421, "4.3.2", "Server is shutting down"};

}  // namespace reply

}  // namespace netd::smtp
