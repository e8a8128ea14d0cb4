#include "daemon/config/addresses.h"

#include <gmock/gmock.h>

#include <string>

#include "tests/unit/config/config_fixture.h"

namespace netd::config::test {
namespace {

using ::testing::ElementsAre;

TEST(Addresses, OverlapWhereTheKernelWouldShareOrShadow) {
  const struct {
    const char* a;
    const char* b;
    bool overlap;
  } cases[] = {
      {"tcp:127.0.0.1:80", "tcp:127.0.0.1:80", true},
      {"tcp:127.0.0.1:80", "tcp:127.0.0.1:81", false},
      {"tcp:127.0.0.1:80", "tcp:127.0.0.2:80", false},
      {"tcp:127.0.0.1:80", "udp:127.0.0.1:80", false},
      {"tcp:127.0.0.1:0", "tcp:127.0.0.1:0", false},
      {"tcp:*:80", "tcp:127.0.0.1:80", true},
      {"tcp:*:80", "tcp:[::1]:80", true},
      {"tcp:*:80", "tcp:*:80", true},
      {"tcp:*:0", "tcp:*:0", false},
      {"tcp:*:80", "tcp:host.example:80", true},
      {"tcp:0.0.0.0:80", "tcp:127.0.0.1:80", true},
      {"tcp:0.0.0.0:80", "tcp:[::1]:80", false},
      {"tcp:0.0.0.0:80", "tcp:[::]:80", false},
      {"tcp:[::]:80", "tcp:[::1]:80", true},
      {"tcp:[::]:80", "tcp:127.0.0.1:80", false},
      {"tcp:*:80", "tcp:[::]:80", true},
      {"tcp:[::1]:80", "tcp:[0:0:0:0:0:0:0:1]:80", true},
      {"tcp:localhost:80", "tcp:127.0.0.1:80", true},
      {"tcp:[::1]:80", "tcp:LOCALHOST:80", true},
      {"tcp:localhost:80", "tcp:127.0.0.2:80", false},
      {"tcp:a.example:80", "tcp:A.example:80", true},
      {"unix:/a/b", "unix:/a/b", true},
      {"unix:/a/b", "unix:/a//./b", true},
      {"unix:/a/b", "unix:/a/c/../b", true},
      {"unix:/a/b", "unix:/a/c", false},
      {"fd:a", "fd:a", true},
      {"fd:a", "fd:b", false},
      {"fd:a", "unix:a", false},
  };
  for (const auto& test : cases) {
    const auto a = Endpoint::parse(test.a);
    const auto b = Endpoint::parse(test.b);
    ASSERT_TRUE(a && b);
    EXPECT_EQ(overlap(*a, *b), test.overlap) << test.a << " and " << test.b;
    EXPECT_EQ(overlap(*b, *a), test.overlap) << test.b << " and " << test.a;
  }
}

TEST(Addresses, NameBothPlaces) {
  EXPECT_THAT(
      mistakes_of(load_text("[listener a]\nprotocol = echo\nlisten = tcp:*:80\nlisten = tcp:*:80\n"
                            "[listener b]\nprotocol = echo\nlisten = udp:*:80\n"
                            "listen = tcp:[::1]:80\n")),
      ElementsAre("netd.conf:4: [listener a] listen: found \"tcp:*:80\", expected an address of "
                  "its own: tcp:*:80 belongs to [listener a] at netd.conf:3",
                  "netd.conf:8: [listener b] listen: found \"tcp:[::1]:80\", expected an address "
                  "of its own: tcp:*:80 belongs to [listener a] at netd.conf:3"));
}

TEST(Addresses, KeepOutOfTheControlChannels) {
  EXPECT_THAT(
      mistakes_of(load_text("[control]\nsocket = /tmp/s\nfifo = /tmp/s\n"
                            "[listener a]\nprotocol = echo\nlisten = unix:/tmp/s\n"
                            "listen = unix:/tmp/reply.fifo\n")),
      ElementsAre("netd.conf:3: [control] fifo: found \"/tmp/s\", expected a path of its own",
                  "netd.conf:6: [listener a] listen: found \"unix:/tmp/s\", expected an address "
                  "of its own: unix:/tmp/s belongs to [control] at netd.conf:2",
                  "netd.conf:7: [listener a] listen: found \"unix:/tmp/reply.fifo\", expected an "
                  "address of its own: unix:/tmp/reply.fifo belongs to [control]"));
}

TEST(Addresses, AreBounded) {
  std::string text;
  for (std::size_t i = 0; i <= kMaxAddresses; ++i) {
    const std::string number = std::to_string(i);
    text.append("[listener l").append(number).append("]\nprotocol = echo\n");
    text.append("listen = fd:").append(number).append("\n");
  }
  EXPECT_THAT(mistakes_of(load_text(text)),
              ElementsAre("netd.conf:3075: [listener l1024] listen: expected at most 1024 "
                          "addresses over all listeners"));
}

}  // namespace
}  // namespace netd::config::test
