#include "daemon/protocols/smtp/client_limits.h"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/support/fake_clock.h"

namespace netd::smtp {
namespace {

IpBytes ip(const char* text) { return *IpBytes::parse(text); }

TEST(ClientLimits, CountConnectionsAndMessagesForEachClient) {
  test::FakeClock clock;
  ClientLimits limits({.connections = 2, .messages = 1});
  EXPECT_TRUE(limits.admit_connection(ip("192.0.2.1"), clock.now()));
  EXPECT_TRUE(limits.admit_connection(ip("192.0.2.1"), clock.now()));
  EXPECT_FALSE(limits.admit_connection(ip("192.0.2.1"), clock.now()));
  EXPECT_TRUE(limits.admit_connection(ip("192.0.2.2"), clock.now()));
  EXPECT_TRUE(limits.admit_message(ip("192.0.2.1"), clock.now()));
  EXPECT_FALSE(limits.admit_message(ip("192.0.2.1"), clock.now()));
}

TEST(ClientLimits, BeginAnewAfterAMinute) {
  test::FakeClock clock;
  ClientLimits limits({.connections = 1, .messages = 0});
  EXPECT_TRUE(limits.admit_connection(ip("192.0.2.1"), clock.now()));
  clock.advance(std::chrono::seconds(59));
  EXPECT_FALSE(limits.admit_connection(ip("192.0.2.1"), clock.now()));
  clock.advance(std::chrono::seconds(1));
  EXPECT_TRUE(limits.admit_connection(ip("192.0.2.1"), clock.now()));
  EXPECT_TRUE(limits.admit_message(ip("192.0.2.1"), clock.now())) << "zero is no limit";
}

TEST(ClientLimits, TakeAnIpv6CustomerAsOne) {
  test::FakeClock clock;
  ClientLimits limits({.connections = 1, .messages = 0});
  EXPECT_TRUE(limits.admit_connection(ip("2001:db8::1"), clock.now()));
  EXPECT_FALSE(limits.admit_connection(ip("2001:db8::ffff:1"), clock.now()));
  EXPECT_TRUE(limits.admit_connection(ip("2001:db8:0:1::1"), clock.now()));
}

TEST(ClientLimits, RememberABoundedNumber) {
  test::FakeClock clock;
  ClientLimits limits({.connections = 1, .messages = 0});
  IpBytes address = ip("10.0.0.0");
  const auto nth = [&](std::size_t n) {
    address.bytes[13] = static_cast<unsigned char>(n >> 16);
    address.bytes[14] = static_cast<unsigned char>(n >> 8);
    address.bytes[15] = static_cast<unsigned char>(n);
    return address;
  };
  for (std::size_t n = 0; n < ClientLimits::kMaxClients; ++n) {
    ASSERT_TRUE(limits.admit_connection(nth(n), clock.now()));
  }
  const IpBytes newcomer = nth(ClientLimits::kMaxClients);
  EXPECT_TRUE(limits.admit_connection(newcomer, clock.now()));
  EXPECT_TRUE(limits.admit_connection(newcomer, clock.now())) << "there is no room to count it";
  EXPECT_FALSE(limits.admit_connection(nth(0), clock.now()));
  clock.advance(std::chrono::minutes(1));
  EXPECT_TRUE(limits.admit_connection(newcomer, clock.now()));
  EXPECT_FALSE(limits.admit_connection(newcomer, clock.now()));
}

}  // namespace
}  // namespace netd::smtp
