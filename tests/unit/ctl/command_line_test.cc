#include "ctl/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "ctl/durations.h"

namespace netd::ctl {
namespace {

using testing::Contains;
using testing::HasSubstr;

struct Mistake {
  std::vector<std::string> words;
  std::string what;
};

class CommandLineMistake : public testing::TestWithParam<Mistake> {};

TEST_P(CommandLineMistake, IsSaidInOneLine) {
  EXPECT_EQ(command_line_mistake(GetParam().words), GetParam().what);
}

INSTANTIATE_TEST_SUITE_P(
    All, CommandLineMistake,
    testing::ValuesIn(std::vector<Mistake>{
        {{}, "a command is missing (netctl --help shows all)"},
        {{"--json"}, "a command is missing (netctl --help shows all)"},
        {{"--", "status"}, R"(unknown command "status": a command stands before --)"},
        {{"stauts"}, R"(unknown command "stauts": did you mean status?)"},
        {{"statsu"}, R"(unknown command "statsu": did you mean status?)"},
        {{"statu"}, R"(unknown command "statu": did you mean status?)"},
        {{"stat"}, R"(unknown command "stat": did you mean stats?)"},
        {{"stauts", "--help"}, R"(unknown command "stauts": did you mean status?)"},
        {{"help", "stauts"}, R"(unknown command "stauts": did you mean status?)"},
        {{"help", "task", "ad"}, R"(unknown command "task ad": did you mean task add?)"},
        {{"lisseners"}, R"(unknown command "lisseners": did you mean listeners?)"},
        {{"tsak", "add"}, R"(unknown command "tsak": did you mean task?)"},
        {{"add", "x", "1"}, R"(unknown command "add": did you mean task add?)"},
        {{"list"}, R"(unknown command "list": did you mean mail list or task list?)"},
        {{"xyzzy"}, R"(unknown command "xyzzy" (netctl --help shows all))"},
        {{""}, R"(unknown command "" (netctl --help shows all))"},
        {{"\xff\n"}, R"(unknown command "\xff\x0a" (netctl --help shows all))"},
        {{"config", "shwo"}, R"(unknown command "config shwo": did you mean config show?)"},
        {{"config", "bogus"}, R"(unknown command "config bogus": config has show and check)"},
        {{"config"}, "config: a command is missing: show or check"},
        {{"--jsno", "status"},
         "there is no option --jsno: did you mean --json? "
         "(netctl --help tells more)"},
        {{"status", "--jsno"},
         "status: there is no option --jsno: did you mean --json? "
         "(netctl status --help tells more)"},
        {{"status", "-x"}, "status: there is no option -x (netctl status --help tells more)"},
        {{"-x"}, "there is no option -x (netctl --help tells more)"},
        {{"task", "list", "--limt", "3"},
         "task list: there is no option --limt: did you mean "
         "--limit? (netctl task list --help tells more)"},
        {{"status", "extra"},
         "status: \"extra\" is one argument too many "
         "(netctl status --help tells more)"},
        {{"status", "--", "--json"},
         "status: \"--json\" is one argument too many "
         "(netctl status --help tells more)"},
        {{"task", "add", "a", "b", "c"},
         "task add: \"c\" is one argument too many "
         "(netctl task add --help tells more)"},
        {{"task", "add"}, "task add: ID is missing (netctl task add --help tells more)"},
        {{"task", "add", "a"}, "task add: DATA is missing (netctl task add --help tells more)"},
        {{"connect", "a", "b", "c"},
         "connect: \"c\" is one argument too many "
         "(netctl connect --help tells more)"},
        {{"mail", "show", "a", "b"},
         "mail show: \"b\" is one argument too many "
         "(netctl mail show --help tells more)"},
        {{"task", "list", "--limit"},
         "task list: --limit needs a value "
         "(netctl task list --help tells more)"},
        {{"task", "list", "--limit="},
         "task list: --limit needs a value "
         "(netctl task list --help tells more)"},
        {{"http", "x", "-d"}, "http: --data needs a value (netctl http --help tells more)"},
        {{"--timeout"}, "--timeout needs a value (netctl --help tells more)"},
        {{"--timeout=1", "status", "--timeout", "2"},
         "status: --timeout is given more than once (netctl status --help tells more)"},
        {{"status", "--json=no"},
         "status: --json takes no value (netctl status --help tells more)"},
        {{"drain", "--resume=no"},
         "drain: --resume takes no value "
         "(netctl drain --help tells more)"},
        {{"stats", "--count", "0"},
         "stats: --count: expected a whole number from 1, "
         "found 0 (netctl stats --help tells more)"},
        {{"stats", "--count", "-1"},
         "stats: --count: expected a whole number from 1, found -1 (netctl stats --help tells "
         "more)"},
        {{"stats", "--count", "1.5"},
         "stats: --count: expected a whole number from 1, found 1.5 (netctl stats --help tells "
         "more)"},
        {{"stats", "--count", ""},
         "stats: --count: expected a whole number from 1, "
         "found nothing (netctl stats --help tells more)"},
        {{"task", "work", "-j", "1001", "--", "true"},
         "task work: --jobs: expected a whole number from 1 to 1000, found 1001 "
         "(netctl task work --help tells more)"},
        {{"task", "work", "--"},
         "task work: COMMAND is missing "
         "(netctl task work --help tells more)"},
        {{"latency", "h:1", "-m", "bogus"},
         "latency: --mode: expected connect, echo, udp or http, "
         "found bogus (netctl latency --help tells more)"},
        {{"--timeout", "x", "status"},
         "--timeout: expected a time such as 1.5, 30s or 5min, "
         "found x"},
        {{"--timeout", "", "status"},
         "--timeout: expected a time such as 1.5, 30s or 5min, "
         "found nothing"},
        {{"--socket", "", "status"}, "--socket: the path of a socket has 1 to 107 bytes"},
        {{"--socket", std::string(108, 'x'), "status"},
         "--socket: the path of a socket has 1 to 107 bytes"},
    }));

TEST(CommandLineMistakes, AreNoneInWhatIsRight) {
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"status"},
           {"help"},
           {"help", "task"},
           {"help", "task", "add"},
           {"--json", "help", "task", "add"},
           {"task", "help"},
           {"task", "--help"},
           {"--version"},
           {"status", "--json", "--timeout", "1"},
           {"--socket", "statsu", "--json", "status"},
           {"task", "add", "--", "-x", "--json"},
           {"task", "add", "t", "-5"},
           {"echo", "h:1", "status", "stop"},
           {"task", "work", "-j4", "--", "sh", "--json", "-c"},
           {"http", "x", "-iL", "-H", "A: b", "-H", "C: d", "-XPUT"},
           {"latency", "h:1", "--mode", "udp"}}) {
    EXPECT_EQ(command_line_mistake(words), "") << testing::PrintToString(words);
  }
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
