#include "daemon/protocols/http/file_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <utility>

#include "daemon/protocols/http/beneath.h"
#include "daemon/protocols/http/date.h"

namespace netd::http {

namespace {

// A file system's time may stand still for this long while a file is changed twice.
constexpr std::int64_t kTimestampStep = 1'000'000'000;

// How much older than its original a coded sibling may be: the parts of a site that is copied get
// their times one after another.
constexpr std::int64_t kSiblingLag = 2'000'000'000;

UniqueFd open_file(int root, const std::string& path) {
  // Not blocking: the path may turn out to be a FIFO that nobody writes.
  return UniqueFd(open_beneath(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
}

Found::Kind kind_of_error(int error) {
  switch (error) {
    case EACCES:
    case EPERM:
      return Found::Kind::forbidden;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return Found::Kind::no_descriptors;
    default:
      return Found::Kind::absent;
  }
}

std::int64_t nanoseconds(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

void append_hex(std::string& out, std::uint64_t value) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  int shift = 60;
  while (shift > 0 && (value >> shift) == 0) shift -= 4;
  for (; shift >= 0; shift -= 4) out += kDigits[value >> shift & 15U];
}

/// All of a small file; false when it is not `size` bytes long any more.
bool read_all(int fd, std::uint64_t size, std::string& content) {
  content.resize(static_cast<std::size_t>(size));
  std::size_t done = 0;
  while (done < content.size()) {
    const ssize_t count =
        ::pread(fd, content.data() + done, content.size() - done, static_cast<off_t>(done));
    if (count <= 0) return false;
    done += static_cast<std::size_t>(count);
  }
  return true;
}

}  // namespace

std::string_view coding_name(Coding coding) {
  constexpr std::array<std::string_view, kCodingCount> kNames = {"identity", "zstd", "br", "gzip"};
  return kNames[static_cast<std::size_t>(coding)];
}

std::string_view coding_suffix(Coding coding) {
  constexpr std::array<std::string_view, kCodingCount> kSuffixes = {"", ".zst", ".br", ".gz"};
  return kSuffixes[static_cast<std::size_t>(coding)];
}

FileCache::FileCache(const MimeTypes& types, std::uint64_t max_memory)
    : types_(types), max_memory_(max_memory) {}

Found FileCache::find(SiteRoot& root, std::string_view path, Monotonic now,
                      std::int64_t now_seconds) {
  const auto identity = reinterpret_cast<std::uintptr_t>(&root);
  key_.assign(reinterpret_cast<const char*>(&identity), sizeof identity);
  key_ += path;
  const auto hit = by_key_.find(key_);
  if (hit != by_key_.end()) {
    entries_.splice(entries_.begin(), entries_, hit->second);
    if (now - hit->second->validated_at < kFresh) return found(*hit->second);
  }
  if (!root.fd || now - root.opened_at >= kFresh) {
    // Opened anew now and then: a new version of a site is often put in place by renaming.
    root.fd.reset(::open(root.path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    root.opened_at = now;
  }
  Opened opened = open_path(root, path);
  if (opened.kind != Found::Kind::file) {
    if (hit != by_key_.end()) forget(hit->second);
    return {.kind = opened.kind, .folder = std::move(opened.fds[0])};
  }
  if (hit != by_key_.end()) {
    Entry& entry = *hit->second;
    const bool same = entry.identities == opened.identities && entry.name == opened.name;
    if (same && entry.is_settled) {
      entry.validated_at = now;
      return found(entry);
    }
    forget(hit->second);
  }
  Entry entry = make_entry(root, opened, now_seconds);
  entry.validated_at = now;
  return found(keep(std::move(entry)));
}

FileCache::Identity FileCache::identify(int fd, bool& is_regular, bool& is_folder) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) return {};
  is_regular = S_ISREG(status.st_mode);
  is_folder = S_ISDIR(status.st_mode);
  return {.device = status.st_dev,
          .inode = status.st_ino,
          .size = static_cast<std::uint64_t>(status.st_size),
          .modified_ns = nanoseconds(status.st_mtim),
          .changed_ns = nanoseconds(status.st_ctim)};
}

FileCache::Opened FileCache::open_path(const SiteRoot& root, std::string_view path) {
  Opened opened;
  opened.name = path.empty() ? "." : path;
  UniqueFd fd = open_file(root.fd.get(), opened.name);
  if (!fd) {
    opened.kind = kind_of_error(errno);
    return opened;
  }
  bool is_regular = false;
  bool is_folder = false;
  opened.identities[0] = identify(fd.get(), is_regular, is_folder);
  if (is_folder) {
    if (!path.empty() && !path.ends_with('/')) {
      opened.kind = Found::Kind::needs_slash;
      return opened;
    }
    opened.kind = Found::Kind::folder;
    opened.fds[0] = std::move(fd);
    open_index(root, path, opened);
    if (opened.kind != Found::Kind::file) return opened;
  } else if (is_regular) {
    opened.kind = Found::Kind::file;
    opened.fds[0] = std::move(fd);
  } else {
    return opened;
  }
  if (root.precompressed) open_variants(root, opened);
  return opened;
}

void FileCache::open_index(const SiteRoot& root, std::string_view path, Opened& opened) {
  for (const std::string& index : root.index_names) {
    std::string name = std::string(path) + index;
    UniqueFd fd = open_file(root.fd.get(), name);
    if (!fd && errno == ENOENT) continue;
    if (!fd) {
      opened.kind = kind_of_error(errno);
      return;
    }
    bool is_regular = false;
    bool is_folder = false;
    const Identity identity = identify(fd.get(), is_regular, is_folder);
    if (!is_regular) continue;
    opened.kind = Found::Kind::file;
    opened.identities[0] = identity;
    opened.name = std::move(name);
    opened.fds[0] = std::move(fd);
    return;
  }
}

void FileCache::open_variants(const SiteRoot& root, Opened& opened) {
  std::string name;
  for (std::size_t i = 1; i < kCodingCount; ++i) {
    name.assign(opened.name).append(coding_suffix(static_cast<Coding>(i)));
    UniqueFd fd = open_file(root.fd.get(), name);
    if (!fd) continue;
    bool is_regular = false;
    bool is_folder = false;
    const Identity identity = identify(fd.get(), is_regular, is_folder);
    if (!is_regular) continue;
    if (identity.modified_ns + kSiblingLag < opened.identities[0].modified_ns) continue;
    opened.identities[i] = identity;
    opened.fds[i] = std::move(fd);
  }
}

FileCache::Entry FileCache::make_entry(const SiteRoot& root, Opened& opened,
                                       std::int64_t now) const {
  Entry entry;
  entry.key = key_;
  entry.name = opened.name;
  entry.identities = opened.identities;
  // What files are stamped with is the kernel's time and no other.
  timespec kernel_time{};
  (void)::clock_gettime(CLOCK_REALTIME, &kernel_time);
  const std::int64_t settled = nanoseconds(kernel_time) - kTimestampStep;
  entry.is_settled = std::all_of(opened.identities.begin(), opened.identities.end(),
                                 [settled](const Identity& i) { return i.changed_ns < settled; });
  entry.memory = sizeof(Entry) + entry.key.size() + entry.name.size();
  for (std::size_t i = 0; i < kCodingCount; ++i) {
    if (!opened.fds[i]) continue;
    entry.files[i] = make_file(root, opened, static_cast<Coding>(i), std::move(opened.fds[i]), now);
    const StoredFile& file = *entry.files[i];
    entry.memory += sizeof(StoredFile) + file.fields.size() + file.content.size();
    if (file.file) ++entry.open_files;
  }
  return entry;
}

std::unique_ptr<StoredFile> FileCache::make_file(const SiteRoot& root, const Opened& opened,
                                                 Coding coding, UniqueFd fd,
                                                 std::int64_t now) const {
  const auto index = static_cast<std::size_t>(coding);
  const Identity& identity = opened.identities[index];
  auto file = std::make_unique<StoredFile>();
  file->size = identity.size;
  // RFC 9110, section 8.8.2.1: never later than the answer itself.
  file->last_modified = std::min(identity.modified_ns / 1'000'000'000, now);
  file->entity_tag = '"';
  append_hex(file->entity_tag, static_cast<std::uint64_t>(identity.modified_ns));
  file->entity_tag += '-';
  append_hex(file->entity_tag, identity.size);
  file->entity_tag.append(coding_suffix(coding)).push_back('"');
  if (file->size > kMaxContent || !read_all(fd.get(), file->size, file->content)) {
    file->content.clear();
    file->file = std::make_shared<const UniqueFd>(std::move(fd));
  }
  std::array<char, kDateSize> date;
  format_date(file->last_modified, date.data());
  const bool varies = std::any_of(opened.identities.begin() + 1, opened.identities.end(),
                                  [](const Identity& other) { return other.inode != 0; });
  std::string& fields = file->fields;
  // The type is the original's, whatever coding it comes in.
  fields.append("Content-Type: ").append(types_.type_of(opened.name)).append("\r\n");
  if (coding != Coding::identity) {
    fields.append("Content-Encoding: ").append(coding_name(coding)).append("\r\n");
  }
  file->type_size = fields.size();
  fields.append("Accept-Ranges: bytes\r\n");
  fields.append("Last-Modified: ").append(date.data(), date.size()).append("\r\n");
  fields.append("ETag: ").append(file->entity_tag).append("\r\n");
  if (varies) fields.append("Vary: Accept-Encoding\r\n");
  fields.append(root.fields);
  return file;
}

Found FileCache::found(const Entry& entry) {
  Found result;
  result.kind = Found::Kind::file;
  for (std::size_t i = 0; i < kCodingCount; ++i) result.files[i] = entry.files[i].get();
  return result;
}

const FileCache::Entry& FileCache::keep(Entry entry) {
  // What would push out much of the rest is not worth it.
  if (entry.memory > max_memory_ / 4) {
    passing_ = std::move(entry);
    return passing_;
  }
  entries_.push_front(std::move(entry));
  const auto at = entries_.begin();
  by_key_.emplace(at->key, at);
  memory_ += at->memory;
  open_files_ += at->open_files;
  while (memory_ > max_memory_ || open_files_ > kMaxOpenFiles) forget(std::prev(entries_.end()));
  return *at;
}

void FileCache::forget(Entries::iterator at) {
  memory_ -= at->memory;
  open_files_ -= at->open_files;
  by_key_.erase(at->key);
  entries_.erase(at);
}

}  // namespace netd::http
