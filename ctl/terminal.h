// What standard output and standard error can show.
#pragma once

#include <string>
#include <string_view>

namespace netd::ctl {

/// What standard output is.
struct Terminal {
  bool colour = false;   ///< a terminal, and NO_COLOR is not set
  bool moves = false;    ///< a terminal that can place its cursor and clear itself
  unsigned rows = 0;     ///< 0: no terminal
  unsigned columns = 0;  ///< 0: no terminal
  [[nodiscard]] bool is_terminal() const { return rows > 0; }

  [[nodiscard]] static Terminal of_standard_output();

  [[nodiscard]] std::string bold(std::string_view text) const { return paint("1", text); }
  [[nodiscard]] std::string red(std::string_view text) const { return paint("31", text); }
  [[nodiscard]] std::string green(std::string_view text) const { return paint("32", text); }
  [[nodiscard]] std::string yellow(std::string_view text) const { return paint("33", text); }

 private:
  [[nodiscard]] std::string paint(std::string_view code, std::string_view text) const;
};

/// Columns of standard error, where a line that is drawn over and over may show how far it is; 0:
/// it is no terminal, or one that cannot.
[[nodiscard]] unsigned progress_columns();

/// Looks which characters the user's locale has (LC_CTYPE). Before it, all of Unicode may be shown.
void use_locale();
/// Whether there may be more than ASCII in what netctl draws itself.
[[nodiscard]] bool has_symbols();
/// For tests: as if the locale had them or not.
void set_symbols(bool symbols);
/// Whether the descriptor is a terminal that more than ASCII of others' making must not reach:
/// where it is not read as UTF-8, its bytes may be controls (ECMA-48's C1).
[[nodiscard]] bool is_ascii_terminal(int fd);

/// Descriptors 0 to 2 that netctl was started without are taken, so that no socket or file gets
/// their number; what is read from or written to them fails with EBADF.
void take_standard_descriptors();

}  // namespace netd::ctl
