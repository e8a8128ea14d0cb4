#include "daemon/control/control_server.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <chrono>

#include <nlohmann/json.hpp>

#include "tests/unit/control/control_fixture.h"

namespace netd::control {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class ControlServerTest : public ControlTest {};

// ---- The contract's own words.

TEST_F(ControlServerTest, ProducesWithoutALineEnd) {
  EXPECT_EQ(ask(R"({"type":"produce","task":{"id":"t1","data":"x"}})"),
            "{\"status\":\"queued\",\"task_id\":\"t1\"}\n");
  ASSERT_EQ(tasks_.produced.size(), 1U);
  EXPECT_EQ(tasks_.produced[0].id, "\"t1\"");
  EXPECT_EQ(tasks_.produced[0].data, "\"x\"");
  EXPECT_EQ(tasks_.produced[0].queue, "default");
}

TEST_F(ControlServerTest, ConsumesATask) {
  tasks_.ready.push_back(FakeTasks::make_task("\"t1\"", "\"x\""));
  EXPECT_EQ(ask(R"({"type":"consume"})"),
            "{\"status\":\"success\",\"task\":{\"id\":\"t1\",\"data\":\"x\",\"timestamp\":"
            "1767323045.25,\"queue\":\"default\",\"attempt\":1}}\n");
  EXPECT_EQ(tasks_.taken.wait, std::chrono::seconds(1));
  EXPECT_FALSE(tasks_.taken.lease);
}

TEST_F(ControlServerTest, AnswersEmptyWhenTheWaitIsOver) {
  Client client(settings_.socket);
  EXPECT_EQ(ask(client, R"({"type":"consume","wait":0.5})"), "");
  EXPECT_EQ(tasks_.taken.wait, std::chrono::milliseconds(500));
  tasks_.end_wait();
  turn();
  EXPECT_EQ(client.receive(), "{\"status\":\"empty\"}\n");
}

TEST_F(ControlServerTest, DataComesThroughAsItIs) {
  ask("{\"type\":\"produce\",\"task\":{\"id\":7,\"data\":{ \"z\" : 1.50,\n\"a\":"
      "123456789012345678901234567890, \"s\":\"\\u00e9 \\n\" }}}");
  ASSERT_EQ(tasks_.produced.size(), 1U);
  EXPECT_EQ(tasks_.produced[0].id, "7");
  EXPECT_EQ(tasks_.produced[0].data,
            "{\"z\":1.50,\"a\":123456789012345678901234567890,\"s\":\"\\u00e9 \\n\"}");
}

TEST_F(ControlServerTest, ReadsAllMembersOfATask) {
  ask(R"({"type":"produce","task":{"data":null,"queue":"q","priority":-5,"delay":1.5,)"
      R"("max_attempts":3,"ttl":60}})");
  ASSERT_EQ(tasks_.produced.size(), 1U);
  const auto& task = tasks_.produced[0];
  EXPECT_EQ(task.id, "");
  EXPECT_EQ(task.data, "null");
  EXPECT_EQ(task.queue, "q");
  EXPECT_EQ(task.priority, -5);
  EXPECT_EQ(task.delay, std::chrono::milliseconds(1500));
  EXPECT_EQ(task.max_attempts, 3U);
  EXPECT_EQ(task.ttl, std::chrono::seconds(60));
}

// ---- Errors.

nlohmann::json parsed(const std::string& answer) { return nlohmann::json::parse(answer); }

TEST_F(ControlServerTest, NamesWhatIsWrongWithARequest) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({})", "missing_member"},
      {R"({"type":7})", "bad_value"},
      {R"({"type":"statsu"})", "unknown_type"},
      {R"({"type":"produce"})", "missing_member"},
      {R"({"type":"produce","task":[]})", "bad_value"},
      {R"({"type":"produce","task":{"id":"a"}})", "missing_member"},
      {R"({"type":"produce","task":{"id":true,"data":1}})", "bad_value"},
      {R"({"type":"produce","task":{"id":"","data":1}})", "bad_value"},
      {R"({"type":"produce","task":{"data":1,"delay":-1}})", "bad_value"},
      {R"({"type":"produce","task":{"data":1,"delay":"soon"}})", "bad_value"},
      {R"({"type":"produce","task":{"data":1,"priority":1.5}})", "bad_value"},
      {R"({"type":"produce","task":{"data":1,"queue":5}})", "bad_value"},
      {R"({"type":"produce","task":{"data":1,"data":2}})", "invalid_request"},
      {R"({"type":"status","type":"stop"})", "invalid_request"},
      {R"({"type":"consume","wait":1e300})", "bad_value"},
      {R"({"type":"consume","lease":0})", "bad_value"},
      {R"({"type":"consume","bind":true})", "missing_member"},
      {R"({"type":"done"})", "missing_member"},
      {R"({"type":"kick"})", "missing_member"},
      {R"({"type":"tasks","state":"lost"})", "bad_value"},
      {R"({"type":"tasks","limit":0})", "bad_value"},
      {R"({"type":"log_level","level":"loud"})", "bad_value"},
      {R"({"type":"disconnect"})", "missing_member"},
      {R"({"type":"drain","listener":"none"})", "not_found"},
      {R"({"type":"subscribe","events":"task"})", "bad_value"},
      {R"({"type":"subscribe","events":["task","tusk"]})", "bad_value"},
      {R"({"type":"peek"})", "not_found"},
  };
  for (const auto& [request, code] : cases) {
    const auto answer = parsed(ask(request));
    EXPECT_EQ(answer["status"], "error") << request;
    EXPECT_EQ(answer["code"], code) << request;
    EXPECT_FALSE(answer["message"].get<std::string>().empty()) << request;
  }
  EXPECT_TRUE(tasks_.produced.empty());
  EXPECT_FALSE(daemon_.stopped);
}

