// `netctl mail list`, `show`, `delete` and `wait`: the mail catcher's side of reading.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <unordered_set>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "ctl/custom_commands.h"
#include "ctl/mail_folders.h"
#include "ctl/mail_view.h"
#include "ctl/option_checks.h"
#include "daemon/base/text.h"

namespace netd::ctl {

namespace {

/// How often `wait` looks. Folders that are not there yet cannot be watched.
constexpr milliseconds kPoll{50};
/// More than there are in any folder; a number beyond it is a mistake.
constexpr std::size_t kMostMails = 1'000'000'000;

struct MailOptions {
  MailSource source;
  MailFilter filter;
  std::vector<std::string> ids;
  std::size_t limit = 50;
  std::size_t count = 1;
  std::size_t part = 0;
  bool all = false;
  bool raw = false;
  bool only_new = false;
};

void add_source(CLI::App& command, MailOptions& options) {
  command.add_option("--listener", options.source.listener, "only of this listener")
      ->type_name("NAME");
  command
      .add_option("--maildir", options.source.maildir,
                  "read this folder of DOMAIN/USER, without asking netd for its own")
      ->type_name("DIR");
}

void add_filter(CLI::App& command, MailOptions& options) {
  const auto add = [&](const char* name, std::string& value, const char* help) {
    command.add_option(name, value, help)->type_name("TEXT");
  };
  add("--to", options.filter.to, "only with this in the mailbox, Delivered-To, To or Cc");
  add("--from", options.filter.from, "only with this in From, Sender or Return-Path");
  add("--subject", options.filter.subject, "only with this in the subject");
  add("--body", options.filter.body, "only with this in a part that is text");
}

/// netd makes its own folders when mail comes; one that somebody names is there, or it is a
/// mistake.
int check_named_folder(const MailSource& source, const Context& context) {
  if (source.maildir.empty() || ::access(source.maildir.c_str(), F_OK) == 0) return kDone;
  return complain(system_error("read " + source.maildir, errno).what(), kFailed, context);
}

/// What went wrong, told; or nothing, and `found` is the mail, the newest first.
int find_mail(const MailOptions& options, const Context& context, std::vector<StoredMail>& found) {
  if (const int status = check_named_folder(options.source, context); status != kDone) {
    return status;
  }
  const MailRoots roots = find_mail_roots(options.source, context);
  if (roots.status != kDone) return complain(roots.error, roots.status, context);
  auto listed = list_mail(roots.folders);
  if (!listed) return complain(listed.error().what(), kFailed, context);
  found = std::move(*listed);
  return kDone;
}

/// The message if it matches. One that is removed while we look does not; `gone` says so.
std::optional<MailSummary> summary_if(const StoredMail& stored, const MailFilter& filter,
                                      bool* gone = nullptr) {
  const auto text = read_mail(stored.path);
  if (gone != nullptr) *gone = !text;
  if (!text) return {};
  const Mail mail = Mail::parse(*text);
  if (!filter.matches(stored, mail)) return {};
  return MailSummary::of(stored, mail);
}

int list(const MailOptions& options, const Context& context) {
  std::vector<StoredMail> found;
  if (const int status = find_mail(options, context, found); status != kDone) return status;
  std::vector<MailSummary> mails;
  for (const StoredMail& stored : found) {
    if (options.limit != 0 && mails.size() == options.limit) break;
    if (auto mail = summary_if(stored, options.filter)) mails.push_back(std::move(*mail));
  }
  print(context.json ? mail_list_json(mails) : mail_table(mails, context.terminal));
  return kDone;
}

/// By its id, by the beginning of it when that is one message's alone, or "latest".
int find_one(const std::string& id, const std::vector<StoredMail>& all, const Context& context,
             StoredMail& found) {
  if (id == "latest") {
    if (all.empty()) return complain("no mail", kFailed, context);
    found = all.front();
    return kDone;
  }
  if (id.empty()) return complain("an id cannot be empty", kUsage, context);
  const StoredMail* hit = nullptr;
  for (const StoredMail& stored : all) {
    if (!stored.id.starts_with(id)) continue;
    if (stored.id == id) {
      hit = &stored;
      break;
    }
    // One message may lie in several mailboxes.
    if (hit != nullptr && hit->id != stored.id) {
      return complain("more than one message's id begins with " + id, kFailed, context);
    }
    hit = &stored;
  }
  if (hit == nullptr) return complain("no message " + id, kFailed, context);
  found = *hit;
  return kDone;
}

int show(const MailOptions& options, const Context& context) {
  if (context.json && (options.raw || options.part != 0)) {
    return complain("mail show: --raw and --part print what is no JSON", kUsage, context);
  }
  std::vector<StoredMail> all;
  if (const int status = find_mail(options, context, all); status != kDone) return status;
  StoredMail stored;
  if (const int status = find_one(options.ids.front(), all, context, stored); status != kDone) {
    return status;
  }
  if (stored.size > kMaxMail) {
    return complain(stored.path + ": larger than " + format_size(kMaxMail), kFailed, context);
  }
  auto text = read_mail(stored.path);
  if (!text) return complain(text.error().what(), kFailed, context);
  OpenedMail opened{.stored = stored, .text = std::move(*text), .mail = {}};
  opened.mail = Mail::parse(opened.text);
  if (options.part != 0) {
    const auto parts = opened.mail.attachments();
    if (options.part > parts.size()) {
      return complain("the message has " + std::to_string(parts.size()) + " attachments", kFailed,
                      context);
    }
    print(parts[options.part - 1]->content());
  } else if (options.raw) {
    print(opened.text);
  } else {
    print(context.json ? mail_json(opened) : mail_page(opened, context.terminal));
  }
  return kDone;
}

/// Removes every copy of the messages that are meant.
int remove(const MailOptions& options, const Context& context) {
  if (options.ids.empty() && !options.filter.any() && !options.all) {
    return complain("mail delete: which? An ID, a filter such as --to, or --all", kUsage, context);
  }
  std::vector<StoredMail> all;
  if (const int status = find_mail(options, context, all); status != kDone) return status;
  std::unordered_set<std::string> ids;
  for (const std::string& id : options.ids) {
    StoredMail stored;
    if (const int status = find_one(id, all, context, stored); status != kDone) return status;
    ids.insert(stored.id);
  }
  std::size_t removed = 0;
  for (const StoredMail& stored : all) {
    if (!options.ids.empty() && !ids.contains(stored.id)) continue;
    if (options.filter.any() && !summary_if(stored, options.filter)) continue;
    if (::unlink(stored.path.c_str()) == 0) {
      ++removed;
    } else if (errno != ENOENT) {
      return complain(system_error("remove " + stored.path, errno).what(), kFailed, context);
    }
  }
  const std::string count = std::to_string(removed);
  print(context.json ? R"({"status":"ok","deleted":)" + count + "}\n" : "deleted " + count + '\n');
  return kDone;
}

/// Until enough messages match; what was looked at once is not looked at again.
int wait(const MailOptions& options, const Context& context) {
  const MailRoots roots = find_mail_roots(options.source, context);
  if (roots.status != kDone) return complain(roots.error, roots.status, context);
  const bool for_ever = context.timeout == milliseconds::zero();
  const auto give_up = std::chrono::steady_clock::now() + context.timeout;
  std::unordered_set<std::string> seen;
  std::vector<MailSummary> hits;
  for (bool first = true;; first = false) {
    const auto listed = list_mail(roots.folders);
    if (!listed) return complain(listed.error().what(), kFailed, context);
    for (auto stored = listed->rbegin(); stored != listed->rend(); ++stored) {
      const std::string copy = stored->mailbox + '/' + stored->id;
      if (!seen.insert(copy).second || (first && options.only_new)) continue;
      bool gone = false;
      if (auto mail = summary_if(*stored, options.filter, &gone)) hits.push_back(std::move(*mail));
      // A mail reader may just have moved it: then it comes again under another name.
      if (gone) seen.erase(copy);
    }
    if (hits.size() >= options.count) break;
    if (!for_ever && std::chrono::steady_clock::now() >= give_up) {
      // Only now: whoever waits for mail may wait for its folder.
      if (const int status = check_named_folder(options.source, context); status != kDone) {
        return status;
      }
      return complain("no such mail came in time (" + std::to_string(hits.size()) + " of " +
                          std::to_string(options.count) + ")",
                      kFailed, context);
    }
    std::this_thread::sleep_for(kPoll);
  }
  hits.resize(options.count);
  print(context.json ? mail_list_json(hits) : mail_table(hits, context.terminal));
  return kDone;
}

}  // namespace

std::function<int(const Context&)> define_mail_list(CLI::App& command) {
  const auto options = std::make_shared<MailOptions>();  // lives as long as the callback
  add_source(command, *options);
  add_filter(command, *options);
  expect_whole_number(command.add_option("--limit", options->limit, "the newest so many; 0: all")
                          ->type_name("N")
                          ->capture_default_str(),
                      0, kMostMails);
  return [options](const Context& context) { return list(*options, context); };
}

std::function<int(const Context&)> define_mail_show(CLI::App& command) {
  const auto options = std::make_shared<MailOptions>();  // lives as long as the callback
  add_source(command, *options);
  command.add_option("ID", options->ids, "the message's id, the beginning of it, or latest")
      ->required()
      ->expected(1);
  command.add_flag("--raw", options->raw, "the message as it lies in its file");
  expect_whole_number(
      command.add_option("--part", options->part, "only the content of this attachment")
          ->type_name("N"),
      1, Mail::kMaxParts);
  return [options](const Context& context) { return show(*options, context); };
}

std::function<int(const Context&)> define_mail_delete(CLI::App& command) {
  const auto options = std::make_shared<MailOptions>();  // lives as long as the callback
  add_source(command, *options);
  add_filter(command, *options);
  command.add_option("ID", options->ids, "the messages' ids, or latest");
  command.add_flag("--all", options->all, "every message");
  return [options](const Context& context) { return remove(*options, context); };
}

std::function<int(const Context&)> define_mail_wait(CLI::App& command) {
  const auto options = std::make_shared<MailOptions>();  // lives as long as the callback
  add_source(command, *options);
  add_filter(command, *options);
  expect_whole_number(command.add_option("--count", options->count, "until so many have come")
                          ->type_name("N")
                          ->capture_default_str(),
                      1, kMostMails);
  command.add_flag("--new", options->only_new, "only those that come from now on");
  return [options](const Context& context) { return wait(*options, context); };
}

}  // namespace netd::ctl
