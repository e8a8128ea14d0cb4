#include "daemon/protocols/smtp/maildir.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>

#include "daemon/base/text.h"
#include "daemon/base/unique_fd.h"

namespace netd::smtp {

namespace {

constexpr std::string_view kOwnPrefix = "netd.";
constexpr std::size_t kMaxFileName = 255;  // NAME_MAX
constexpr mode_t kFolderMode = 0770;       // less the umask
/// Of the host's name in file names, which have to hold the rest and what readers append, too.
constexpr std::size_t kMaxHostPart = 128;

/// "/" and ":" mean something in Maildir names; the page says how to write them.
std::string host_part(std::string_view hostname) {
  std::string host;
  for (const char c : hostname) {
    if (c == '/') {
      host += "\\057";
    } else if (c == ':') {
      host += "\\072";
    } else if (c > ' ' && c <= '~' && c != ',') {
      host += c;
    }
  }
  if (host.size() > kMaxHostPart) host.resize(kMaxHostPart);
  return host.empty() ? "localhost" : host;
}

/// Process ids come again, in containers after every start: a random number tells instances apart.
std::string instance_part() {
  std::uint32_t random = 0;
  if (::getrandom(&random, sizeof random, 0) != sizeof random) {
    random =
        static_cast<std::uint32_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  }
  std::array<char, 40> text{};
  const int length =
      std::snprintf(text.data(), text.size(), "P%dR%08x", static_cast<int>(::getpid()), random);
  return {text.data(), static_cast<std::size_t>(length)};
}

void append_escaped(std::string& name, char c) {
  name += '%';
  append_hex(name, c);
}

/// Makes one folder; brings it and its name to disk when `sync` is set, even if it was there: a
/// crash may have come between a mkdir and its fsync.
Result<void> make_folder(const std::string& path, const std::string& parent, bool sync) {
  if (::mkdir(path.c_str(), kFolderMode) != 0 && errno != EEXIST) {
    return fail_system("mkdir " + path, errno);
  }
  if (!sync) return {};
  if (const int error = sync_folder(parent); error != 0) {
    return fail_system("fsync " + parent, error);
  }
  return {};
}

}  // namespace

UniqueNames::UniqueNames(const Clock& clock, std::string_view hostname)
    : clock_(clock), host_(host_part(hostname)), instance_(instance_part()) {}

UniqueNames::Name UniqueNames::next() {
  const auto now = clock_.wall().time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now);
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(now - seconds);
  Name name;
  name.id.reserve(48);
  name.id += 'M';
  name.id += std::to_string(micros.count());
  name.id += instance_;
  name.id += 'Q';
  name.id += std::to_string(count_.fetch_add(1, std::memory_order_relaxed) + 1);
  name.file.reserve(name.id.size() + host_.size() + 40);
  name.file += std::to_string(seconds.count());
  name.file += '.';
  name.file += name.id;
  name.file += '.';
  name.file += host_;
  return name;
}

std::string UniqueNames::in_tmp(std::string_view file) {
  std::string name(kOwnPrefix);
  name += file;
  return name;
}

bool UniqueNames::is_of_netd(std::string_view name_in_tmp) {
  return name_in_tmp.starts_with(kOwnPrefix);
}

bool UniqueNames::is_of_this(std::string_view name_in_tmp) const {
  return is_of_netd(name_in_tmp) && name_in_tmp.find(instance_ + 'Q') != std::string_view::npos;
}

std::optional<std::string> mailbox_folder_name(std::string_view local_part) {
  std::string name;
  for (const char c : local_part) {
    const auto byte = static_cast<unsigned char>(c);
    const bool harmless = byte >= 0x80 || is_ascii_alpha(c) || is_ascii_digit(c) ||
                          std::string_view("._-+=@").find(c) != std::string_view::npos;
    if (!harmless || (c == '.' && name.empty())) {
      append_escaped(name, c);
    } else {
      name += ascii_lower(c);
    }
  }
  if (name.empty() || name.size() > kMaxFileName) return {};
  return name;
}

Result<void> make_mailbox(const std::string& root, std::string_view mailbox, bool sync) {
  const std::string domain = root + '/' + std::string(mailbox.substr(0, mailbox.find('/')));
  const std::string user = root + '/' + std::string(mailbox);
  auto made = make_folder(domain, root, sync);
  if (made) made = make_folder(user, domain, sync);
  for (const char* part : {"/tmp", "/cur", "/new"}) {
    if (made) made = make_folder(user + part, user, false);
  }
  if (made && sync) {
    if (const int error = sync_folder(user); error != 0) return fail_system("fsync " + user, error);
  }
  return made;
}

Result<void> make_root(const std::string& root) {
  for (std::size_t slash = root.find('/', 1); true; slash = root.find('/', slash + 1)) {
    const std::string path = root.substr(0, slash);
    const bool is_root = slash == std::string::npos;
    const int error = ::mkdir(path.c_str(), kFolderMode) == 0 ? 0 : errno;
    // A folder above the root need not be one that we could make.
    const bool may_exist = error == EACCES || error == EPERM || error == EROFS;
    if (error != 0 && error != EEXIST && (is_root || !may_exist)) {
      return fail_system("mkdir " + path, error);
    }
    if (error == 0) {
      const std::string parent = path.substr(0, path.rfind('/') + 1);
      if (const int failed = sync_folder(parent); failed != 0) {
        return fail_system("fsync " + parent, failed);
      }
    }
    if (is_root) return {};
  }
}

int sync_folder(const std::string& path) {
  const UniqueFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return errno;
  // Some network file systems cannot sync a folder, and make no promise that it would strengthen.
  if (::fsync(folder.get()) != 0 && errno != EINVAL) return errno;
  return 0;
}

int rename_new(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
  // A file system without that flag: link(2) does not replace either.
  if (::link(from.c_str(), to.c_str()) == 0) {
    // The message is there now: that its other name stays until the next sweep is no failure.
    ::unlink(from.c_str());
    return 0;
  }
  if (!cannot_link(errno)) return errno;
  // Nor has it links. Names are unique: there is nothing to replace.
  return ::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
}

bool cannot_link(int error) {
  return error == EPERM || error == EMLINK || error == EXDEV || error == EOPNOTSUPP ||
         error == ENOSYS;
}

}  // namespace netd::smtp
