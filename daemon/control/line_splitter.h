#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace netd::control {

/// Cuts bytes into lines of a bounded length.
class LineSplitter {
 public:
  enum class Kind : std::uint8_t {
    line,      ///< complete; without its line end (LF or CRLF)
    too_long,  ///< once for each such line, at its end; `text` is empty
  };
  using Visitor = std::function<void(Kind kind, std::string_view text)>;

  explicit LineSplitter(std::size_t max_line) : max_line_(max_line) {}

  void feed(std::string_view bytes, const Visitor& visit);

  /// Forgets an unfinished line, and says whether there was one.
  bool drop_unfinished();

 private:
  void finish(std::string_view end_of_line, const Visitor& visit);

  std::size_t max_line_;
  std::string unfinished_;
  bool too_long_ = false;  // the line that is being read
};

}  // namespace netd::control
