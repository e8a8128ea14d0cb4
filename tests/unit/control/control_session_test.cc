// A client and its session: where requests end, the order of their answers, what is in flight, and
// events.
#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>

#include <nlohmann/json.hpp>

#include "daemon/control/vocabulary.h"
#include "tests/unit/control/control_fixture.h"

namespace netd::control {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr std::string_view kInvalidJsonLine =
    "{\"status\":\"error\",\"code\":\"invalid_json\",\"message\":\"Invalid JSON\"}\n";

class ControlSessionTest : public ControlTest {};

// ---- Where requests end.

TEST_F(ControlSessionTest, RubbishIsAnsweredAtOnceAndTheConnectionClosed) {
  for (const std::string_view text : {"hello", "{hello", "{\"a\":1,}", "{} }"}) {
    Client client(settings_.socket);
    const std::string answer = ask(client, text);
    EXPECT_TRUE(answer.ends_with(kInvalidJsonLine)) << answer;
    EXPECT_TRUE(client.ended) << text;
  }
}

TEST_F(ControlSessionTest, AnUnfinishedRequestIsInvalidWhenTheClientEnds) {
  Client client(settings_.socket);
  EXPECT_EQ(ask(client, "{\"a\":"), "");
  client.finish_sending();
  turn();
  EXPECT_EQ(client.receive(), kInvalidJsonLine);
  EXPECT_TRUE(client.ended);
}

TEST_F(ControlSessionTest, OtherJsonThanObjectsIsRefusedAndTheConnectionGoesOn) {
  Client client(settings_.socket);
  EXPECT_THAT(ask(client, "[1] \"x\" null\n"), HasSubstr("invalid_request"));
  EXPECT_THAT(ask(client, R"({"type":"version"})"), StartsWith("{\"status\":\"ok\",\"version\""));
}

TEST_F(ControlSessionTest, OversizedRequestsAreRefused) {
  Client client(settings_.socket);
  std::string request = R"({"type":"produce","task":{"data":")" + std::string(2 << 20, 'x');
  std::string answer;
  while (!request.empty() && answer.empty()) {
    request.erase(0, client.send_some(std::string_view(request).substr(0, 32768)));
    turn();
    answer = client.receive();
  }
  EXPECT_THAT(answer, HasSubstr("\"code\":\"too_large\""));
  EXPECT_TRUE(tasks_.produced.empty());
}

// ---- Order and flow.

TEST_F(ControlSessionTest, AnswersKeepTheOrderOfTheRequests) {
  daemon_.hold_status = true;
  Client client(settings_.socket);
  EXPECT_EQ(ask(client, R"({"type":"status","tag":1}{"type":"version","tag":{"b": 2}})"), "");
  daemon_.answer_status();
  turn();
  const std::string answers = client.receive();
  const auto first = answers.find("\"tag\":1}\n");
  const auto second = answers.find("\"tag\":{\"b\":2}}\n");
  ASSERT_NE(first, std::string::npos) << answers;
  ASSERT_NE(second, std::string::npos) << answers;
  EXPECT_LT(first, second);
}

TEST_F(ControlSessionTest, PipelinedRequestsRunSideBySide) {
  tasks_.hold = true;
  Client client(settings_.socket);
  std::string requests;
  for (int i = 0; i < 10; ++i) {
    requests += R"({"type":"produce","task":{"data":1}})"
                "\n";
  }
  EXPECT_EQ(ask(client, requests), "");
  EXPECT_EQ(tasks_.produced.size(), 10U);
  tasks_.commit();
  turn();
  const std::string answers = client.receive();
  EXPECT_EQ(std::ranges::count(answers, '\n'), 10);
}

TEST_F(ControlSessionTest, WhoLooksOrTakesFindsWhatTheSameClientAskedForBefore) {
  tasks_.hold = true;
  for (const auto* second : {R"({"type":"consume","wait":0})", R"({"type":"task_stats"})",
                             R"({"type":"peek"})", R"({"type":"tasks"})"}) {
    Client client(settings_.socket);
    tasks_.last_call.clear();
    tasks_.taken.queue = "untouched";
    EXPECT_EQ(ask(client, R"({"type":"produce","task":{"id":1,"data":1}})" + std::string(second)),
              "");
    EXPECT_EQ(tasks_.taken.queue, "untouched") << second;
    EXPECT_EQ(tasks_.last_call, "") << second;
    tasks_.ready.push_back(FakeTasks::make_task("1", "1"));
    tasks_.commit();
    turn();
    const std::string answers = client.receive();
    EXPECT_THAT(answers, StartsWith("{\"status\":\"queued\",\"task_id\":1}\n")) << second;
    EXPECT_EQ(std::ranges::count(answers, '\n'), 2) << second;
    tasks_.ready.clear();
  }
}

