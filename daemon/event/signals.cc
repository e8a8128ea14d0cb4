#include "daemon/event/signals.h"

#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>

namespace netd {

namespace {

sigset_t make_set(const std::vector<int>& numbers) {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : numbers) sigaddset(&set, number);
  return set;
}

}  // namespace

Result<void> block_signals(const std::vector<int>& numbers) {
  const sigset_t set = make_set(numbers);
  if (const int code = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); code != 0) {
    return fail_system("block signals", code);
  }
  return {};
}

Result<std::unique_ptr<Signals>> Signals::create(Dispatcher& dispatcher,
                                                 const std::vector<int>& numbers,
                                                 std::function<void(int)> callback) {
  if (auto blocked = block_signals(numbers); !blocked) return std::unexpected(blocked.error());
  const sigset_t set = make_set(numbers);
  std::unique_ptr<Signals> signals(new Signals(std::move(callback)));
  signals->fd_ = UniqueFd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals->fd_) return fail_system("signalfd", errno);
  auto watch =
      ReadWatch::create(dispatcher, signals->fd_.get(), [raw = signals.get()] { raw->read(); });
  if (!watch) return std::unexpected(watch.error());
  signals->watch_ = std::move(*watch);
  return signals;
}

void Signals::read() {
  signalfd_siginfo info{};
  while (::read(fd_.get(), &info, sizeof info) == sizeof info) {
    callback_(static_cast<int>(info.ssi_signo));
  }
}

}  // namespace netd
