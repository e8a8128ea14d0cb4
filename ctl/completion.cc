#include "ctl/completion.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "ctl/json_access.h"
#include "ctl/mail_folders.h"
#include "daemon/control/vocabulary.h"

namespace netd::ctl {

namespace {

// Somebody waits with his finger on the key.
constexpr milliseconds kPatience{1000};

/// `name` of each element of `list` in the daemon's answer.
std::vector<std::string> ask_for(std::string_view request, const char* list, const char* name,
                                 const Context& context) {
  auto client = context.connect();
  if (!client) return {};
  const auto answer = client->ask(request, kPatience);
  if (!answer) return {};
  const OrderedJson document = OrderedJson::parse(*answer, nullptr, false);
  if (!document.is_object()) return {};
  std::vector<std::string> values;
  for (const auto& element : array(document, list)) {
    const OrderedJson& value = member(element, name);
    if (!value.is_null()) values.push_back(plain(value));
  }
  return values;
}

/// The ids of the newest mail, where whoever asks may read it.
std::vector<std::string> mail_ids(const Context& context) {
  constexpr std::size_t kMost = 1000;
  Context patient = context;
  patient.timeout = kPatience;
  const MailRoots roots = find_mail_roots({}, patient);
  const auto listed = list_mail(roots.folders);
  if (!listed) return {};
  std::vector<std::string> ids = {"latest"};
  for (const StoredMail& mail : *listed) {
    if (ids.size() > kMost) break;
    ids.push_back(mail.id);
  }
  return ids;
}

std::vector<std::string> ids_for(std::string_view command, const Context& context) {
  if (command == "task add") return {};  // a new task's id is not one that is there
  if (command.starts_with("task ")) {
    return ask_for(R"({"type":"tasks","limit":1000})", "tasks", "id", context);
  }
  if (command.starts_with("mail ")) return mail_ids(context);
  return ask_for(R"({"type":"connections","limit":1000})", "connections", "id", context);
}

}  // namespace

std::vector<std::string> values_of(std::string_view argument, std::string_view command,
                                   const Context& context) {
  if (argument == "--listener" || argument == "LISTENER") {
    return ask_for(R"({"type":"listeners"})", "listeners", "name", context);
  }
  if (argument == "--queue" || argument == "QUEUE") {
    return ask_for(R"({"type":"task_stats"})", "queues", "name", context);
  }
  if (argument == "ID") return ids_for(command, context);
  if (argument == "SERVICE") return ask_for(R"({"type":"status"})", "services", "name", context);
  if (argument == "--mode" && command == "latency") return {"connect", "echo", "udp", "http"};
  if (argument == "--mode") return {"echo", "send", "receive"};
  if (argument == "--client") {
    return ask_for(R"({"type":"connections","limit":1000})", "connections", "client", context);
  }
  if (argument == "LEVEL") return {"debug", "info", "warning", "error"};
  if (argument == "--state") return {"ready", "delayed", "leased", "dead"};
  if (argument == "KIND") return {control::kEventKinds.begin(), control::kEventKinds.end()};
  return {};
}

std::string completion_lines(std::vector<std::string> candidates, std::string_view prefix) {
  std::ranges::sort(candidates);
  const auto twice = std::ranges::unique(candidates);
  candidates.erase(twice.begin(), twice.end());
  std::string lines;
  for (const auto& candidate : candidates) {
    if (candidate.starts_with(prefix)) lines += candidate + "\n";
  }
  return lines;
}

}  // namespace netd::ctl