TEST_F(ControlServerTest, SuggestsWhatMayHaveBeenMeant) {
  EXPECT_THAT(ask(R"({"type":"statsu"})"), HasSubstr("did you mean stat"));
  EXPECT_THAT(ask(R"({"type":"zzzzzzzz"})"), testing::Not(HasSubstr("did you mean")));
  EXPECT_THAT(ask(R"({"type":"subscribe","events":["tasks"]})"), HasSubstr("did you mean task?"));
  EXPECT_THAT(ask(R"({"type":"subscribe","events":["zzzz"]})"),
              HasSubstr("there are access, capture, "));
}

TEST_F(ControlServerTest, MessagesSayWhereAndWhatWasFound) {
  EXPECT_THAT(ask(R"({"type":"produce","task":{"data":1,"delay":"soon"}})"),
              HasSubstr("task.delay: expected a number of seconds"));
}

TEST_F(ControlServerTest, PassesOnWhatTheQueueRefuses) {
  tasks_.error = tasks::TaskError{tasks::TaskErrorCode::conflict, "lives with other data"};
  const auto answer = parsed(ask(R"({"type":"produce","task":{"id":1,"data":1},"tag":"x"})"));
  EXPECT_EQ(answer["code"], "conflict");
  EXPECT_EQ(answer["message"], "lives with other data");
  EXPECT_EQ(answer["tag"], "x");
}

// ---- Commands.

