#include "ctl/clients/interrupt.h"

#include <algorithm>
#include <csignal>

namespace netd::ctl {

namespace {

volatile std::sig_atomic_t noted = 0;  // a signal handler may write nothing else

void note(int) { noted = 1; }

}  // namespace

void note_interrupts() {
  struct sigaction action{};
  action.sa_handler = note;
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;
  (void)::sigaction(SIGINT, &action, nullptr);
  (void)::sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() { return noted != 0; }

void sleep_unless_interrupted(Moment until) {
  constexpr milliseconds kStep{100};
  while (!interrupted()) {
    const Moment now = std::chrono::steady_clock::now();
    if (now >= until) return;
    sleep_until(std::min(until, now + kStep));
  }
}

}  // namespace netd::ctl
