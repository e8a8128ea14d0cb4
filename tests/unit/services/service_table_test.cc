#include "daemon/services/service_table.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/fake_clock.h"

namespace netd::services {
namespace {

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
    InstanceChoice choice(service_);
    std::set<std::size_t> seen;
    for (int n = 0; n < 3; ++n) {
      const std::size_t index = choice.next(clock_.now());
      ASSERT_NE(index, InstanceChoice::kNone);
      if (n == 0) first.insert(index);
      seen.insert(index);
      choice.failed("no");
    }
    EXPECT_EQ(seen.size(), 3U);
    EXPECT_EQ(choice.next(clock_.now()), InstanceChoice::kNone);
  }
  EXPECT_EQ(first.size(), 3U);
}

TEST_F(InstanceChoiceTest, LeavesTheUnhealthyOut) {
  at(0).set_health(Health::unhealthy);
  at(1).set_health(Health::unhealthy);
  InstanceChoice choice(service_);
  EXPECT_EQ(choice.next(clock_.now()), 2U);
  choice.failed("broken");
  EXPECT_EQ(choice.next(clock_.now()), InstanceChoice::kNone);
  EXPECT_EQ(choice.account(), "no instance answers: unix:/run/x (broken)");
}

TEST_F(InstanceChoiceTest, SaysThatNoneIsHealthy) {
  for (std::size_t i = 0; i < 3; ++i) at(i).set_health(Health::unhealthy);
  InstanceChoice choice(service_);
  EXPECT_EQ(choice.next(clock_.now()), InstanceChoice::kNone);
  EXPECT_EQ(choice.account(), "no instance is healthy: 127.0.0.1:1 [::1]:2 unix:/run/x");
}

TEST_F(InstanceChoiceTest, TriesWhatFailedAMomentAgoLast) {
  at(0).failed(clock_.now());
  at(2).failed(clock_.now());
  for (int i = 0; i < 50; ++i) {
    InstanceChoice choice(service_);
    EXPECT_EQ(choice.next(clock_.now()), 1U);
    choice.failed("no");
    EXPECT_NE(choice.next(clock_.now()), InstanceChoice::kNone);
  }
  EXPECT_FALSE(at(0).failed_lately(clock_.now() + SharedInstance::kPenalty));
  at(0).set_health(Health::healthy);
  EXPECT_FALSE(at(0).failed_lately(clock_.now()));
}

}  // namespace
}  // namespace netd::services
