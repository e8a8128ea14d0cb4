#include "ctl/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>

#include "ctl/durations.h"

namespace netd::ctl {
namespace {

using testing::Contains;
using testing::HasSubstr;

TEST(UnknownCommand, SuggestsTheNearest) {
  EXPECT_EQ(unknown_command({"lisseners"}), "unknown command lisseners: did you mean listeners?");
  EXPECT_EQ(unknown_command({"task", "ad"}), "unknown command task ad: did you mean task add?");
  EXPECT_EQ(unknown_command({"config", "shwo"}),
            "unknown command config shwo: did you mean config show?");
  EXPECT_EQ(unknown_command({"xyzzy"}), "unknown command xyzzy");
}

TEST(UnknownCommand, SaysNothingOfKnownOnes) {
  EXPECT_EQ(unknown_command({"status"}), "");
  EXPECT_EQ(unknown_command({"task"}), "");
  EXPECT_EQ(unknown_command({"task", "add", "x", "y"}), "");
  EXPECT_EQ(unknown_command({"--socket", "statsu", "--json", "status", "--x"}), "");
  EXPECT_EQ(unknown_command({}), "");
}

TEST(AllCommands, StandOnceAndInTheManPage) {
  std::ifstream file(std::string(NETD_SOURCE_DIR) + "/ctl/netctl.1");
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  ASSERT_FALSE(page.empty());
  const auto commands = all_commands();
  EXPECT_THAT(commands, Contains("status"));
  EXPECT_THAT(commands, Contains("task work"));
  EXPECT_EQ(std::ranges::adjacent_find(commands), commands.end());
  for (const auto& command : commands) {
    EXPECT_THAT(page, HasSubstr("\n.It Cm " + command)) << command;
  }
}

TEST(ParseSeconds, TakesSecondsAndUnits) {
  using std::chrono::milliseconds;
  EXPECT_EQ(parse_seconds("1.5").value(), milliseconds(1500));
  EXPECT_EQ(parse_seconds("250ms").value(), milliseconds(250));
  EXPECT_EQ(parse_seconds("5min").value(), milliseconds(300'000));
  EXPECT_EQ(parse_seconds("0").value(), milliseconds(0));
  for (const auto* bad : {"", "-1", "soon", "1e3", "nan", "inf", "99999999999", "1 s"}) {
    EXPECT_FALSE(parse_seconds(bad)) << bad;
  }
}

}  // namespace
}  // namespace netd::ctl
