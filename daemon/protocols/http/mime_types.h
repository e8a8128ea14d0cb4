// Media types by file name extension.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

namespace netd::http {

/// The system's table (/etc/mime.types) over a small one of our own, so that a web site works on a
/// host without it.
class MimeTypes {
 public:
  /// Reads `path`, a file in the form of mime.types(5); one that cannot be read adds nothing.
  explicit MimeTypes(const std::string& path = "/etc/mime.types");

  /// The value for Content-Type, with a charset where text needs one.
  /// "application/octet-stream" for what is not known.
  [[nodiscard]] std::string_view type_of(std::string_view file_name) const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  void add(std::string_view extension, std::string_view type);
  void read_table(std::string_view text);

  std::unordered_map<std::string, std::string, Hash, std::equal_to<>> types_;
};

}  // namespace netd::http
