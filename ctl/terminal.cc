#include "ctl/terminal.h"

#include <fcntl.h>
#include <langinfo.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdlib>

namespace netd::ctl {

namespace {

bool symbols = true;  // written once, before anything is shown

std::string_view variable(const char* name) {
  const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): one thread
  return value == nullptr ? std::string_view() : value;
}

bool terminal_at(int fd) { return ::isatty(fd) == 1; }

/// Whether escape sequences do something there, as far as its kind tells.
bool obeys(int fd) {
  const std::string_view kind = variable("TERM");
  return terminal_at(fd) && !kind.empty() && kind != "dumb" && kind != "unknown";
}

winsize size_of(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0) size = {};
  if (size.ws_row == 0) size.ws_row = 24;
  if (size.ws_col == 0) size.ws_col = 80;
  return size;
}

}  // namespace

Terminal Terminal::of_standard_output() {
  Terminal terminal;
  if (!terminal_at(STDOUT_FILENO)) return terminal;
  const winsize size = size_of(STDOUT_FILENO);
  terminal.rows = size.ws_row;
  terminal.columns = size.ws_col;
  terminal.moves = obeys(STDOUT_FILENO);
  terminal.colour = terminal.moves && variable("NO_COLOR").empty();
  return terminal;
}

std::string Terminal::paint(std::string_view code, std::string_view text) const {
  if (!colour) return std::string(text);
  std::string out = "\x1b[";
  out += code;
  out += 'm';
  out += text;
  return out + "\x1b[0m";
}

unsigned progress_columns() { return obeys(STDERR_FILENO) ? size_of(STDERR_FILENO).ws_col : 0; }

void use_locale() {
  // NOLINTBEGIN(concurrency-mt-unsafe): one thread
  (void)std::setlocale(LC_CTYPE, "");
  set_symbols(std::string_view(::nl_langinfo(CODESET)) == "UTF-8");
  // NOLINTEND(concurrency-mt-unsafe)
}

bool has_symbols() { return symbols; }
void set_symbols(bool has) { symbols = has; }
bool is_ascii_terminal(int fd) { return !symbols && terminal_at(fd); }

void take_standard_descriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest number that is free, opened for what nobody does with it.
    (void)!::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

}  // namespace netd::ctl
