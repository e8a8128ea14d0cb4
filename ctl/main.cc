#include <csignal>

#include "ctl/command_line.h"
#include "ctl/terminal.h"

int main(int argc, char** argv) {
  netd::ctl::take_standard_descriptors();
  netd::ctl::use_locale();
  // Whoever started netctl may ignore it; a reader that has gone then would not end it.
  (void)std::signal(SIGPIPE, SIG_DFL);
  return netd::ctl::run(argc, argv);
}
