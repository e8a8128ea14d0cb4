#include "ctl/mail_view.h"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "ctl/humanize.h"
#include "ctl/json_access.h"
#include "ctl/terminal_text.h"
#include "daemon/base/text.h"

namespace netd::ctl {

namespace {

bool contains(std::string_view text, std::string_view part) {
  if (part.empty()) return true;
  const auto same = [](char a, char b) { return ascii_lower(a) == ascii_lower(b); };
  return !std::ranges::search(text, part, same).empty();
}

/// Lines of somebody else's text, safe for a terminal.
std::string shown_lines(std::string_view text) {
  std::string result;
  for (const std::string_view line : split(text, '\n')) {
    for (const std::string_view cell : split(line, '\t')) {
      result += shown(cell);
      result += '\t';
    }
    result.back() = '\n';
  }
  return result;
}

double seconds_of(const StoredMail& stored) {
  return std::chrono::duration<double>(stored.time).count();
}

std::string name_of(const MailSummary::Attachment& attachment) {
  return attachment.filename.empty() ? attachment.type : attachment.filename;
}

/// A cell that one message must not make as wide as it likes.
std::string cell(std::string_view text) {
  constexpr std::size_t kMaxCell = 200;  // characters
  std::size_t length = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool starts_character = (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80;
    if (starts_character && ++length > kMaxCell) return shown(text.substr(0, at)) + "...";
  }
  return shown(text);
}

OrderedJson summary_json(const MailSummary& mail) {
  const StoredMail& stored = mail.stored;
  OrderedJson json = {
      {"id", stored.id},
      {"mailbox", stored.mailbox},
      {"received",
       format_rfc3339(WallTime(std::chrono::duration_cast<WallTime::duration>(stored.time)))},
      {"size", stored.size},
      {"seen", stored.seen},
      {"path", stored.path},
      {"sender", mail.sender},
      {"from", mail.from},
      {"to", mail.to},
      {"subject", mail.subject}};
  OrderedJson& list = json["attachments"] = OrderedJson::array();
  for (const auto& [filename, type, size] : mail.attachments) {
    list.push_back(
        {{"number", list.size() + 1}, {"filename", filename}, {"type", type}, {"size", size}});
  }
  return json;
}

std::string one_line(const OrderedJson& document) {
  return document.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + '\n';
}

}  // namespace

bool MailFilter::matches(const StoredMail& stored, const Mail& mail) const {
  const auto in_fields = [&](std::string_view part, auto... names) {
    return std::ranges::any_of(mail.fields, [&](const MailField& field) {
      return (iequals(field.name, names) || ...) && contains(field.value, part);
    });
  };
  if (!contains(stored.mailbox, to) && !in_fields(to, "Delivered-To", "To", "Cc")) return false;
  if (!from.empty() && !in_fields(from, "From", "Sender", "Return-Path")) return false;
  if (!subject.empty() && !in_fields(subject, "Subject")) return false;
  return body.empty() || std::ranges::any_of(mail.parts, [&](const MailPart& part) {
           return part.type.starts_with("text/") && contains(part.text(), body);
         });
}

MailSummary MailSummary::of(const StoredMail& stored, const Mail& mail) {
  MailSummary summary{.stored = stored,
                      .sender = mail.field("Return-Path"),
                      .from = mail.field("From"),
                      .to = mail.field("To"),
                      .subject = mail.field("Subject"),
                      .attachments = {}};
  for (const MailPart* part : mail.attachments()) {
    summary.attachments.push_back({part->filename, part->type, part->content().size()});
  }
  return summary;
}

std::string mail_table(const std::vector<MailSummary>& mails, const Terminal& terminal) {
  Table table({"ID", "RECEIVED", "MAILBOX", ">SIZE", "FROM", "SUBJECT"});
  for (const MailSummary& mail : mails) {
    std::string names;
    for (const auto& attachment : mail.attachments) {
      names += names.empty() ? "" : ", ";
      names += name_of(attachment);
    }
    std::string subject = cell(mail.subject);
    if (!names.empty()) subject += " [" + cell(names) + ']';
    table.add({cell(mail.stored.id), local_time(seconds_of(mail.stored)), cell(mail.stored.mailbox),
               human_bytes(static_cast<double>(mail.stored.size)), cell(mail.from),
               std::move(subject)});
  }
  return table.empty() ? "no mail\n" : table.text(terminal);
}

std::string mail_page(const OpenedMail& opened, const Terminal& terminal) {
  std::string page;
  const auto add = [&](const std::string& name, const std::string& value) {
    if (value.empty()) return;
    page += terminal.bold(name + ':') + std::string(name.size() < 10 ? 10 - name.size() : 1, ' ');
    page += shown(value) + '\n';
  };
  add("Id", opened.stored.id);
  add("Mailbox", opened.stored.mailbox);
  add("Received", local_time(seconds_of(opened.stored)));
  for (const char* name : {"From", "To", "Cc", "Date", "Subject"}) {
    add(name, opened.mail.field(name));
  }
  std::size_t number = 0;
  for (const auto& attachment : MailSummary::of(opened.stored, opened.mail).attachments) {
    add("Part " + std::to_string(++number), name_of(attachment) + " (" + attachment.type + ", " +
                                                human_bytes(static_cast<double>(attachment.size)) +
                                                ")");
  }
  const MailPart* body = opened.mail.body("text/plain");
  if (body == nullptr) body = opened.mail.body("text/html");
  if (body != nullptr) page += '\n' + shown_lines(body->text());
  return page;
}

std::string mail_list_json(const std::vector<MailSummary>& mails) {
  OrderedJson document = {{"status", "ok"}, {"messages", OrderedJson::array()}};
  for (const MailSummary& mail : mails) document["messages"].push_back(summary_json(mail));
  return one_line(document);
}

std::string mail_json(const OpenedMail& opened) {
  OrderedJson message = summary_json(MailSummary::of(opened.stored, opened.mail));
  OrderedJson& headers = message["headers"] = OrderedJson::array();
  for (const MailField& field : opened.mail.fields) {
    headers.push_back({{"name", field.name}, {"value", field.value}});
  }
  for (const char* kind : {"text", "html"}) {
    const MailPart* const part =
        opened.mail.body(std::string_view(kind) == "text" ? "text/plain" : "text/html");
    message[kind] = part == nullptr ? OrderedJson(nullptr) : OrderedJson(part->text());
  }
  return one_line({{"status", "ok"}, {"message", std::move(message)}});
}

}  // namespace netd::ctl
