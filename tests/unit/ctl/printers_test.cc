#include "ctl/printers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "daemon/control/command_words.h"

namespace netd::ctl {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::string_view kWell = R"({"status":"ok","state":"running","version":"1.2","pid":7,
  "uptime_s":90,"config":{"path":"/etc/netd/netd.conf","generation":2,"loaded_at":"t"},
  "problems":[],"listeners":[{"name":"echo","protocol":"echo","state":"accepting",
  "addresses":["tcp:127.0.0.1:7"],"connections":{"active":1,"accepted":2,"refused":3},
  "bytes":{"in":4,"out":5},"errors":6,"problems":[]}],"services":[],
  "tasks":{"available":true,"ready":1,"delayed":2,"leased":3,"dead":0},"workers":2,
  "loops":[{"connections":1,"last_turn_s":0.1}]})";

TEST(StatusView, SaysFirstThatAllIsWell) {
  const std::string text = render("status", kWell, Terminal());
  EXPECT_THAT(text, StartsWith("netd 1.2 is running: all is well\nup 1 min 30 s, pid 7"));
  EXPECT_THAT(text, HasSubstr("tcp:127.0.0.1:7"));
}

TEST(StatusView, SaysFirstWhatIsWrong) {
  std::string status(kWell);
  const auto replace = [&](std::string_view from, std::string_view to) {
    status.replace(status.find(from), from.size(), to);
  };
  replace("\"problems\":[],\"listeners\"", "\"problems\":[\"clock\"],\"listeners\"");
  replace("\"state\":\"accepting\"", "\"state\":\"paused\"");
  replace("\"dead\":0", "\"dead\":9");
  replace("\"last_turn_s\":0.1", "\"last_turn_s\":60");
  const std::string text = render("status", status, Terminal());
  EXPECT_THAT(text, StartsWith("netd 1.2 is running: 4 problems\n  clock\n"));
  EXPECT_THAT(text, HasSubstr("\n  listener echo is paused\n"));
  EXPECT_THAT(text, HasSubstr("9 are dead"));
  EXPECT_THAT(text, HasSubstr("a worker has not come round for 1 min"));
}

TEST(StatusView, FitsTheTerminal) {
  std::string status(kWell);
  const auto begin = status.find("{\"name\":\"echo\"");
  const auto end = status.find("],\"services\"");
  const std::string one = status.substr(begin, end - begin);
  std::string many = one;
  for (int i = 0; i < 99; ++i) many += "," + one;
  status.replace(begin, end - begin, many);
  Terminal terminal;
  terminal.rows = 24;
  terminal.columns = 80;
  const std::string text = render("status", status, terminal);
  EXPECT_LT(std::ranges::count(text, '\n'), 24);
  EXPECT_THAT(text, HasSubstr("more (netctl listeners)"));
  EXPECT_EQ(std::ranges::count(render("status", status, Terminal()), '\n'), 106);
}

TEST(Printers, EveryCommandHasOne) {
  for (const auto& command : control::command_words()) {
    const std::string text = render(command.words, R"({"status":"ok"})", Terminal());
    EXPECT_NE(text, "{\"status\":\"ok\"}\n") << command.words;
  }
}

TEST(Printers, SurviveAnyAnswer) {
  for (const auto& command : control::command_words()) {
    for (const auto* answer :
         {"", "x", "[]", "{}", "null", R"({"listeners":7,"tasks":[1],"connections":{}})",
          R"({"listeners":[7],"tasks":[null],"queues":["x"],"connections":["y"]})",
          R"({"listeners":[{"connections":[]}],"config":[],"changes":{},"task":[]})"}) {
      (void)render(command.words, answer, Terminal());
      (void)render_error(answer);
      (void)outcome_of(answer);
      (void)render_event(answer, Terminal());
    }
  }
}

TEST(Printers, ControlCharactersOfClientsAreShownAsText) {
  const std::string text = render(
      "task show",
      R"({"status":"ok","task":{"id":"a\u001b[31m","data":"x\u0007","queue":"q","attempt":1,"timestamp":0}})",
      Terminal());
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, HasSubstr("a\\x1b[31m"));
}

TEST(Printers, ErrorsHaveTheirMistakes) {
  EXPECT_EQ(render_error(R"({"status":"error","message":"no","mistakes":["f:1: a","f:2: b"]})"),
            "no\n  f:1: a\n  f:2: b");
}

TEST(Printers, Events) {
  EXPECT_EQ(render_event(R"({"event":"reload","time":"T","message":"done"})", Terminal()),
            "T reload: done\n");
  EXPECT_EQ(render_event(R"({"event":"task_done","time":"T","task":"a","queue":"q"})", Terminal()),
            "T task_done task=a queue=q\n");
  EXPECT_EQ(render_event(R"({"event":"dropped","dropped":5})", Terminal()), "(5 events missed)\n");
}

}  // namespace
}  // namespace netd::ctl