TEST_F(ControlServerTest, StatusHasWhatTheContractNames) {
  daemon_.report.uptime = std::chrono::milliseconds(1500);
  daemon_.report.config_path = "/etc/netd/netd.conf";
  daemon_.report.config_generation = 2;
  daemon_.report.workers.resize(2);
  ListenerReport listener;
  listener.name = "echo";
  listener.protocol = "echo";
  listener.addresses = {"tcp:127.0.0.1:50007"};
  listener.traffic = {1, 2, 3, 4, 5, 6};
  daemon_.report.listeners.push_back(listener);
  const auto status = parsed(ask(R"({"type":"status"})"));
  EXPECT_EQ(status["status"], "ok");
  EXPECT_EQ(status["state"], "running");
  EXPECT_EQ(status["pid"], ::getpid());
  EXPECT_EQ(status["uptime_s"], 1.5);
  EXPECT_EQ(status["config"]["path"], "/etc/netd/netd.conf");
  EXPECT_EQ(status["config"]["generation"], 2);
  EXPECT_EQ(status["config"]["loaded_at"], "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(status["workers"], 2);
  EXPECT_EQ(status["tasks"]["ready"], 1);
  const auto& echo = status["listeners"][0];
  EXPECT_EQ(echo["name"], "echo");
  EXPECT_EQ(echo["addresses"][0], "tcp:127.0.0.1:50007");
  EXPECT_EQ(echo["connections"]["active"], 1);
  EXPECT_EQ(echo["connections"]["accepted"], 2);
  EXPECT_EQ(echo["connections"]["refused"], 3);
  EXPECT_EQ(echo["bytes"]["in"], 4);
  EXPECT_EQ(echo["bytes"]["out"], 5);
  EXPECT_EQ(echo["errors"], 6);
}

TEST_F(ControlServerTest, ReloadSaysWhatChangedOrEveryMistake) {
  daemon_.outcome.generation = 3;
  daemon_.outcome.changes = {"listener web: added"};
  EXPECT_EQ(ask(R"({"type":"reload"})"),
            "{\"status\":\"ok\",\"generation\":3,\"changes\":[\"listener web: added\"]}\n");
  daemon_.outcome.mistakes = {"netd.conf:3: a", "netd.conf:9: b"};
  const auto refused = parsed(ask(R"({"type":"reload"})"));
  EXPECT_EQ(refused["code"], "config_invalid");
  EXPECT_EQ(refused["mistakes"].size(), 2U);
}

TEST_F(ControlServerTest, LogLevelIsShownAndSet) {
  EXPECT_EQ(ask(R"({"type":"log_level"})"), "{\"status\":\"ok\",\"log_level\":\"debug\"}\n");
  EXPECT_EQ(ask(R"({"type":"log_level","level":"warning"})"),
            "{\"status\":\"ok\",\"log_level\":\"warning\",\"previous\":\"debug\"}\n");
  EXPECT_EQ(log_level(), LogLevel::warning);
}

TEST_F(ControlServerTest, SteeringIsLoggedWithWhoDidIt) {
  ask(R"({"type":"stop"})");
  EXPECT_TRUE(daemon_.stopped);
  const auto entries = log_.entries("control_command");
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_THAT(entries[0].message, HasSubstr("stop by uid="));
}

TEST_F(ControlServerTest, OperationsOnTasksReachTheQueue) {
  ask(R"({"type":"done","id":"t\u0031","attempt":2,"result":[1, 2]})");
  EXPECT_EQ(tasks_.last_call, "done \"t1\"");
  EXPECT_EQ(tasks_.touched.attempt, 2U);
  EXPECT_EQ(tasks_.last_result, "[1,2]");
  ask(R"({"type":"fail","id":1,"delay":2})");
  EXPECT_EQ(tasks_.last_call, "fail 1");
  EXPECT_EQ(tasks_.last_delay, std::chrono::seconds(2));
  ask(R"({"type":"give_back","id":1})");
  EXPECT_EQ(tasks_.last_call, "give_back 1");
  ask(R"({"type":"touch","id":1,"lease":30})");
  EXPECT_EQ(tasks_.last_call, "touch 1");
  EXPECT_EQ(tasks_.last_delay, std::chrono::seconds(30));
  EXPECT_EQ(ask(R"({"type":"kick","id":"a"})"), "{\"status\":\"ok\",\"kicked\":1}\n");
  EXPECT_EQ(ask(R"({"type":"kick","queue":"q"})"), "{\"status\":\"ok\",\"kicked\":3}\n");
  EXPECT_EQ(ask(R"({"type":"delete","id":"a"})"), "{\"status\":\"ok\",\"task_id\":\"a\"}\n");
  EXPECT_EQ(tasks_.last_call, "erase \"a\"");
  EXPECT_THAT(ask(R"({"type":"peek","id":"a"})"), HasSubstr("\"data\":{\"a\":1.0}"));
  ask(R"({"type":"pause","queue":"q"})");
  EXPECT_EQ(tasks_.last_call, "pause q");
  ask(R"({"type":"resume","queue":"q"})");
  EXPECT_EQ(tasks_.last_call, "resume q");
  EXPECT_EQ(ask(R"({"type":"result","id":"a"})"),
            "{\"status\":\"ok\",\"task_id\":\"a\",\"result\":{\"ok\":true}}\n");
}

TEST_F(ControlServerTest, ListsTasksInPages) {
  tasks_.page.tasks.push_back(FakeTasks::make_task("\"a\"", "\"12345\""));
  tasks_.page.tasks.back().data_size = 7;
  tasks_.page.next = 17;
  const auto answer =
      parsed(ask(R"({"type":"tasks","queue":"q","state":"dead","after":5,"limit":10})"));
  EXPECT_EQ(answer["next"], 17);
  EXPECT_EQ(answer["tasks"][0]["id"], "a");
  EXPECT_EQ(answer["tasks"][0]["bytes"], 7);
  EXPECT_FALSE(answer["tasks"][0].contains("data"));
  EXPECT_EQ(tasks_.listed.queue, "q");
  EXPECT_EQ(tasks_.listed.state, tasks::TaskState::dead);
  EXPECT_EQ(tasks_.listed.after, 5U);
  EXPECT_EQ(tasks_.listed.limit, 10U);
}

TEST_F(ControlServerTest, DisconnectSaysHowMany) {
  EXPECT_EQ(ask(R"({"type":"disconnect","id":42})"), "{\"status\":\"ok\",\"disconnected\":1}\n");
  EXPECT_EQ(daemon_.disconnect_asked.id, 42U);
  daemon_.disconnected = 0;
  EXPECT_THAT(ask(R"({"type":"disconnect","client":"127.0.0.1"})"), HasSubstr("not_found"));
}

// ---- Who may.

TEST(Permission, OfThePeer) {
  const AccessRules closed{1000, gid_t{50}, false};
  const AccessRules open{1000, gid_t{50}, true};
  EXPECT_EQ(permission_of({0, 0, 1, {}}, closed), Permission::steer);
  EXPECT_EQ(permission_of({1000, 1, 1, {}}, closed), Permission::steer);
  EXPECT_EQ(permission_of({2000, 50, 1, {}}, closed), Permission::steer);
  EXPECT_EQ(permission_of({2000, 1, 1, {7, 50}}, closed), Permission::steer);
  EXPECT_EQ(permission_of({2000, 1, 1, {7}}, closed), Permission::none);
  EXPECT_EQ(permission_of({2000, 1, 1, {7}}, open), Permission::read_status);
  EXPECT_EQ(permission_of({2000, 0, 1, {}}, {1000, std::nullopt, true}), Permission::read_status);
}

TEST(Permission, CredentialsComeFromTheKernel) {
  std::array<int, 2> pair{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()), 0);
  const UniqueFd one(pair[0]);
  const UniqueFd other(pair[1]);
  const auto peer = peer_credentials(one.get());
  ASSERT_TRUE(peer);
  EXPECT_EQ(peer->uid, ::geteuid());
  EXPECT_EQ(peer->gid, ::getegid());
  EXPECT_EQ(peer->pid, ::getpid());
}

