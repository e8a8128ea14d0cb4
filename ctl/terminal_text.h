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

/// The same for a stream that comes in pieces: lines and tabs stay what they are.
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
