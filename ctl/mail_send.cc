// `netctl mail send`.
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "ctl/clients/dial.h"
#include "ctl/custom_commands.h"
#include "ctl/input.h"
#include "ctl/json_access.h"
#include "ctl/mail_compose.h"
#include "ctl/smtp_client.h"
#include "ctl/terminal_text.h"
#include "daemon/base/text.h"

namespace netd::ctl {

namespace {

struct SendOptions {
  std::string server;
  std::string listener;
  std::string from;
  std::vector<std::string> to;
  std::string subject;
  std::vector<std::string> headers;
  std::optional<std::string> body;
  std::string html_file;
  std::vector<std::string> attachments;
  std::string file;
};

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name.front() == '\0') return "localhost";
  return name.data();
}

std::string unique_id() {
  std::uint64_t random = 0;
  (void)!::getrandom(&random, sizeof random, 0);  // the time alone is nearly enough
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(now).count()) + '.' +
         std::to_string(random);
}

/// "Ann <ann@example.org>" or "ann@example.org": the part for the envelope.
std::string address_of(std::string_view text) {
  const std::size_t open = text.rfind('<');
  if (open == std::string_view::npos) return std::string(trim(text));
  const std::size_t close = text.find('>', open);
  return std::string(trim(text.substr(open + 1, close - open - 1)));
}

/// What could leave its command or its header field.
bool has_line_end(const std::string& text) {
  return text.find_first_of("\r\n") != std::string::npos || text.find('\0') != std::string::npos;
}

/// HOST:PORT, tcp:HOST:PORT or unix:PATH; else netd's first SMTP listener. What went wrong is told.
int find_server(const SendOptions& options, const Context& context, Endpoint& server) {
  if (!options.server.empty()) {
    auto parsed = parse_target(options.server, Transport::tcp);
    const bool usable = parsed && (parsed->transport == Transport::unix_stream ||
                                   (parsed->transport == Transport::tcp && parsed->port != 0));
    if (!usable) return complain("--server: expected HOST:PORT or unix:PATH", kUsage, context);
    server = std::move(*parsed);
    return kDone;
  }
  auto client = context.connect();
  if (!client) return complain(client.error().what(), kUnreachable, context);
  const auto answer = client->ask(R"({"type":"listeners"})", context.timeout);
  if (!answer) return complain(answer.error().what(), kUnreachable, context);
  const OrderedJson document = OrderedJson::parse(*answer, nullptr, false);
  for (const OrderedJson& listener : array(document, "listeners")) {
    if (raw_text(listener, "protocol") != "smtp") continue;
    if (!options.listener.empty() && raw_text(listener, "name") != options.listener) continue;
    for (const OrderedJson& address : array(listener, "addresses")) {
      auto parsed = Endpoint::parse(plain(address));
      if (!parsed || parsed->transport == Transport::inherited) continue;
      server = std::move(*parsed);
      // What listens on every address of this machine is reached on one of them.
      if (server.host == "0.0.0.0") server.host = "127.0.0.1";
      if (server.host == "::") server.host = "::1";
      return kDone;
    }
  }
  return complain("netd has no such listener with protocol = smtp; --server names another server",
                  kFailed, context);
}

int make_message(const SendOptions& options, const Context& context, std::string& message) {
  if (!options.file.empty()) {
    auto text = read_input(options.file);
    if (!text) return complain(text.error().what(), kFailed, context);
    message = with_crlf(*text);
    return kDone;
  }
  Draft draft{.from = address_of(options.from).empty() ? "netctl@" + host_name() : options.from,
              .to = options.to,
              .subject = options.subject,
              .headers = options.headers,
              .text = {},
              .html = {},
              .attachments = {}};
  for (const std::string& header : options.headers) {
    const std::size_t colon = header.find(':');
    if (colon == 0 || colon == std::string::npos ||
        !std::ranges::all_of(header.substr(0, colon), [](char c) { return c > ' ' && c <= '~'; })) {
      return complain("--header: expected \"NAME: VALUE\"", kUsage, context);
    }
  }
  auto text =
      options.body && *options.body != "-" ? Result<std::string>(*options.body) : read_input("-");
  if (!text) return complain(text.error().what(), kFailed, context);
  draft.text = std::move(*text);
  if (!options.html_file.empty()) {
    auto html = read_input(options.html_file);
    if (!html) return complain(html.error().what(), kFailed, context);
    draft.html = std::move(*html);
  }
  for (const std::string& path : options.attachments) {
    auto content = read_input(path);
    if (!content) return complain(content.error().what(), kFailed, context);
    draft.attachments.push_back({path.substr(path.rfind('/') + 1), std::move(*content)});
  }
  message = compose(draft, std::chrono::system_clock::now(), unique_id(), host_name());
  return kDone;
}

