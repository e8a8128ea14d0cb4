#include "ctl/mail_folders.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <tuple>
#include <utility>

#include <nlohmann/json.hpp>

#include "ctl/json_access.h"
#include "ctl/printers.h"
#include "daemon/base/text.h"

namespace netd::ctl {

namespace {

namespace fs = std::filesystem;

/// A mailbox's folder has what could confuse a file system as %XX.
std::string unescaped(std::string_view name) {
  const auto hex = [](char c) {
    if (is_ascii_digit(c)) return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  std::string result;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const bool escape =
        name[i] == '%' && i + 2 < name.size() && hex(name[i + 1]) >= 0 && hex(name[i + 2]) >= 0;
    if (escape) {
      result += static_cast<char>(hex(name[i + 1]) * 16 + hex(name[i + 2]));
      i += 2;
    } else {
      result += name[i];
    }
  }
  return result;
}

/// "1763827200.M250117P42R9f31c0d2Q7.mx,S=1234:2,S": the parts of a Maildir name.
void read_name(std::string_view name, StoredMail& mail) {
  const std::size_t info = name.find(":2,");
  mail.seen = info != std::string_view::npos && name.find('S', info) != std::string_view::npos;
  const std::string_view unique = name.substr(0, info);
  const std::size_t dot = unique.find('.');
  const auto seconds = parse_decimal(unique.substr(0, dot));
  mail.id = unique.substr(0, unique.find(','));
  if (!seconds || dot == std::string_view::npos) return;
  mail.time = std::chrono::seconds(std::min<std::uint64_t>(*seconds, std::uint64_t{1} << 40));
  const std::string_view middle = unique.substr(dot + 1, unique.find('.', dot + 1) - dot - 1);
  if (!middle.starts_with('M')) return;
  const std::size_t end = middle.find_first_not_of("0123456789", 1);
  if (const auto micros = parse_decimal(middle.substr(1, end - 1)); micros && *micros < 1'000'000) {
    mail.time += std::chrono::microseconds(*micros);
  }
  const bool is_netds = middle.find('P') != std::string_view::npos &&
                        middle.find('R') != std::string_view::npos &&
                        middle.find('Q') != std::string_view::npos;
  if (is_netds) mail.id = middle;
}

/// Adds the messages of one folder.
std::error_code collect(const fs::path& folder, const std::string& mailbox,
                        std::vector<StoredMail>& found) {
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    struct stat info{};
    if (name.starts_with('.') || ::stat(entry->path().c_str(), &info) != 0) continue;
    if (!S_ISREG(info.st_mode)) continue;
    StoredMail mail;
    mail.mailbox = mailbox;
    mail.path = entry->path().string();
    mail.size = static_cast<std::uint64_t>(info.st_size);
    mail.time = std::chrono::seconds(info.st_mtim.tv_sec);
    read_name(name, mail);
    found.push_back(std::move(mail));
  }
  const bool missing = error == std::errc::no_such_file_or_directory;
  return missing || error == std::errc::not_a_directory ? std::error_code() : error;
}

/// The folders in a folder; what is missing has none.
std::error_code folders_in(const fs::path& path, std::vector<fs::path>& folders) {
  std::error_code error;
  for (fs::directory_iterator entry(path, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code unknown;
    if (entry->is_directory(unknown)) folders.push_back(entry->path());
  }
  return error == std::errc::no_such_file_or_directory ? std::error_code() : error;
}

Error cannot_read(const fs::path& path, const std::error_code& error) {
  return system_error("read " + path.string(), error.value());
}

}  // namespace

std::vector<std::string> smtp_values(std::string_view config, std::string_view listener,
                                     std::string_view key) {
  std::vector<std::string> values;
  std::vector<std::string> of_section;
  bool wanted = false;  // the section is of that listener
  bool is_smtp = false;
  const auto end_section = [&] {
    if (wanted && is_smtp) values.insert(values.end(), of_section.begin(), of_section.end());
    of_section.clear();
    is_smtp = false;
  };
  for (const std::string_view line : split(config, '\n')) {
    constexpr std::string_view kListener = "[listener ";
    if (line.starts_with('[')) {
      end_section();
      wanted = line.starts_with(kListener) && line.ends_with(']') &&
               (listener.empty() ||
                line.substr(kListener.size(), line.size() - kListener.size() - 1) == listener);
      continue;
    }
    const std::size_t equals = line.find(" = ");
    if (equals == std::string_view::npos) continue;
    const std::string_view name = line.substr(0, equals);
    const std::string_view value = line.substr(equals + 3);
    if (name == "protocol") is_smtp = value == "smtp";
    if (name == key) of_section.emplace_back(value);
  }
  end_section();
  return values;
}

MailRoots find_mail_roots(const MailSource& source, const Context& context) {
  if (!source.maildir.empty()) return {.folders = {source.maildir}, .error = {}};
  auto client = context.connect();
  if (!client) return {.folders = {}, .error = client.error().what(), .status = kUnreachable};
  const auto answer = client->ask(R"({"type":"config"})", context.timeout);
  if (!answer) return {.folders = {}, .error = answer.error().what(), .status = kUnreachable};
  if (outcome_of(*answer).status != "ok") {
    return {.folders = {}, .error = render_error(*answer), .status = kFailed};
  }
  const OrderedJson document = OrderedJson::parse(*answer, nullptr, false);
  std::vector<std::string> folders =
      smtp_values(raw_text(document, "config"), source.listener, "maildir");
  std::ranges::sort(folders);
  folders.erase(std::ranges::unique(folders).begin(), folders.end());
  if (!folders.empty()) return {.folders = std::move(folders), .error = {}};
  std::string error = "no listener speaks smtp";
  if (!source.listener.empty()) error = "no listener " + source.listener + " speaks smtp";
  return {.folders = {}, .error = std::move(error), .status = kFailed};
}

Result<std::vector<StoredMail>> list_mail(const std::vector<std::string>& roots) {
  std::vector<StoredMail> found;
  for (const std::string& root : roots) {
    std::vector<fs::path> domains;
    if (const auto error = folders_in(root, domains)) {
      return std::unexpected(cannot_read(root, error));
    }
    for (const fs::path& domain : domains) {
      std::vector<fs::path> users;
      if (const auto error = folders_in(domain, users)) {
        return std::unexpected(cannot_read(domain, error));
      }
      for (const fs::path& user : users) {
        const std::string mailbox =
            unescaped(user.filename().string()) + '@' + domain.filename().string();
        for (const char* part : {"new", "cur"}) {
          const auto error = collect(user / part, mailbox, found);
          if (error) return std::unexpected(cannot_read(user / part, error));
        }
      }
    }
  }
  std::ranges::sort(found, [](const StoredMail& a, const StoredMail& b) {
    // Of one microsecond the ids end with a count, and a longer one is a later one.
    const auto key = [](const StoredMail& mail) {
      return std::tuple(mail.time, mail.id.size(), std::string_view(mail.id));
    };
    return key(b) < key(a);
  });
  return found;
}

Result<std::string> read_mail(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info{};
  if (!file || ::fstat(file.get(), &info) != 0) return fail_system("read " + path, errno);
  const auto size = std::min<std::uint64_t>(static_cast<std::uint64_t>(info.st_size), kMaxMail);
  std::string text(static_cast<std::size_t>(size), '\0');
  std::size_t have = 0;
  while (have < text.size()) {
    const ssize_t got = ::read(file.get(), text.data() + have, text.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_system("read " + path, errno);
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  text.resize(have);
  return text;
}

}  // namespace netd::ctl
