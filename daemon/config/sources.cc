#include "daemon/config/sources.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "daemon/base/text.h"
#include "daemon/base/unique_fd.h"
#include "daemon/config/loader.h"

namespace netd::config {

namespace {

struct CloseDir {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

Result<UniqueFd> open_file(const std::string& path) {
  // Non-blocking: a FIFO without a writer must not hold up a reload.
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return fail_system("cannot open the file", errno);
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return fail_system("cannot examine the file", errno);
  if (S_ISDIR(status.st_mode)) return fail("found a folder, expected a file");
  if (!S_ISREG(status.st_mode) && !S_ISCHR(status.st_mode)) {
    return fail("expected a regular file");
  }
  return fd;
}

Result<std::string> read_file(const std::string& path) {
  const auto fd = open_file(path);
  if (!fd) return std::unexpected(fd.error());
  std::string text;
  char buffer[16384];
  for (;;) {
    const ssize_t count = ::read(fd->get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_system("cannot read the file", errno);
    if (count == 0) return text;
    text.append(buffer, static_cast<std::size_t>(count));
    if (text.size() > kMaxFileSize) {
      return fail("found a file over " + format_size(kMaxFileSize) + ", expected a smaller one");
    }
  }
}

bool is_wanted(std::string_view name) { return !name.starts_with('.') && name.ends_with(".conf"); }

std::vector<std::string> list_folder(const std::string& folder, MistakeList& mistakes) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, CloseDir> open(::opendir(folder.c_str()));
  if (!open) {
    if (errno != ENOENT) {
      mistakes.add(folder, 0, system_error("cannot read the folder", errno).what());
    }
    return names;
  }
  // The stream is this function's own: readdir(3) is safe on it.
  while (const dirent* entry = ::readdir(open.get())) {  // NOLINT(concurrency-mt-unsafe)
    if (!is_wanted(entry->d_name)) continue;
    if (names.size() == kMaxFiles) {
      mistakes.add(folder, 0, "expected at most " + std::to_string(kMaxFiles) + " files");
      break;
    }
    names.emplace_back(entry->d_name);
  }
  std::ranges::sort(names);
  return names;
}

std::string folder_beside(const std::string& path) {
  const auto slash = path.find_last_of('/');
  return (slash == std::string::npos ? "" : path.substr(0, slash + 1)) + "conf.d";
}

}  // namespace

std::vector<SourceFile> read_sources(const std::string& path, MistakeList& mistakes) {
  std::vector<std::string> names = {path};
  const std::string folder = folder_beside(path);
  for (const std::string& name : list_folder(folder, mistakes)) {
    names.push_back(folder);
    names.back().append("/").append(name);
  }
  std::vector<SourceFile> sources;
  for (const std::string& name : names) {
    auto text = read_file(name);
    if (!text) mistakes.add(name, 0, text.error().what());
    // One that cannot be read keeps its place, for the order of the report.
    sources.push_back({name, text ? std::move(*text) : std::string()});
  }
  return sources;
}

}  // namespace netd::config
