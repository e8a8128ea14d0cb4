#include "daemon/systemd/service_manager.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "daemon/base/unique_fd.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temp_dir.h"

namespace netd {
namespace {

/// Receives what sd_notify(3) sends.
class ServiceManagerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string path = dir_.path() / "notify";
    socket_ = UniqueFd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  }
  void TearDown() override {
    ::unsetenv("NOTIFY_SOCKET");
    ::unsetenv("WATCHDOG_USEC");
    ::unsetenv("WATCHDOG_PID");
  }
  std::string received() {
    char buffer[4096];
    const ssize_t count = ::recv(socket_.get(), buffer, sizeof buffer, 0);
    return count < 0 ? "" : std::string(buffer, static_cast<std::size_t>(count));
  }

  test::TempDir dir_;
  test::FakeClock clock_;
  UniqueFd socket_;
};

TEST_F(ServiceManagerTest, TellsEachStepOfALife) {
  const auto manager = make_systemd_service_manager(clock_);
  manager->ready("serving");
  EXPECT_EQ(received(), "READY=1\nSTATUS=serving");
  manager->reloading();
  const auto now =
      std::chrono::duration_cast<std::chrono::microseconds>(clock_.now().time_since_epoch());
  EXPECT_EQ(received(),
            "RELOADING=1\nMONOTONIC_USEC=" + std::to_string(now.count()) + "\nSTATUS=Reloading");
  manager->stopping("done");
  EXPECT_EQ(received(), "STOPPING=1\nSTATUS=done");
  manager->keep_alive();
  EXPECT_EQ(received(), "WATCHDOG=1");
}

TEST_F(ServiceManagerTest, CutsAStatusThatSystemdWouldDropWithAllThatItStandsBeside) {
  const auto manager = make_systemd_service_manager(clock_);
  std::string status(999, 'x');
  for (int i = 0; i < 3000; ++i) status += "\u00e4";
  manager->ready(status);
  const std::string cut = std::string(999, 'x') + "...";  // and no half of a character
  EXPECT_EQ(received(), "READY=1\nSTATUS=" + cut);
  manager->stopping(status);
  EXPECT_EQ(received(), "STOPPING=1\nSTATUS=" + cut);
  manager->ready(std::string(1000, 'x'));
  EXPECT_EQ(received(), "READY=1\nSTATUS=" + std::string(1000, 'x'));
}

TEST_F(ServiceManagerTest, StoresDescriptorsInMessagesThatTheKernelTakes) {
  const auto manager = make_systemd_service_manager(clock_);
  EXPECT_TRUE(manager->is_there());
  const std::vector<int> many(300, socket_.get());
  manager->store("a.name", many);
  std::size_t descriptors = 0;
  for (int messages = 0; messages < 3; ++messages) {
    char buffer[4096];
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 300)];
    iovec part{buffer, sizeof buffer};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t count = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
    ASSERT_GT(count, 0);
    EXPECT_EQ(std::string(buffer, static_cast<std::size_t>(count)),
              "FDSTORE=1\nFDPOLL=0\nFDNAME=a.name");
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    ASSERT_NE(header, nullptr);
    const std::size_t passed = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < passed; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
      ::close(fd);
    }
    descriptors += passed;
  }
  EXPECT_EQ(descriptors, 300U);
  manager->remove_stored("a.name");
  EXPECT_EQ(received(), "FDSTOREREMOVE=1\nFDNAME=a.name");
}

TEST_F(ServiceManagerTest, OneThatDoesNotReadHoldsNothingUp) {
  const auto manager = make_systemd_service_manager(clock_);
  // More than the kernel keeps for any reader: without a look first this would block for ever.
  for (int i = 0; i < 20'000; ++i) manager->ready("serving");
  while (!received().empty()) {
  }
  manager->stopping("done");
  EXPECT_EQ(received(), "STOPPING=1\nSTATUS=done") << "and it is told again when it reads";
}

TEST_F(ServiceManagerTest, KnowsTheWatchdogOfItsOwnProcessOnly) {
  ::setenv("WATCHDOG_USEC", "3000000", 1);
  ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
  EXPECT_EQ(make_systemd_service_manager(clock_)->watchdog_interval(), std::chrono::seconds(3));
  ::setenv("WATCHDOG_PID", "1", 1);
  EXPECT_EQ(make_systemd_service_manager(clock_)->watchdog_interval(), std::chrono::seconds(0));
}

TEST_F(ServiceManagerTest, WithoutAServiceManagerNothingHappens) {
  ::unsetenv("NOTIFY_SOCKET");
  const auto manager = make_systemd_service_manager(clock_);
  manager->ready("nobody listens");
  EXPECT_EQ(received(), "");
  EXPECT_EQ(manager->watchdog_interval(), std::chrono::seconds(0));
}

}  // namespace
}  // namespace netd