TEST_F(ControlSessionTest, ATakeDoesNotWaitForAnEnd) {
  tasks_.hold = true;
  tasks_.ready.push_back(FakeTasks::make_task("2", "1"));
  Client client(settings_.socket);
  EXPECT_EQ(ask(client, R"({"type":"done","id":1}{"type":"consume","queue":"q","lease":5})"), "");
  EXPECT_EQ(tasks_.taken.queue, "q");
  EXPECT_TRUE(tasks_.ready.empty());
  tasks_.commit();
  turn();
  EXPECT_THAT(client.receive(), HasSubstr("\"task_id\":1}\n{\"status\":\"success\""));
}

TEST_F(ControlSessionTest, NobodyWaitsForAParkedConsumer) {
  tasks_.hold = true;
  Client client(settings_.socket);
  EXPECT_EQ(ask(client, R"({"type":"consume","wait":5}{"type":"produce","task":{"data":1}})"
                        R"({"type":"version"}{"type":"produce","task":{"data":2}})"),
            "");
  EXPECT_EQ(tasks_.produced.size(), 1U);
  tasks_.commit();  // the first answer is still to come, and `version` goes on all the same
  turn();
  EXPECT_EQ(tasks_.produced.size(), 2U);
  tasks_.arrive(FakeTasks::make_task("1", "1"));
  tasks_.commit();
  turn();
  EXPECT_EQ(std::ranges::count(client.receive(), '\n'), 4);
}

TEST_F(ControlSessionTest, WhatWaitsIsReadAfterAHalfClose) {
  tasks_.hold = true;
  Client client(settings_.socket);
  client.send(R"({"type":"produce","task":{"data":1}}{"type":"version"}{"typ)");
  client.finish_sending();
  turn();
  EXPECT_EQ(client.receive(), "");
  tasks_.commit();
  turn();
  const std::string answers = client.receive();
  EXPECT_EQ(std::ranges::count(answers, '\n'), 3);
  EXPECT_THAT(answers, testing::EndsWith(std::string(kInvalidJsonLine)));
  EXPECT_TRUE(client.ended);
}

TEST_F(ControlSessionTest, BoundsWhatIsInFlight) {
  tasks_.hold = true;
  Client client(settings_.socket);
  std::string requests;
  for (int i = 0; i < 200; ++i) requests += R"({"type":"produce","task":{"data":1}})";
  EXPECT_EQ(ask(client, requests), "");
  EXPECT_EQ(tasks_.produced.size(), kMaxRequestsInFlight);
  std::size_t answered = 0;
  for (int round = 0; round < 10 && answered < 200; ++round) {
    tasks_.commit();
    turn();
    const std::string answers = client.receive();
    answered += static_cast<std::size_t>(std::ranges::count(answers, '\n'));
    EXPECT_LE(tasks_.produced.size(), answered + kMaxRequestsInFlight);
  }
  EXPECT_EQ(answered, 200U);
}

TEST_F(ControlSessionTest, OneWhoSendsMuchLeavesOthersTheirTurn) {
  Client greedy(settings_.socket);
  Client modest(settings_.socket);
  turn();
  constexpr std::size_t kRequests = 2000;
  std::string requests;
  for (std::size_t i = 0; i < kRequests; ++i) requests += R"({"type":"version"})";
  greedy.send(requests);
  modest.send(R"({"type":"version"})");
  std::string answers;
  for (int i = 0; i < 100 && modest.receive().empty(); ++i) {
    dispatcher_->turn(false);
    answers += greedy.receive();
  }
  EXPECT_LE(std::ranges::count(answers, '\n'), 3 * static_cast<long>(kMaxRequestsInFlight));
  for (int i = 0; i < 100; ++i) {
    turn();
    answers += greedy.receive();
  }
  EXPECT_EQ(std::ranges::count(answers, '\n'), static_cast<long>(kRequests));
}

TEST_F(ControlSessionTest, AHalfClosedClientStillGetsItsAnswers) {
  Client client(settings_.socket);
  client.send(R"({"type":"consume","wait":5})");
  client.finish_sending();
  turn();
  EXPECT_EQ(client.receive(), "");
  EXPECT_FALSE(client.ended);
  tasks_.arrive(FakeTasks::make_task("1", "2"));
  turn();
  EXPECT_THAT(client.receive(), HasSubstr("\"id\":1"));
  EXPECT_TRUE(client.ended);
}

TEST_F(ControlSessionTest, AClientThatIsGoneGetsNoTask) {
  Client client(settings_.socket);
  ask(client, R"({"type":"consume","wait":5})");
  ASSERT_EQ(tasks_.parked.size(), 1U);
  client.hang_up();
  // Before the loop hears of it.
  tasks_.arrive(FakeTasks::make_task("1", "2"));
  EXPECT_EQ(tasks_.ready.size(), 1U);
  turn();
  EXPECT_THAT(tasks_.released, testing::Contains(tasks_.taken.holder));
  EXPECT_EQ(server_->client_count(), 0U);
}