TEST(Commands, StandInOrderAndReadersOnlyRead) {
  EXPECT_TRUE(std::ranges::is_sorted(commands(), {}, &Command::type));
  std::vector<std::string_view> open;
  for (const auto& command : commands()) {
    EXPECT_FALSE(command.summary.empty()) << command.type;
    if (command.permission == Permission::read_status) open.push_back(command.type);
  }
  EXPECT_THAT(open, testing::ElementsAre("listeners", "stats", "status", "version"));
}

// ---- The socket's file.

TEST_F(ControlServerTest, TheSocketIsForItsGroupAlone) {
  struct stat status{};
  ASSERT_EQ(::stat(settings_.socket.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0660U);
  server_.reset();
  EXPECT_NE(::stat(settings_.socket.c_str(), &status), 0);
  settings_.public_status = true;
  server_ = ControlServer::create(*io_, settings_, services_).value();
  ASSERT_EQ(::stat(settings_.socket.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0666U);
}

TEST_F(ControlServerTest, ALivingSocketIsAnErrorAndLeftAlone) {
  const auto second = ControlServer::create(*io_, settings_, services_);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().what(), HasSubstr("control socket: listen unix:"));
  EXPECT_THAT(ask(R"({"type":"version"})"), HasSubstr("ok"));
}

TEST_F(ControlServerTest, ShuttingDownAnswersAndCloses) {
  Client client(settings_.socket);
  ask(client, R"({"type":"consume","wait":60,"tag":3})");
  server_->shut_down();
  turn();
  EXPECT_EQ(client.receive(),
            "{\"status\":\"error\",\"code\":\"stopping\",\"message\":\"netd is stopping\","
            "\"tag\":3}\n");
  EXPECT_TRUE(client.ended);
  EXPECT_FALSE(Client(settings_.socket).connected());
}

}  // namespace
}  // namespace netd::control