std::string words_of(const SmtpReply& reply) {
  std::string text = std::to_string(reply.code) + ' ' + reply.text;
  std::ranges::replace(text, '\n', ' ');
  return shown(text);
}

int report(const Submission& submission, const Context& context) {
  const bool all = std::ranges::all_of(
      submission.recipients, [](const auto& recipient) { return recipient.reply.is_positive(); });
  if (context.json) {
    OrderedJson document = {{"status", submission.accepted ? "ok" : "refused"},
                            {"code", submission.reply.code},
                            {"reply", submission.reply.text},
                            {"recipients", OrderedJson::array()}};
    for (const auto& [address, reply] : submission.recipients) {
      document["recipients"].push_back(
          {{"address", address}, {"code", reply.code}, {"reply", reply.text}});
    }
    print(document.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + '\n');
    return submission.accepted && all ? kDone : kFailed;
  }
  for (const auto& [address, reply] : submission.recipients) {
    if (!reply.is_positive()) complain(shown(address) + " is refused: " + words_of(reply), kFailed);
  }
  if (!submission.accepted) {
    return complain("the message is refused: " + words_of(submission.reply), kFailed, context);
  }
  print(words_of(submission.reply) + '\n');
  return all ? kDone : kFailed;
}

int send(const SendOptions& options, const Context& context) {
  std::vector<std::string> given = options.to;
  given.insert(given.end(), options.headers.begin(), options.headers.end());
  given.insert(given.end(), {options.from, options.subject});
  if (std::ranges::any_of(given, has_line_end)) {
    return complain("mail send: a line end in an address or a header", kUsage, context);
  }
  const auto names_nobody = [](const std::string& to) { return address_of(to).empty(); };
  if (std::ranges::any_of(options.to, names_nobody)) {
    return complain("--to: expected an address", kUsage, context);
  }
  std::string message;
  if (const int status = make_message(options, context, message); status != kDone) return status;
  Endpoint server;
  if (const int status = find_server(options, context, server); status != kDone) return status;
  auto client = SmtpClient::connect(server, context.timeout);
  if (!client) {
    const ClientError& error = client.error();
    return complain(error.message, kUnreachable, trouble_word(error.trouble), context);
  }
  Envelope envelope{.sender = address_of(options.from), .recipients = {}};
  for (const std::string& recipient : options.to) {
    envelope.recipients.push_back(address_of(recipient));
  }
  const auto submission = client->submit(envelope, message, host_name());
  if (!submission) {
    const ClientError& error = submission.error();
    return complain(server.text() + ": " + error.message, kFailed, trouble_word(error.trouble),
                    context);
  }
  return report(*submission, context);
}

}  // namespace

std::function<int(const Context&)> define_mail_send(CLI::App& command) {
  const auto options = std::make_shared<SendOptions>();  // lives as long as the callback
  options->from = "netctl@" + host_name();
  command.add_option("BODY", options->body, "the text; -, or none: standard input");
  command.add_option("--to", options->to, "a recipient; may be given again")
      ->type_name("ADDRESS")
      ->required()
      ->take_all()
      ->expected(1, -1)
      ->allow_extra_args(false);
  command.add_option("--from", options->from, "the sender; <>: the null sender")
      ->type_name("ADDRESS")
      ->capture_default_str();
  command.add_option("--subject", options->subject, "the subject")->type_name("TEXT");
  command.add_option("--header", options->headers, "one more header field, \"NAME: VALUE\"")
      ->type_name("FIELD")
      ->expected(1, -1)
      ->allow_extra_args(false);
  command.add_option("--attach", options->attachments, "a file to attach; may be given again")
      ->type_name("FILE")
      ->expected(1, -1)
      ->allow_extra_args(false);
  command.add_option("--html", options->html_file, "an HTML alternative to the text")
      ->type_name("FILE");
  command
      .add_option("--file", options->file,
                  "send this message as it is, header and all; -: standard input")
      ->type_name("FILE");
  command
      .add_option("--server", options->server, "HOST:PORT or unix:PATH; else netd's own listener")
      ->type_name("ADDRESS");
  command.add_option("--listener", options->listener, "this listener of netd")->type_name("NAME");
  return [options](const Context& context) { return send(*options, context); };
}

}  // namespace netd::ctl
