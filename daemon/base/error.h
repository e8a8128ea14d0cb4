// Errors that the outside world causes, as values.
//
// What the operator reads is one line made of three parts: what was being done, on what, and the
// system's reason: "listen tcp:127.0.0.1:25: Permission denied".
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace netd {

class Error {
 public:
  /// `code` is an errno value, or 0 where the error is not the system's.
  explicit Error(std::string what, int code = 0) : what_(std::move(what)), code_(code) {}

  [[nodiscard]] const std::string& what() const { return what_; }
  [[nodiscard]] int code() const { return code_; }

  /// The same error with the outer step in front: "DOING: what".
  [[nodiscard]] Error within(std::string_view doing) const;

 private:
  std::string what_;
  int code_;
};

/// "DOING: strerror(CODE)", safe to call from any thread.
[[nodiscard]] Error system_error(std::string_view doing, int code);

template <class T>
using Result = std::expected<T, Error>;

/// Shorthand for `return std::unexpected(Error(...))`.
[[nodiscard]] inline std::unexpected<Error> fail(std::string what, int code = 0) {
  return std::unexpected(Error(std::move(what), code));
}
[[nodiscard]] inline std::unexpected<Error> fail_system(std::string_view doing, int code) {
  return std::unexpected(system_error(doing, code));
}

}  // namespace netd
