#include "daemon/protocols/http/autoindex.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>

#include "daemon/base/text.h"
#include "daemon/base/unique_fd.h"
#include "daemon/protocols/http/beneath.h"
#include "daemon/protocols/http/url.h"

namespace netd::http {

namespace {

struct CloseFolder {
  void operator()(DIR* folder) const noexcept { ::closedir(folder); }
};

/// What `name` is, a symbolic link followed as far as it stays in the folder.
bool inspect(int folder, const char* name, struct stat& status) {
  if (::fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return false;
  if (!S_ISLNK(status.st_mode)) return true;
  const UniqueFd fd(open_beneath(folder, name, O_PATH));
  return fd && ::fstat(fd.get(), &status) == 0;
}

// "2026-11-22 15:35"
std::string format_minutes(std::int64_t seconds) {
  std::string text = format_rfc3339(WallTime(std::chrono::seconds(seconds)));
  text.resize(16);
  text[10] = ' ';
  return text;
}

// "1023", "4.0K", "17M": at most four characters.
std::string format_short_size(std::uint64_t bytes) {
  constexpr std::string_view kUnits = "KMGTPE";
  if (bytes < 1024) return std::to_string(bytes);
  std::size_t unit = 0;
  std::uint64_t tenths = bytes * 10 / 1024;
  if (bytes > UINT64_MAX / 10) tenths = bytes / 1024 * 10;
  while (tenths >= 10240 && unit + 1 < kUnits.size()) {
    tenths /= 1024;
    ++unit;
  }
  std::string text = std::to_string(tenths / 10);
  if (tenths < 100) text += "." + std::to_string(tenths % 10);
  return text + kUnits[unit];
}

/// Relative to the folder; by it even a name that is no UTF-8 can be asked for.
std::string reference_to(const FolderEntry& entry) {
  std::string reference;
  append_url_path(reference, entry.name);
  if (entry.is_folder) reference += '/';
  return reference;
}

}  // namespace

FolderListing list_folder(int fd, bool dot_files) {
  FolderListing listing;
  UniqueFd own(::openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!own) return listing;
  const std::unique_ptr<DIR, CloseFolder> folder(::fdopendir(own.get()));
  if (!folder) return listing;
  (void)own.release();
  // readdir(3) is safe for threads that each have a stream of their own.
  while (const dirent* entry = ::readdir(folder.get())) {  // NOLINT(concurrency-mt-unsafe)
    const std::string_view name = entry->d_name;
    if (name == "." || name == ".." || (!dot_files && name.starts_with('.'))) continue;
    struct stat status{};
    if (!inspect(fd, entry->d_name, status)) continue;
    const bool is_folder = S_ISDIR(status.st_mode);
    if (!is_folder && !S_ISREG(status.st_mode)) continue;
    if (listing.entries.size() == kMaxListed) {
      listing.cut = true;
      break;
    }
    listing.entries.push_back({.name = std::string(name),
                               .is_folder = is_folder,
                               .size = static_cast<std::uint64_t>(status.st_size),
                               .last_modified = status.st_mtim.tv_sec});
  }
  std::sort(listing.entries.begin(), listing.entries.end(),
            [](const FolderEntry& a, const FolderEntry& b) {
              if (a.is_folder != b.is_folder) return a.is_folder;
              return a.name < b.name;
            });
  return listing;
}

std::string listing_html(const FolderListing& listing, std::string_view path) {
  std::string title = "Index of ";
  append_html(title, path);
  std::string page =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width\">\n<title>" +
      title +
      "</title>\n<style>body{font-family:sans-serif;margin:2em}td,th{padding:.1em 1em .1em 0;"
      "text-align:left}td.n{text-align:right}</style>\n</head>\n<body>\n<h1>" +
      title +
      "</h1>\n<table>\n<thead><tr><th>Name</th><th>Size</th><th>Modified (UTC)</th></tr></thead>\n"
      "<tbody>\n";
  if (path != "/") page += "<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>\n";
  for (const FolderEntry& entry : listing.entries) {
    const std::string_view slash = entry.is_folder ? "/" : "";
    page += "<tr><td><a href=\"";
    append_html(page, reference_to(entry));
    page.append("\">");
    append_html(page, entry.name);
    page.append(slash).append("</a></td><td class=\"n\">");
    if (!entry.is_folder) page += format_short_size(entry.size);
    page.append("</td><td>").append(format_minutes(entry.last_modified)).append("</td></tr>\n");
  }
  page += "</tbody>\n</table>\n";
  if (listing.cut) page += "<p>There is more than can be listed here.</p>\n";
  return page + "</body>\n</html>\n";
}

std::string listing_json(const FolderListing& listing) {
  std::string text = "[";
  for (const FolderEntry& entry : listing.entries) {
    if (text.size() > 1) text += ',';
    text.append("\n{\"name\":").append(json_quote(entry.name));
    text.append(",\"href\":").append(json_quote(reference_to(entry)));
    text.append(entry.is_folder ? ",\"type\":\"directory\"" : ",\"type\":\"file\"");
    if (!entry.is_folder) text.append(",\"size\":").append(std::to_string(entry.size));
    const std::string time = format_rfc3339(WallTime(std::chrono::seconds(entry.last_modified)));
    text.append(",\"mtime\":").append(json_quote(time)).append("}");
  }
  return text + "\n]\n";
}

}  // namespace netd::http
