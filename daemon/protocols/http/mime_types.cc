#include "daemon/protocols/http/mime_types.h"

#include <array>
#include <fstream>
#include <sstream>

#include "daemon/base/text.h"

namespace netd::http {

namespace {

struct Known {
  std::string_view extension;
  std::string_view type;
};

// What a browser must be told right for a page to work; these win over the system's table, which
// has old names for some of them.
constexpr std::array kEssentials = std::to_array<Known>({
    {"avif", "image/avif"},
    {"css", "text/css"},
    {"csv", "text/csv"},
    {"gif", "image/gif"},
    {"gz", "application/gzip"},
    {"htm", "text/html"},
    {"html", "text/html"},
    {"ico", "image/vnd.microsoft.icon"},
    {"jpeg", "image/jpeg"},
    {"jpg", "image/jpeg"},
    {"js", "text/javascript"},
    {"json", "application/json"},
    {"log", "text/plain"},
    {"md", "text/markdown"},
    {"mjs", "text/javascript"},
    {"mp3", "audio/mpeg"},
    {"mp4", "video/mp4"},
    {"pdf", "application/pdf"},
    {"png", "image/png"},
    {"svg", "image/svg+xml"},
    {"tar", "application/x-tar"},
    {"txt", "text/plain"},
    {"wasm", "application/wasm"},
    {"webm", "video/webm"},
    {"webmanifest", "application/manifest+json"},
    {"webp", "image/webp"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"xml", "application/xml"},
    {"zip", "application/zip"},
    {"zst", "application/zstd"},
});

constexpr std::size_t kMaxExtension = 32;
constexpr std::string_view kUnknown = "application/octet-stream";

}  // namespace

MimeTypes::MimeTypes(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  if (file && text << file.rdbuf()) read_table(text.view());
  for (const Known& known : kEssentials) add(known.extension, known.type);
}

void MimeTypes::add(std::string_view extension, std::string_view type) {
  std::string value(type);
  if (type.starts_with("text/")) value += "; charset=utf-8";
  types_.insert_or_assign(to_ascii_lower(extension), std::move(value));
}

void MimeTypes::read_table(std::string_view text) {
  for (const std::string_view line : split(text, '\n')) {
    const auto words = split_words(line.substr(0, line.find('#')));
    for (std::size_t i = 1; i < words.size(); ++i) add(words[i], words[0]);
  }
}

std::string_view MimeTypes::type_of(std::string_view file_name) const {
  const std::size_t dot = file_name.rfind('.');
  if (dot == std::string_view::npos) return kUnknown;
  const std::string_view extension = file_name.substr(dot + 1);
  if (extension.empty() || extension.size() > kMaxExtension) return kUnknown;
  std::array<char, kMaxExtension> lower{};
  for (std::size_t i = 0; i < extension.size(); ++i) lower[i] = ascii_lower(extension[i]);
  const auto found = types_.find(std::string_view(lower.data(), extension.size()));
  return found == types_.end() ? kUnknown : std::string_view(found->second);
}

}  // namespace netd::http
