#include "daemon/systemd/inherited_sockets.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace netd {
namespace {

/// Runs `check` in a process that has `count` sockets from SD_LISTEN_FDS_START on, and returns its
/// exit status. The descriptors' numbers are fixed, so the test's own process cannot be used.
template <class Check>
int in_child_with_sockets(int count, const std::string& names, Check check) {
  const pid_t child = ::fork();
  if (child == 0) {
    for (int i = 0; i < count; ++i) {
      const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
      if (fd != SD_LISTEN_FDS_START + i) ::dup2(fd, SD_LISTEN_FDS_START + i);
    }
    ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
    ::setenv("LISTEN_FDS", std::to_string(count).c_str(), 1);
    ::setenv("LISTEN_FDNAMES", names.c_str(), 1);
    ::_exit(check());
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(InheritedSockets, TakesThemOverByName) {
  const int status = in_child_with_sockets(2, "web:mail", [] {
    const auto sockets = take_inherited_sockets();
    if (!sockets || sockets->size() != 2) return 1;
    if ((*sockets)[0].name != "web" || (*sockets)[1].name != "mail") return 2;
    const int fd = (*sockets)[1].fd.get();
    if (fd != SD_LISTEN_FDS_START + 1) return 3;
    if ((::fcntl(fd, F_GETFL) & O_NONBLOCK) == 0) return 4;
    if ((::fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0) return 5;
    if (std::getenv("LISTEN_FDS") != nullptr) return 6;  // NOLINT(concurrency-mt-unsafe)
    return 0;
  });
  EXPECT_EQ(status, 0);
}

TEST(InheritedSockets, AreNoneWithoutASocketUnit) {
  const auto sockets = take_inherited_sockets();
  ASSERT_TRUE(sockets);
  EXPECT_TRUE(sockets->empty());
}

}  // namespace
}  // namespace netd
