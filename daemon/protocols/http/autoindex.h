// The listing of a folder that has no index file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace netd::http {

struct FolderEntry {
  std::string name;
  bool is_folder = false;
  std::uint64_t size = 0;
  std::int64_t last_modified = 0;  ///< seconds since 1970
};

struct FolderListing {
  std::vector<FolderEntry> entries;  ///< folders first, each sorted by name
  bool cut = false;                  ///< there were more than kMaxListed
};

inline constexpr std::size_t kMaxListed = 10000;

/// Reads a folder that is open for reading. Left out are names that begin with a dot (unless
/// `dot_files`), symbolic links that leave the folder, and whatever is neither file nor folder.
[[nodiscard]] FolderListing list_folder(int fd, bool dot_files);

/// `path` is the folder's, as asked for: for the title, and to know whether there is one above.
[[nodiscard]] std::string listing_html(const FolderListing& listing, std::string_view path);
/// An array of {name, href, type, size, mtime}: bytes of a name that are no UTF-8 are U+FFFD there,
/// and exact in the reference, which is relative to the folder.
[[nodiscard]] std::string listing_json(const FolderListing& listing);

}  // namespace netd::http
