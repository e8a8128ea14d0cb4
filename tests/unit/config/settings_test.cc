// Printing, loading what was printed, and telling what changed.
#include "daemon/config/settings.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "tests/unit/config/config_fixture.h"

namespace netd::config::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::shared_ptr<const Settings> must_load(std::string_view text) {
  auto settings = load_text(text, environment({{"ODD", " a ; b $x "}}));
  if (!settings) {
    ADD_FAILURE() << ::testing::PrintToString(mistakes_of(settings));
    return std::make_shared<Settings>();
  }
  return *settings;
}

std::vector<std::string> changes(std::string_view before, std::string_view after) {
  std::vector<std::string> out;
  for (const Change& change : describe_changes(*must_load(before), *must_load(after))) {
    out.push_back(change.text + (change.needs_restart ? " (needs a restart)" : ""));
  }
  return out;
}

constexpr const char* kFull =
    "[netd]\nlog_level = debug\n"
    "[control]\nsocket = /tmp/s\nreply_fifo = off\n"
    "[listener a]\nprotocol = forward\nlisten = tcp:*:0\nlisten = fd:x\ntarget = unix:/t\n"
    "even = ${ODD}\nallow = ::1\nallow = 10.0.0.0/8\n"
    "[listener b]\nprotocol = echo\nlisten = udp:*:0\n"
    "[service s]\ninstance = a:1\ninstance = b:1\n";

TEST(Print, ShowsEveryValue) {
  const std::string printed = print(*must_load(kFull));
  EXPECT_THAT(printed, HasSubstr("[netd]\nworkers = auto\nlog_level = debug\n"
                                 "hostname = host.example\ndrain_timeout = 30s\n"
                                 "max_connections = 20000\n\n[control]\nsocket = /tmp/s\n"
                                 "fifo = /tmp/control.fifo\nreply_fifo = off\n"));
  EXPECT_THAT(printed, HasSubstr("listen = tcp:*:0\nlisten = fd:x\n"));
  EXPECT_THAT(printed, HasSubstr("idle_timeout = 5min\n"));
  EXPECT_THAT(printed, HasSubstr("even = ${:- }a ${:-;} b $$x${:- }\n"));
  EXPECT_THAT(printed, HasSubstr("; deny =\n"));
  EXPECT_THAT(printed, HasSubstr("instance = a:1\ninstance = b:1\nhealth = tcp\n"));
}

TEST(Print, LoadsAgainToTheSameSettings) {
  for (const char* const text : {"", kFull}) {
    const auto first = must_load(text);
    const std::string printed = print(*first);
    const auto second = must_load(printed);
    EXPECT_THAT(describe_changes(*first, *second), IsEmpty());
    EXPECT_EQ(print(*second), printed);
    ASSERT_EQ(first->listeners.size(), second->listeners.size());
    for (std::size_t i = 0; i < first->listeners.size(); ++i) {
      EXPECT_TRUE(first->listeners[i].own.same_settings(second->listeners[i].own));
    }
  }
}

TEST(Changes, AreNoneBetweenTheSame) {
  EXPECT_THAT(changes(kFull, kFull), IsEmpty());
  // A default that is written out is no change.
  EXPECT_THAT(changes("", "[netd]\nlog_level = info\n"), IsEmpty());
}

TEST(Changes, NameSectionsAndKeys) {
  EXPECT_THAT(
      changes("[netd]\nlog_level = info\n"
              "[listener a]\nprotocol = echo\nlisten = fd:a\nallow = ::1\n"
              "[listener b]\nprotocol = echo\nlisten = fd:b\n",
              "[netd]\nlog_level = debug\n"
              "[listener a]\nprotocol = echo\nlisten = fd:a\nlisten = fd:a2\nmode = line\n"
              "[listener c]\nprotocol = echo\nlisten = fd:b\n[service s]\ninstance = a:1\n"),
      ElementsAre("[listener b] removed", "[netd] log_level: info -> debug",
                  "[listener a] listen: fd:a -> fd:a, fd:a2", "[listener a] allow: ::1 -> nothing",
                  "[listener a] mode: raw -> line", "[listener c] added", "[service s] added"));
}

TEST(Changes, SayWhatOnlyARestartBrings) {
  EXPECT_THAT(changes("", "[netd]\nworkers = 2\n[tasks]\nsync = off\n"),
              ElementsAre("[netd] workers: auto -> 2 (needs a restart)",
                          "[tasks] sync: always -> off (needs a restart)"));
}

TEST(Changes, OfTheProtocolStandForItsKeys) {
  EXPECT_THAT(changes("[listener a]\nprotocol = echo\nlisten = fd:a\nmode = line\n",
                      "[listener a]\nprotocol = forward\nlisten = fd:a\ntarget = fd:x\n"),
              ElementsAre("[listener a] protocol: echo -> forward",
                          "[listener a] idle_timeout: 30s -> 5min"));
}

TEST(Section, PutsMistakesAtTheirPlaces) {
  const auto settings = must_load("\n[listener a]\nprotocol = echo\nlisten = fd:a\n");
  const Section& section = settings->listeners.at(0).own;
  EXPECT_EQ(section.title(), "[listener a]");
  EXPECT_EQ(format(section.mistake("listen", "bad")), "netd.conf:4: [listener a] listen: bad");
  EXPECT_EQ(format(section.mistake("mode", "bad")), "netd.conf:2: [listener a] mode: bad");
}

}  // namespace
}  // namespace netd::config::test
