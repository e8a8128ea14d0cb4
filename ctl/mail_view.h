// Messages as `netctl mail` shows them, to people and to programs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ctl/mail_folders.h"
#include "ctl/mime.h"
#include "ctl/table.h"

namespace netd::ctl {

/// A message with what is worth knowing of it; `mail` has views into `text`.
struct OpenedMail {
  StoredMail stored;
  std::string text;
  Mail mail;
};

/// What a list says of a message; holds none of its text.
struct MailSummary {
  struct Attachment {
    std::string filename;  ///< may be empty
    std::string type;
    std::size_t size = 0;  ///< octets, decoded
  };
  StoredMail stored;
  std::string sender;  ///< of the envelope
  std::string from;
  std::string to;
  std::string subject;
  std::vector<Attachment> attachments;

  [[nodiscard]] static MailSummary of(const StoredMail& stored, const Mail& mail);
};

/// Which messages are meant. Texts are looked for without regard to the case of ASCII letters;
/// an empty one matches every message.
struct MailFilter {
  std::string to;       ///< in the mailbox, Delivered-To, To or Cc
  std::string from;     ///< in From, Sender or Return-Path
  std::string subject;  ///< in the decoded Subject
  std::string body;     ///< in the text of any part that is text

  [[nodiscard]] bool any() const {
    return !to.empty() || !from.empty() || !subject.empty() || !body.empty();
  }
  [[nodiscard]] bool matches(const StoredMail& stored, const Mail& mail) const;
};

[[nodiscard]] std::string mail_table(const std::vector<MailSummary>& mails,
                                     const Terminal& terminal);
/// The most telling fields, the text, and the attachments by number.
[[nodiscard]] std::string mail_page(const OpenedMail& opened, const Terminal& terminal);
/// {"status":"ok","messages":[...]} in one line.
[[nodiscard]] std::string mail_list_json(const std::vector<MailSummary>& mails);
/// {"status":"ok","message":{...}} with all fields, the texts and the attachments.
[[nodiscard]] std::string mail_json(const OpenedMail& opened);

}  // namespace netd::ctl
