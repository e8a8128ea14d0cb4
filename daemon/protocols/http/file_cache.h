// Files of web sites, opened beneath their roots, the hot ones kept at hand.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "daemon/base/clock.h"
#include "daemon/base/unique_fd.h"
#include "daemon/net/stream.h"
#include "daemon/protocols/http/mime_types.h"

namespace netd::http {

/// A content coding that a file may lie beside its original in, named by its suffix.
enum class Coding : std::uint8_t { identity, zstd, br, gzip };
inline constexpr std::size_t kCodingCount = 4;
[[nodiscard]] std::string_view coding_name(Coding coding);
[[nodiscard]] std::string_view coding_suffix(Coding coding);

/// One regular file, ready to be sent. What is small is held in memory, what is not held open.
struct StoredFile {
  std::uint64_t size = 0;
  std::int64_t last_modified = 0;  ///< seconds since 1970, never in the future
  std::string entity_tag;
  /// Header fields, each with its CRLF: first those that describe the content (type_size bytes),
  /// then those that a 304 has, too.
  std::string fields;
  std::size_t type_size = 0;
  std::string content;  ///< all of it, when `file` is null
  SharedFile file;
};

/// What a path stands for.
struct Found {
  enum class Kind : std::uint8_t {
    file,
    folder,         ///< without an index file; `folder` is open
    needs_slash,    ///< a folder, asked for without the slash at its end
    absent,         ///< not there, or not to be shown
    forbidden,      ///< there, but netd may not read it
    no_descriptors  ///< the process has no descriptors left
  };
  Kind kind = Kind::absent;
  /// By Coding; the first is the file itself, null entries do not exist. Valid until the next call
  /// of the cache.
  std::array<const StoredFile*, kCodingCount> files{};
  UniqueFd folder;
};

/// The root of a web site: a folder that nothing is served from outside of.
struct SiteRoot {
  std::string path;
  std::vector<std::string> index_names;
  bool precompressed = false;
  std::string fields;  ///< that every file of this site is sent with, each with its CRLF
  UniqueFd fd;
  Monotonic opened_at;
};

/// One a worker and listener. What it hands out is at most kFresh old: within a second a file that
/// was changed, replaced or taken away is seen. Bounded in memory and in descriptors.
class FileCache {
 public:
  static constexpr std::uint64_t kMaxContent = 16384;  ///< larger files are sent by sendfile(2)
  static constexpr std::chrono::milliseconds kFresh{500};

  /// `max_memory` bytes of names and contents; 0 keeps nothing. `types` must outlive the cache.
  FileCache(const MimeTypes& types, std::uint64_t max_memory);
  FileCache(const FileCache&) = delete;
  FileCache& operator=(const FileCache&) = delete;

  /// `path` is relative to the root, decoded, without dot segments and without a slash in front;
  /// empty is the root itself. `now_seconds` is the wall clock's.
  [[nodiscard]] Found find(SiteRoot& root, std::string_view path, Monotonic now,
                           std::int64_t now_seconds);

  [[nodiscard]] std::uint64_t memory() const { return memory_; }
  [[nodiscard]] std::size_t entries() const { return entries_.size(); }

 private:
  static constexpr std::size_t kMaxOpenFiles = 256;

  /// What changes when a file is changed or replaced; all zero for a file that is not there.
  struct Identity {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::uint64_t size = 0;
    std::int64_t modified_ns = 0;
    std::int64_t changed_ns = 0;
    friend bool operator==(const Identity&, const Identity&) = default;
  };
  /// What opening a path gave, by Coding.
  struct Opened {
    Found::Kind kind = Found::Kind::absent;
    std::string name;  // of the first, relative to the root
    std::array<UniqueFd, kCodingCount> fds;
    std::array<Identity, kCodingCount> identities;
  };
  struct Entry {
    std::string key;
    std::string name;
    std::array<Identity, kCodingCount> identities;
    std::array<std::unique_ptr<StoredFile>, kCodingCount> files;
    Monotonic validated_at;
    bool is_settled = true;  // it was last changed well before it was read
    std::uint64_t memory = 0;
    std::size_t open_files = 0;
  };
  using Entries = std::list<Entry>;

  [[nodiscard]] static Opened open_path(const SiteRoot& root, std::string_view path);
  /// Puts the folder's index file in its place, if it has one.
  static void open_index(const SiteRoot& root, std::string_view path, Opened& opened);
  /// Those that are not left over from an earlier version of the file.
  static void open_variants(const SiteRoot& root, Opened& opened);
  [[nodiscard]] static Identity identify(int fd, bool& is_regular, bool& is_folder);
  [[nodiscard]] Entry make_entry(const SiteRoot& root, Opened& opened, std::int64_t now) const;
  [[nodiscard]] std::unique_ptr<StoredFile> make_file(const SiteRoot& root, const Opened& opened,
                                                      Coding coding, UniqueFd fd,
                                                      std::int64_t now) const;
  [[nodiscard]] static Found found(const Entry& entry);
  const Entry& keep(Entry entry);
  void forget(Entries::iterator at);

  const MimeTypes& types_;
  std::uint64_t max_memory_;
  std::uint64_t memory_ = 0;
  std::size_t open_files_ = 0;
  Entries entries_;                                                 // the most recently used first
  std::unordered_map<std::string_view, Entries::iterator> by_key_;  // views into the entries
  Entry passing_;    // what was found last and is not kept
  std::string key_;  // of the call under way; a member for its capacity
};

}  // namespace netd::http
