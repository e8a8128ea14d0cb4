#include "daemon/protocols/capture/folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/base/message_ids.h"
#include "daemon/base/text.h"
#include "daemon/base/unnamed_file.h"

namespace netd::capture {

namespace {

constexpr mode_t kFileMode = 0640;
constexpr mode_t kFolderMode = 0750;
constexpr int kMaxNames = 1000;
constexpr std::string_view kDraftSuffix = ".partial";

bool is_draft(std::string_view name) {
  return name.starts_with('.') && name.ends_with(kDraftSuffix);
}

struct DirClose {
  void operator()(DIR* dir) const noexcept { ::closedir(dir); }
};

}  // namespace

std::string file_name(WallTime time, std::string_view client, std::uint64_t id) {
  const std::time_t seconds = WallTime::clock::to_time_t(time);
  std::tm utc{};
  (void)::gmtime_r(&seconds, &utc);
  std::array<char, 32> stamp{};
  const std::size_t size = std::strftime(stamp.data(), stamp.size(), "%Y%m%dT%H%M%SZ-", &utc);
  std::string name(stamp.data(), size);
  for (const char c : client) {
    name += is_ascii_alpha(c) || is_ascii_digit(c) || c == '.' || c == ':' ? c : '_';
  }
  return name + "-" + std::to_string(id);
}

Folder::Folder(std::string listener, std::string path)
    : listener_(std::move(listener)), path_(std::move(path)) {}

Result<std::shared_ptr<Folder>> Folder::open(const std::string& listener, const std::string& path) {
  const std::string doing = "captures in " + path;
  std::shared_ptr<Folder> folder(new Folder(listener, path));
  if (auto made = folder->make(); !made) return std::unexpected(made.error().within(doing));
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail_system(doing, errno);
  if (::faccessat(fd.get(), ".", W_OK | X_OK, AT_EACCESS) != 0) return fail_system(doing, errno);
  folder->remove_stale_drafts();
  return folder;
}

Result<void> Folder::make() const {
  if (::mkdir(path_.c_str(), kFolderMode) == 0 || errno == EEXIST) return {};
  return fail(::strerrordesc_np(errno), errno);
}

void Folder::remove_stale_drafts() const {
  const std::unique_ptr<DIR, DirClose> folder(::opendir(path_.c_str()));
  if (!folder) return;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): the DIR is this thread's own
  while (const dirent* entry = ::readdir(folder.get())) {
    if (!is_draft(entry->d_name)) continue;
    const int fd = ::dirfd(folder.get());
    const UniqueFd draft(
        ::openat(fd, entry->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    // Who is still writing holds a lock.
    if (!draft || ::flock(draft.get(), LOCK_EX | LOCK_NB) != 0) continue;
    ::unlinkat(fd, entry->d_name, 0);
  }
}

Result<Draft> Folder::begin(const std::string& name) {
  const auto attempt = [&] {
    return kind_ == DraftKind::unnamed ? begin_unnamed() : begin_named(name);
  };
  auto draft = attempt();
  if (!draft && kind_ == DraftKind::unnamed && has_no_unnamed(draft.error().code())) {
    kind_ = DraftKind::named;
    draft = attempt();
  }
  if (!draft && draft.error().code() == ENOENT && make()) draft = attempt();
  return draft;
}

Result<Draft> Folder::begin_unnamed() {
  UniqueFd fd = open_unnamed(path_, O_WRONLY, kFileMode);
  if (!fd) return fail_system("create a file in " + path_, errno);
  return Draft{.fd = std::move(fd), .temporary_name = {}};
}

Result<Draft> Folder::begin_named(const std::string& name) {
  Draft draft{.fd = {}, .temporary_name = "." + name + std::string(kDraftSuffix)};
  draft.fd.reset(::open(path_of(draft.temporary_name).c_str(),
                        O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, kFileMode));
  if (!draft.fd) return fail_system("create a file in " + path_, errno);
  (void)::flock(draft.fd.get(), LOCK_EX | LOCK_NB);
  return draft;
}

Result<void> Folder::give_name(const Draft& draft, const std::string& name) const {
  const std::string path = path_of(name);
  int error = 0;
  if (draft.temporary_name.empty()) {
    error = link_unnamed(draft.fd.get(), path);
  } else if (::renameat2(AT_FDCWD, path_of(draft.temporary_name).c_str(), AT_FDCWD, path.c_str(),
                         RENAME_NOREPLACE) != 0) {
    error = errno;
  }
  if (error != 0) return fail_system("create " + path, error);
  return {};
}

Result<void> Folder::sync() const {
  const UniqueFd fd(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd && ::fsync(fd.get()) == 0) return {};
  return fail_system("sync " + path_, errno);
}

Result<std::string> Folder::keep(Draft draft, const std::string& name) {
  if (::fsync(draft.fd.get()) != 0) {
    const Error error = system_error("write " + path_of(name), errno);
    discard(std::move(draft));
    return std::unexpected(error);
  }
  std::string tried = name;
  Result<void> named = give_name(draft, tried);
  for (int i = 2; !named && named.error().code() == EEXIST && i < kMaxNames; ++i) {
    tried = name + "-" + std::to_string(i);
    named = give_name(draft, tried);
  }
  if (!named) {
    discard(std::move(draft));
    return std::unexpected(named.error());
  }
  if (auto synced = sync(); !synced) {
    ::unlink(path_of(tried).c_str());
    return std::unexpected(synced.error());
  }
  return tried;
}

void Folder::discard(Draft draft) {
  if (draft.temporary_name.empty()) return;
  ::unlink(path_of(draft.temporary_name).c_str());
}

void Folder::report_failure(const Error& error) {
  if (!trouble_.begins(std::to_string(error.code()), error.what(), Monotonic::clock::now())) return;
  LogEntry(LogLevel::error, "capture_failed")
      .message_id(message_id::kStoreUnavailable)
      .listener(listener_)
      .protocol("capture")
      .send("listener " + listener_ + ": " + error.what());
}

void Folder::report_success() {
  if (!trouble_.ends()) return;
  LogEntry(LogLevel::info, "capture_recovered")
      .listener(listener_)
      .protocol("capture")
      .send("listener " + listener_ + ": captures in " + path_ + " can be written again");
}

}  // namespace netd::capture
