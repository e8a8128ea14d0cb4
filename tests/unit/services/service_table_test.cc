#include "daemon/services/service_table.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "tests/support/fake_clock.h"
#include "tests/support/log_capture.h"

namespace netd::services {
namespace {

using namespace std::chrono_literals;

class InstanceChoiceTest : public ::testing::Test {
 protected:
  InstanceChoiceTest() {
    service_.name = "users";
    for (const char* const address : {"tcp:127.0.0.1:1", "tcp:[::1]:2", "unix:/run/x"}) {
      service_.instances.push_back(
          std::make_shared<SharedInstance>(*Endpoint::parse(address), clock_));
    }
  }
  SharedInstance& at(std::size_t index) { return *service_.instances[index]; }

  test::FakeClock clock_;
  SharedService service_;
};

TEST_F(InstanceChoiceTest, GivesEachOnceInAnyOrder) {
  std::set<std::size_t> first;
  for (int i = 0; i < 200; ++i) {
    InstanceChoice choice(service_, 8s);
    std::set<std::size_t> seen;
    for (int n = 0; n < 3; ++n) {
      const std::size_t index = choice.next(clock_.now());
      ASSERT_NE(index, InstanceChoice::kNone);
      if (n == 0) first.insert(index);
      seen.insert(index);
      choice.failed("no", clock_.now());
    }
    EXPECT_EQ(seen.size(), 3U);
    EXPECT_EQ(choice.next(clock_.now()), InstanceChoice::kNone);
  }
  EXPECT_EQ(first.size(), 3U);
}

TEST_F(InstanceChoiceTest, LeavesTheUnhealthyOut) {
  at(0).set_health(Health::unhealthy);
  at(1).set_health(Health::unhealthy);
  InstanceChoice choice(service_, 8s);
  EXPECT_EQ(choice.next(clock_.now()), 2U);
  choice.failed("broken", clock_.now());
  EXPECT_EQ(choice.next(clock_.now()), InstanceChoice::kNone);
  EXPECT_EQ(choice.account(), "no instance answers: unix:/run/x (broken)");
}

TEST_F(InstanceChoiceTest, SaysThatNoneIsHealthy) {
  for (std::size_t i = 0; i < 3; ++i) at(i).set_health(Health::unhealthy);
  InstanceChoice choice(service_, 8s);
  EXPECT_EQ(choice.next(clock_.now()), InstanceChoice::kNone);
  EXPECT_EQ(choice.account(), "no instance is healthy: 127.0.0.1:1 [::1]:2 unix:/run/x");
}

TEST_F(InstanceChoiceTest, TriesWhatFailedAMomentAgoLast) {
  at(0).failed(clock_.now(), 0s);
  at(2).failed(clock_.now(), 0s);
  for (int i = 0; i < 50; ++i) {
    InstanceChoice choice(service_, 8s);
    EXPECT_EQ(choice.next(clock_.now()), 1U);
    EXPECT_NE(choice.next(clock_.now()), InstanceChoice::kNone);
  }
  at(0).set_health(Health::healthy);
  EXPECT_FALSE(at(0).failed_lately(clock_.now()));
}

TEST_F(InstanceChoiceTest, TellsOnceThatAnInstanceFailsItsClientsAndThatItNoLongerDoes) {
  const test::LogCapture log;
  at(1).set_health(Health::unhealthy);
  at(2).set_health(Health::unhealthy);
  for (int i = 0; i < 3; ++i) {
    InstanceChoice choice(service_, 8s);
    ASSERT_EQ(choice.next(clock_.now()), 0U);
    choice.failed("closed the connection without an answer", clock_.now());
    at(0).set_health(Health::healthy);  // its checks see nothing of it
  }
  ASSERT_EQ(log.entries("instance_failed").size(), 1U);
  const auto entry = log.entries("instance_failed")[0];
  EXPECT_EQ(entry.level, LogLevel::warning);
  EXPECT_EQ(entry.field("NETD_SERVICE"), "users");
  EXPECT_EQ(entry.field("NETD_INSTANCE"), "tcp:127.0.0.1:1");
  EXPECT_EQ(
      entry.message,
      "service users: tcp:127.0.0.1:1 fails clients: closed the connection without an answer");
  for (int i = 0; i < 2; ++i) {
    InstanceChoice choice(service_, 8s);
    ASSERT_EQ(choice.next(clock_.now()), 0U);
    choice.served();
  }
  ASSERT_EQ(log.entries("instance_recovered").size(), 1U);
  EXPECT_EQ(log.entries().size(), 2U);
}

TEST_F(InstanceChoiceTest, LeavesASingleAddressToItsListenerToTell) {
  const test::LogCapture log;
  service_.name.clear();
  InstanceChoice choice(service_, 8s);
  ASSERT_NE(choice.next(clock_.now()), InstanceChoice::kNone);
  choice.failed("no", clock_.now());
  EXPECT_TRUE(log.entries().empty());
}

TEST_F(InstanceChoiceTest, AvoidsLongerWhatCostMore) {
  const auto lasts = [&](Duration cost, Duration penalty) {
    at(0).failed(clock_.now(), cost);
    return at(0).failed_lately(clock_.now() + penalty - 1ms) &&
           !at(0).failed_lately(clock_.now() + penalty);
  };
  EXPECT_TRUE(lasts(0s, SharedInstance::kLeastPenalty));
  EXPECT_TRUE(lasts(300ms, 3s));
  EXPECT_TRUE(lasts(1min, SharedInstance::kMostPenalty));
  EXPECT_TRUE(lasts(Duration::max(), SharedInstance::kMostPenalty));
}

TEST_F(InstanceChoiceTest, ACostIsWhatTheClientHasWaited) {
  InstanceChoice choice(service_, 8s);
  SharedInstance& chosen = at(choice.next(clock_.now()));
  clock_.advance(500ms);
  choice.failed("no", clock_.now());
  EXPECT_TRUE(chosen.failed_lately(clock_.now() + 4s));
  EXPECT_FALSE(chosen.failed_lately(clock_.now() + 5s));
}

TEST_F(InstanceChoiceTest, SharesTheTimeForConnecting) {
  InstanceChoice choice(service_, 9s);
  std::vector<Duration> shares;
  while (choice.next(clock_.now()) != InstanceChoice::kNone) {
    shares.push_back(choice.begin_connecting(clock_.now()));
    clock_.advance(shares.back());
    choice.failed("gone", clock_.now());
  }
  EXPECT_EQ(shares, (std::vector<Duration>{3s, 3s, 3s}));
}

TEST_F(InstanceChoiceTest, WhatAnInstanceDoesWithAConnectionIsNotCounted) {
  InstanceChoice choice(service_, 9s);
  ASSERT_NE(choice.next(clock_.now()), InstanceChoice::kNone);
  (void)choice.begin_connecting(clock_.now());
  clock_.advance(1s);
  choice.connected(clock_.now());
  clock_.advance(1h);
  choice.failed("closed", clock_.now());
  ASSERT_NE(choice.next(clock_.now()), InstanceChoice::kNone);
  EXPECT_EQ(choice.begin_connecting(clock_.now()), 4s);
}

TEST_F(InstanceChoiceTest, TheTimeEndsHoweverManyThereAre) {
  for (std::uint16_t port = 100; port < 200; ++port) {
    service_.instances.push_back(std::make_shared<SharedInstance>(
        *Endpoint::parse("tcp:127.0.0.1:" + std::to_string(port)), clock_));
  }
  InstanceChoice choice(service_, 4s);
  const Monotonic start = clock_.now();
  std::size_t tried = 0;
  while (choice.next(clock_.now()) != InstanceChoice::kNone) {
    const Duration share = choice.begin_connecting(clock_.now());
    EXPECT_LE(share, 1s);
    EXPECT_GT(share, 0s);
    ++tried;
    clock_.advance(share);
    choice.failed("gone", clock_.now());
  }
  EXPECT_EQ(clock_.now() - start, 4s);
  EXPECT_GT(tried, 10U);
  EXPECT_TRUE(
      choice.account().ends_with("; no time was left for " + std::to_string(103 - tried) + " more"))
      << choice.account();
}

}  // namespace
}  // namespace netd::services
