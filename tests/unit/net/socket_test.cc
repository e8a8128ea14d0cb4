#include "daemon/net/socket.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temp_dir.h"

namespace netd {
namespace {

const UnixSocketMode kMode{0600, std::nullopt};

Result<std::vector<std::vector<BoundSocket>>> open(std::string_view text, unsigned copies = 1) {
  return open_sockets(*Endpoint::parse(text), copies, false, kMode);
}

TEST(OpenSockets, SaysWhichPortTheKernelChose) {
  const auto opened = open("tcp:127.0.0.1:0");
  ASSERT_TRUE(opened) << opened.error().what();
  ASSERT_EQ(opened->size(), 1U);
  EXPECT_NE((*opened)[0][0].endpoint.port, 0);
  EXPECT_EQ((*opened)[0][0].endpoint.host, "127.0.0.1");
}

TEST(OpenSockets, CopiesShareOneAddress) {
  for (const auto* text : {"tcp:127.0.0.1:0", "udp:[::1]:0", "tcp:*:0"}) {
    const auto opened = open(text, 3);
    ASSERT_TRUE(opened) << opened.error().what();
    const auto& group = opened->front();
    ASSERT_EQ(group.size(), 3U);
    EXPECT_EQ(group[0].endpoint.port, group[2].endpoint.port);
    EXPECT_EQ(group[0].endpoint.transport, Endpoint::parse(text)->transport);
  }
}

TEST(OpenSockets, AnAddressThatIsTakenIsAnErrorAlsoBetweenSocketsThatShare) {
  for (const std::string scheme : {"tcp", "udp"}) {
    const auto first = open(scheme + ":127.0.0.1:0", 2);
    ASSERT_TRUE(first);
    const std::string taken = first->front()[0].endpoint.text();
    const auto second = open(taken, 2);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code(), EADDRINUSE);
    EXPECT_NE(second.error().what().find("listen " + taken), std::string::npos);
  }
}

TEST(OpenSockets, OursMayStandBesideOurs) {
  const auto first = open("tcp:127.0.0.1:0", 1);
  ASSERT_TRUE(first);
  Endpoint all = first->front()[0].endpoint;
  all.host = "0.0.0.0";
  EXPECT_TRUE(open_sockets(all, 2, true, kMode));
  EXPECT_FALSE(open_sockets(all, 2, false, kMode));
}

TEST(OpenSockets, AUnixSocketHasItsMode) {
  const test::TempDir dir;
  const std::string path = dir.path() / "s";
  const auto opened = open("unix:" + path);
  ASSERT_TRUE(opened) << opened.error().what();
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_TRUE(S_ISSOCK(status.st_mode));
  EXPECT_EQ(status.st_mode & 0777, 0600U);
}

TEST(OpenSockets, ReplacesTheSocketOfADeadProcessOnly) {
  const test::TempDir dir;
  const std::string path = dir.path() / "s";
  {
    const auto first = open("unix:" + path);
    ASSERT_TRUE(first);
    EXPECT_FALSE(open("unix:" + path)) << "a living one is left alone";
  }
  EXPECT_TRUE(std::filesystem::exists(path));
  EXPECT_TRUE(open("unix:" + path)) << "a dead one is replaced";
}

TEST(OpenSockets, LeavesAFileThatIsNoSocketAlone) {
  const test::TempDir dir;
  const std::string path = dir.path() / "s";
  std::ofstream(path) << "precious";
  const auto opened = open("unix:" + path);
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().what().find("not a socket"), std::string::npos);
  EXPECT_TRUE(std::filesystem::is_regular_file(path));
}

TEST(SocketAddress, WritesPeersAsPeopleExpectThem) {
  const auto text = [](int family, const char* host, std::uint16_t port) {
    if (family == AF_INET) {
      sockaddr_in v4{};
      v4.sin_family = AF_INET;
      v4.sin_port = htons(port);
      v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      return SocketAddress(reinterpret_cast<sockaddr*>(&v4), sizeof v4).text();
    }
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    const IpBytes bytes = *IpBytes::parse(host);
    std::copy_n(bytes.bytes, 16, v6.sin6_addr.s6_addr);
    return SocketAddress(reinterpret_cast<sockaddr*>(&v6), sizeof v6).text();
  };
  EXPECT_EQ(text(AF_INET, "127.0.0.1", 80), "127.0.0.1:80");
  EXPECT_EQ(text(AF_INET6, "::1", 80), "[::1]:80");
  EXPECT_EQ(text(AF_INET6, "::ffff:192.0.2.1", 80), "192.0.2.1:80");
  EXPECT_EQ(text(AF_INET6, "::ffff:255.255.255.255", 80), "255.255.255.255:80");
  EXPECT_EQ(text(AF_INET6, "::ffff:10.0.10.100", 80), "10.0.10.100:80");
  EXPECT_EQ(SocketAddress::unix_peer(1000, 42).text(), "unix:uid=1000,pid=42");
  EXPECT_EQ(SocketAddress().text(), "unknown");
}

}  // namespace
}  // namespace netd
