// Text of others' making, safe for a terminal.
#pragma once

#include <unistd.h>

#include <string>
#include <string_view>

namespace netd::ctl {

/// One line or cell: a line end is shown as \n, every other byte that could do something to a
/// terminal as \xHH: control characters (ECMA-48's C0 and C1, in UTF-8 or alone), what turns the
/// direction of writing, and what is no UTF-8 (RFC 3629); on a terminal that does not read UTF-8
/// every byte that is not ASCII, too.
/// `fd`: where it will be shown.
[[nodiscard]] std::string shown(std::string_view text, int fd = STDOUT_FILENO);

/// How many columns of a terminal the text takes, as wcwidth(3) has it in the user's locale: East
/// Asian characters two, those that combine with the one before none. What the locale does not
/// know, and a byte that is no character, one.
[[nodiscard]] std::size_t display_width(std::string_view text);
/// The whole characters at the start of the text that so many columns hold.
[[nodiscard]] std::string_view start_that_fits(std::string_view text, std::size_t columns);

/// shown() for a stream that comes in pieces: lines and tabs stay what they are.
class TerminalText {
 public:
  /// What may be shown by now. A character that is not whole yet is kept back.
  [[nodiscard]] std::string add(std::string_view piece);
  /// What was kept back, at the end of the stream.
  [[nodiscard]] std::string rest();

 private:
  std::string kept_;
};

}  // namespace netd::ctl
