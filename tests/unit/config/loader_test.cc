// Texts in, mistakes out: that each is found, at its place and in words that help.
#include "daemon/config/loader.h"

#include <gmock/gmock.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/unit/config/config_fixture.h"

namespace netd::config::test {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using namespace std::chrono_literals;

constexpr const char* kListen = "tcp:HOST:PORT, udp:HOST:PORT, unix:PATH or fd:NAME";

struct Case {
  const char* what;
  std::string text;
  std::vector<std::string> mistakes;
};

const Case kSections[] = {
    {"unknown section",
     "[foo]\nx = 1\n",
     {"netd.conf:1: [foo]: unknown section, expected [netd], [control], [tasks], [listener NAME] "
      "or [service NAME]"}},
    {"nearly a section",
     "[Netd]\n[listner a]\n[task]\n",
     {"netd.conf:1: [Netd]: unknown section, did you mean [netd]?",
      "netd.conf:2: [listner a]: unknown section, did you mean [listener NAME]?",
      "netd.conf:3: [task]: unknown section, did you mean [tasks]?"}},
    {"a header of nothing",
     "[]\n",
     {"netd.conf:1: []: unknown section, expected [netd], [control], [tasks], [listener NAME] or "
      "[service NAME]"}},
    {"a name where none belongs",
     "[netd x]\n",
     {"netd.conf:1: [netd x]: expected [netd]: this section has no name of its own"}},
    {"no name",
     "[service]\ninstance = a:1\n",
     {"netd.conf:1: [service]: found nothing, expected a name of at most 40 letters, digits, dots, "
      "dashes and underscores: [service NAME]"}},
    {"two names",
     "[service a b]\ninstance = a:1\n",
     {"netd.conf:1: [service a b]: found \"a b\", expected a name of at most 40 letters, digits, "
      "dots, dashes and underscores: [service NAME]"}},
    {"a long name",
     "[service " + std::string(41, 'x') + "]\ninstance = a:1\n",
     {"netd.conf:1: [service " + std::string(41, 'x') + "]: found \"" + std::string(41, 'x') +
      "\", expected a name of at most 40 letters, digits, dots, dashes and underscores: [service "
      "NAME]"}},
    {"a name twice",
     "[service a]\ninstance = a:1\n\n[service a]\ninstance = b:1\n",
     {"netd.conf:4: [service a]: found a second time, expected another name: it is defined at "
      "netd.conf:1 already"}},
    {"a listener and a service of one name are two",
     "[service a]\ninstance = a:1\n[listener a]\nprotocol = echo\nlisten = fd:a\n",
     {}},
    {"an empty listener",
     "[listener x]\n",
     {"netd.conf:1: [listener x] protocol: missing, expected echo, forward or ticker",
      "netd.conf:1: [listener x] listen: missing, expected " + std::string(kListen)}},
    {"an empty service",
     "[service x]\n",
     {"netd.conf:1: [service x] instance: missing, expected a value: HOST:PORT or unix:PATH"}},
};

const Case kKeys[] = {
    {"nearly a key",
     "[netd]\nwrokers = 2\nLog_Level = info\n",
     {"netd.conf:2: [netd] wrokers: unknown key, did you mean \"workers\"?",
      "netd.conf:3: [netd] Log_Level: unknown key, did you mean \"log_level\"?"}},
    {"no key at all",
     "[tasks]\nzzzz = 2\n",
     {"netd.conf:2: [tasks] zzzz: unknown key, expected path, sync, sync_interval, memory_limit, "
      "max_data, max_attempts, retry_delay, retry_delay_max, result_ttl, result_limit, "
      "queue_max_tasks, "
      "queue_max_bytes or queue_limit"}},
    {"a limit of a queue that is none",
     "[tasks]\nqueue_limit = mail\nqueue_limit = mail 10 1G\n",
     {"netd.conf:2: [tasks] queue_limit: found \"mail\", expected QUEUE TASKS BYTES such as mail "
      "10000 1G, "
      "with 0 for no limit"}},
    {"a key of another section",
     "[netd]\nsync = off\n",
     {"netd.conf:2: [netd] sync: unknown key, expected workers, log_level, hostname, drain_timeout "
      "or max_connections"}},
    {"a key of another protocol",
     "[listener a]\nprotocol = echo\nlisten = fd:a\ntarget = fd:b\n",
     {"netd.conf:4: [listener a] target: unknown key, expected protocol, listen, socket_mode, "
      "idle_timeout, max_connections, max_connections_per_client, allow, deny, access_log or "
      "mode"}},
    {"a key twice",
     "[netd]\nworkers = 1\nworkers = 1\n",
     {"netd.conf:3: [netd] workers: found \"1\", expected one value: netd.conf:2 gives it "
      "already"}},
    {"a key twice, the first bad",
     "[netd]\nworkers = x\nworkers = 1\n",
     {"netd.conf:2: [netd] workers: found \"x\", expected auto or a number from 1 to 64",
      "netd.conf:3: [netd] workers: found \"1\", expected one value: netd.conf:2 gives it "
      "already"}},
    {"a key twice in two parts of a section",
     "[netd]\nworkers = 1\n[tasks]\n[netd]\nworkers = 2\n",
     {"netd.conf:5: [netd] workers: found \"2\", expected one value: netd.conf:2 gives it "
      "already"}},
    {"no value",
     "[netd]\nlog_level =\nworkers = ; one\n",
     {"netd.conf:2: [netd] log_level: found nothing, expected debug, info, warning or error",
      "netd.conf:3: [netd] workers: found nothing, expected a value: event loops; auto: one for "
      "each CPU"}},
    {"a required key without a value is not missing too",
     "[listener a]\nprotocol =\nlisten =\n",
     {"netd.conf:2: [listener a] protocol: found nothing, expected a value: what the listener "
      "speaks",
      "netd.conf:3: [listener a] listen: found nothing, expected " + std::string(kListen)}},
    {"bad values of every kind",
     "[netd]\nmax_connections = many\ndrain_timeout = 5 s\n[control]\npublic_status = true\n"
     "[tasks]\npath = tasks\nsync = sometimes\n",
     {"netd.conf:2: [netd] max_connections: found \"many\", expected a number from 1 to 1000000",
      ("netd.conf:3: [netd] drain_timeout: found \"5 s\", expected a duration such as 250ms, 30s, "
       "5min or 2h, from 0 to 1h"),
      "netd.conf:5: [control] public_status: found \"true\", expected yes or no",
      "netd.conf:7: [tasks] path: found \"tasks\", expected an absolute path",
      "netd.conf:8: [tasks] sync: found \"sometimes\", expected always, batch or off"}},
    {"a hostile value is shown harmless",
     "[netd]\nlog_level = \xC2\x9B" + std::string(150, 'x') + "\n",
     {"netd.conf:2: [netd] log_level: found \"\\xc2\\x9b" + std::string(92, 'x') +
      "...\", expected debug, info, warning or error"}},
    {"a group that is not there",
     "[control]\ngroup = nobody-here\n",
     {"netd.conf:2: [control] group: found \"nobody-here\", expected a group of this system"}},
    {"a group that is there", "[control]\ngroup = staff\n", {}},
    {"netd's own group may be missing", "[control]\ngroup = netd\n", {}},
};

const Case kListeners[] = {
    {"an unknown protocol hides its keys only",
     "[listener a]\nprotocol = ehco\nlisten = tcp:x\nmode = raw\n",
     {"netd.conf:2: [listener a] protocol: found \"ehco\", expected echo, forward or ticker",
      "netd.conf:3: [listener a] listen: found \"tcp:x\", expected HOST:PORT"}},
    {"UDP for a stream protocol",
     "[listener a]\nprotocol = forward\nlisten = udp:*:0\ntarget = tcp:a:1\n",
     {"netd.conf:3: [listener a] listen: found \"udp:*:0\", expected tcp:, unix: or fd:, because "
      "forward does not run over UDP"}},
    {"TCP for a datagram protocol",
     "[listener a]\nprotocol = ticker\nlisten = tcp:*:0\nlisten = udp:*:0\nlisten = fd:x\n",
     {"netd.conf:3: [listener a] listen: found \"tcp:*:0\", expected udp: or fd:, because ticker "
      "runs over UDP only"}},
    {"a required key of the protocol",
     "[listener a]\nprotocol = forward\nlisten = fd:a\n",
     {"netd.conf:1: [listener a] target: missing, expected " + std::string(kListen)}},
    {"the protocol's own row for a common key",
     "[listener a]\nprotocol = forward\nlisten = fd:a\ntarget = tcp:a:1\nidle_timeout = 30d\n",
     {}},
    {"the row's own check",
     "[listener a]\nprotocol = forward\nlisten = fd:a\ntarget = tcp:a:1\neven = abc\n",
     {"netd.conf:5: [listener a] even: found \"abc\", expected a text of even length"}},
    {"the protocol's check, at the value's place",
     "[listener a]\nprotocol = forward\nlisten = fd:a\ntarget = tcp:nowhere:1\nvia = s\nvia = t\n"
     "[service s]\ninstance = a:1\n",
     {"netd.conf:4: [listener a] target: found \"tcp:nowhere:1\", expected somewhere",
      "netd.conf:6: [listener a] via: no service t"}},
    {"the protocol's check sees what is left of a list",
     "[listener a]\nprotocol = forward\nlisten = x\nlisten = fd:a\ntarget = tcp:nowhere:1\n",
     {"netd.conf:3: [listener a] listen: found \"x\", expected " + std::string(kListen),
      "netd.conf:5: [listener a] target: found \"tcp:nowhere:1\", expected somewhere"}},
    {"the protocol's check is left out when a required key is bad",
     "[listener a]\nprotocol = forward\nlisten = fd:a\ntarget = x\nvia = t\n",
     {"netd.conf:4: [listener a] target: found \"x\", expected " + std::string(kListen)}},
    {"bad networks",
     "[listener a]\nprotocol = echo\nlisten = fd:a\nallow = 10.0.0.0/8\nallow = ten\n",
     {"netd.conf:5: [listener a] allow: found \"ten\", expected an IPv4 or IPv6 address or "
      "network"}},
};

const Case kVariables[] = {
    {"unset",
     "[netd]\nworkers = ${UNSET}\n",
     {"netd.conf:2: [netd] workers: found \"${UNSET}\", expected the environment variable UNSET to "
      "be set, or a default: ${UNSET:-DEFAULT}"}},
    {"a bad value shows where it came from",
     "[netd]\nworkers = ${WORKERS}\n",
     {"netd.conf:2: [netd] workers: found \"many\" (from ${WORKERS}), expected auto or a number "
      "from 1 to 64"}},
    {"empty",
     "[netd]\nworkers = ${EMPTY}\n",
     {"netd.conf:2: [netd] workers: found nothing (from ${EMPTY}), expected a value: event loops; "
      "auto: one for each CPU"}},
    {"a protocol may be a variable",
     "[listener a]\nprotocol = ${PROTOCOL}\nlisten = tcp:*:${PORT:-0}\nmode = line\n",
     {}},
    {"no variables in section names",
     "[listener ${PROTOCOL}]\nprotocol = echo\nlisten = fd:a\n",
     {"netd.conf:1: [listener ${PROTOCOL}]: found \"${PROTOCOL}\", expected a name of at most 40 "
      "letters, digits, dots, dashes and underscores: [listener NAME]"}},
};

void run(std::span<const Case> cases) {
  const Environment machine =
      environment({{"WORKERS", "many"}, {"EMPTY", ""}, {"PROTOCOL", "echo"}});
  for (const Case& test : cases) {
    SCOPED_TRACE(test.what);
    EXPECT_THAT(mistakes_of(load_text(test.text, machine)), ElementsAreArray(test.mistakes));
  }
}

TEST(Loader, JudgesSections) { run(kSections); }
TEST(Loader, JudgesKeysAndValues) { run(kKeys); }
TEST(Loader, JudgesListeners) { run(kListeners); }
TEST(Loader, PutsVariablesIn) { run(kVariables); }

TEST(Loader, ReportsTheMistakesOfAllFilesInOrder) {
  const std::vector<SourceFile> sources = {
      {"main", "[control]\nx = 1\n[netd]\nworkers = 0\n"},
      {"conf.d/a", "[listener a]\nprotocol = echo\nlisten = tcp:*:1\n"},
      {"conf.d/b",
       "[netd]\nlog_level = x\nworkers = 1\n[listener b]\nprotocol = echo\n"
       "listen = tcp:*:1\n[listener a]\nprotocol = echo\nlisten = fd:x\n"},
  };
  EXPECT_THAT(
      mistakes_of(load_sources(sources, kProtocols, environment())),
      ElementsAre(
          "main:2: [control] x: unknown key, expected socket, fifo, reply_fifo, group or "
          "public_status",
          "main:4: [netd] workers: found \"0\", expected auto or a number from 1 to 64",
          "conf.d/b:2: [netd] log_level: found \"x\", expected debug, info, warning or error",
          "conf.d/b:3: [netd] workers: found \"1\", expected one value: main:4 gives it "
          "already",
          "conf.d/b:6: [listener b] listen: found \"tcp:*:1\", expected an address of its "
          "own: tcp:*:1 belongs to [listener a] at conf.d/a:3",
          "conf.d/b:7: [listener a]: found a second time, expected another name: it is "
          "defined at conf.d/a:1 already"));
}

TEST(Loader, GivesDefaultsToAnEmptyFile) {
  const auto settings = load_text("");
  ASSERT_TRUE(settings) << ::testing::PrintToString(mistakes_of(settings));
  const Settings& all = **settings;
  EXPECT_EQ(all.netd.workers, 3U);
  EXPECT_EQ(all.netd.log_level, LogLevel::info);
  EXPECT_EQ(all.netd.hostname, "host.example");
  EXPECT_EQ(all.netd.drain_timeout, 30s);
  EXPECT_EQ(all.netd.max_connections, 20000U);
  EXPECT_EQ(all.control.socket, "/run/netd/control.sock");
  EXPECT_EQ(all.control.fifo, "/run/netd/control.fifo");
  EXPECT_EQ(all.control.reply_fifo, "/run/netd/reply.fifo");
  EXPECT_EQ(all.control.group, "netd");
  EXPECT_FALSE(all.control.public_status);
  EXPECT_EQ(all.tasks.path, "/var/lib/netd/tasks");
  EXPECT_EQ(all.tasks.sync, SyncMode::always);
  EXPECT_THAT(all.listeners, IsEmpty());
  EXPECT_THAT(all.services, IsEmpty());
  EXPECT_THAT(all.files, ElementsAre("netd.conf"));
}

TEST(Loader, ReadsEveryValue) {
  const auto settings = load_text(
      "[netd]\nworkers = 2\nlog_level = debug\nhostname = h.example\ndrain_timeout = 250ms\n"
      "max_connections = 7\n"
      "[control]\nfifo = off\ngroup = staff\npublic_status = yes\n"
      "[tasks]\nsync = batch\nsync_interval = 5ms\n"
      "[listener a]\nprotocol = forward\nlisten = tcp:[::1]:0\nlisten = fd:x\nsocket_mode = 600\n"
      "max_connections = 5\nmax_connections_per_client = 2\nallow = 10.0.0.0/8\nallow = ::1\n"
      "deny = 10.1.0.0/16\naccess_log = /tmp/a.log\ntarget = tcp:a:1\nbuffer = 2K\n"
      "[service s]\ninstance = 127.0.0.1:9001\ninstance = unix:/run/x\nhealth = /healthz\n");
  ASSERT_TRUE(settings) << ::testing::PrintToString(mistakes_of(settings));
  const Settings& all = **settings;
  EXPECT_EQ(all.netd.workers, 2U);
  EXPECT_EQ(all.netd.log_level, LogLevel::debug);
  EXPECT_EQ(all.netd.drain_timeout, 250ms);
  EXPECT_EQ(all.control.fifo, "");
  EXPECT_TRUE(all.control.public_status);
  EXPECT_EQ(all.tasks.sync, SyncMode::batch);
  EXPECT_EQ(all.tasks.sync_interval, 5ms);
  ASSERT_THAT(all.listeners, SizeIs(1));
  const ListenerSettings& a = all.listeners[0];
  EXPECT_EQ(all.find_listener("a"), &a);
  EXPECT_EQ(all.find_listener("b"), nullptr);
  EXPECT_EQ(a.name, "a");
  EXPECT_EQ(a.protocol, "forward");
  ASSERT_THAT(a.listen, SizeIs(2));
  EXPECT_EQ(a.listen[0].text(), "tcp:[::1]:0");
  EXPECT_EQ(a.socket_mode, 0600U);
  EXPECT_EQ(a.idle_timeout, 5min);
  EXPECT_EQ(a.max_connections, 5U);
  EXPECT_EQ(a.max_connections_per_client, 2U);
  EXPECT_THAT(a.allow, SizeIs(2));
  EXPECT_TRUE(a.deny.at(0).contains(*IpBytes::parse("10.1.2.3")));
  EXPECT_EQ(a.access_log, AccessLog::file);
  EXPECT_EQ(a.access_log_path, "/tmp/a.log");
  EXPECT_EQ(a.own.endpoint("target").host, "a");
  EXPECT_EQ(a.own.size("buffer"), 2048U);
  EXPECT_FALSE(a.own.has("even"));
  EXPECT_EQ(a.own.text("even"), "");
  EXPECT_TRUE(a.own.has_service("s"));
  const ServiceSettings& s = *all.find_service("s");
  ASSERT_THAT(s.instances, SizeIs(2));
  EXPECT_EQ(s.instances[0].text(), "tcp:127.0.0.1:9001");
  EXPECT_EQ(s.instances[1].text(), "unix:/run/x");
  EXPECT_EQ(s.health, "/healthz");
  EXPECT_EQ(s.health_interval, 5s);
}

TEST(Loader, PutsTheFifosBesideTheSocket) {
  const auto settings = load_text("[control]\nsocket = /tmp/s.sock\nreply_fifo = /tmp/r\n");
  ASSERT_TRUE(settings) << ::testing::PrintToString(mistakes_of(settings));
  EXPECT_EQ((*settings)->control.fifo, "/tmp/control.fifo");
  EXPECT_EQ((*settings)->control.reply_fifo, "/tmp/r");
}

TEST(Loader, DoesWithoutAGoodHostName) {
  Environment machine = environment();
  machine.hostname = [] { return std::string("my host!"); };
  machine.processors = [] { return 0U; };
  const auto settings = load_text("", machine);
  ASSERT_TRUE(settings);
  EXPECT_EQ((*settings)->netd.hostname, "localhost");
  EXPECT_EQ((*settings)->netd.workers, 1U);
}

TEST(Loader, AsksTheRealMachine) {
  const Environment machine = Environment::system();
  EXPECT_GE(machine.processors(), 1U);
  EXPECT_FALSE(machine.hostname().empty());
  EXPECT_TRUE(machine.group_exists("root"));
  EXPECT_TRUE(machine.group_exists("0"));
  EXPECT_FALSE(machine.group_exists("no-such-group-here"));
  EXPECT_TRUE(machine.variable("PATH"));
  EXPECT_FALSE(machine.variable("NETD_TEST_NOT_SET"));
}

TEST(Loader, BoundsAMistakenMegabyte) {
  std::string text = "[netd]\n";
  while (text.size() < kMaxFileSize - 64) text += "unknown_key_of_some_length = 1\n";
  EXPECT_THAT(mistakes_of(load_text(text)), SizeIs(kMaxMistakes + 1));
}

}  // namespace
}  // namespace netd::config::test