TEST_F(ControlSessionTest, AClientThatHangsUpLetsGoOfWhatItHeld) {
  Client client(settings_.socket);
  ask(client, R"({"type":"consume","wait":5})");
  client.hang_up();
  turn();
  EXPECT_TRUE(tasks_.parked.empty());
  EXPECT_THAT(tasks_.released, testing::ElementsAre(tasks_.taken.holder));
}

TEST_F(ControlSessionTest, AnAnswerThatComesTooLateHurtsNobody) {
  daemon_.hold_status = true;
  {
    Client client(settings_.socket);
    ask(client, R"({"type":"status"})");
  }
  turn();
  EXPECT_EQ(server_->client_count(), 0U);
  daemon_.answer_status();
  turn();
}

TEST_F(ControlSessionTest, AClientThatNeverReadsIsNotReadEither) {
  Client client(settings_.socket);
  const std::string request = R"({"type":"status"})";
  std::string requests;
  for (int i = 0; i < 500; ++i) requests += request;
  daemon_.report.listeners.resize(200);
  std::size_t sent = 0;
  for (int round = 0; round < 400; ++round) {
    const std::size_t count = client.send_some(requests);
    sent += count;
    turn();
  }
  // The socket's buffer, what is pending in the session, and no more.
  EXPECT_LT(sent, std::size_t{4} << 20);
  EXPECT_EQ(client.send_some(requests), 0U);
}

TEST_F(ControlSessionTest, NoMoreIsTakenThanTheClientReads) {
  constexpr std::size_t kTasks = kMaxRequestsInFlight;
  const std::string data(std::size_t{128} << 10, '1');
  for (std::size_t i = 0; i < kTasks; ++i) {
    tasks_.ready.push_back(FakeTasks::make_task(std::to_string(i), data));
  }
  Client client(settings_.socket);
  std::string requests;
  for (std::size_t i = 0; i < kTasks; ++i) requests += R"({"type":"consume","wait":0})";
  client.send(requests);
  turn();
  EXPECT_GE(tasks_.ready.size(), kTasks - 8);
  client.finish_sending();
  std::ptrdiff_t answered = 0;
  for (int i = 0; i < 100'000 && !client.ended; ++i) {
    turn();
    answered += std::ranges::count(client.receive(), '\n');
  }
  EXPECT_EQ(answered, static_cast<std::ptrdiff_t>(kTasks));
  EXPECT_TRUE(tasks_.ready.empty());
}

// ---- Events.

TEST_F(ControlSessionTest, StreamsEventsToWhoSubscribed) {
  Client all(settings_.socket);
  Client some(settings_.socket);
  EXPECT_EQ(ask(all, R"({"type":"subscribe"})"), "{\"status\":\"ok\"}\n");
  EXPECT_EQ(ask(some, R"({"type":"subscribe","events":["reload"]})"), "{\"status\":\"ok\"}\n");
  ASSERT_TRUE(tasks_.observer);
  tasks_.observer({"produced", "\"t1\"", "default", 0});
  turn();
  const auto event = nlohmann::json::parse(all.receive());
  EXPECT_EQ(event["event"], "task_produced");
  EXPECT_EQ(event["task"], "t1");
  EXPECT_EQ(event["queue"], "default");
  EXPECT_EQ(some.receive(), "");
}

TEST_F(ControlSessionTest, NobodyListensAfterTheLastHasGone) {
  {
    Client client(settings_.socket);
    ask(client, R"({"type":"subscribe"})");
    EXPECT_TRUE(tasks_.observer);
  }
  turn();
  EXPECT_FALSE(tasks_.observer);
}

TEST_F(ControlSessionTest, ASlowSubscriberIsToldWhatItMissed) {
  Client client(settings_.socket);
  ask(client, R"({"type":"subscribe"})");
  const std::string queue(100, 'q');
  for (int i = 0; i < 20'000; ++i) tasks_.observer({"produced", "1", queue, 0});
  std::string all;
  for (int i = 0; i < 200; ++i) {
    turn();
    all += client.receive();
  }
  const auto at = all.find("{\"event\":\"dropped\",\"dropped\":");
  ASSERT_NE(at, std::string::npos);
  const auto dropped =
      nlohmann::json::parse(all.substr(at, all.find('\n', at) - at))["dropped"].get<int>();
  EXPECT_EQ(std::ranges::count(all, '\n') - 1 + dropped, 20'000);
}

}  // namespace
}  // namespace netd::control
