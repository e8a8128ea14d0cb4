#include "daemon/systemd/service_manager.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

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
