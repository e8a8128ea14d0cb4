#include "daemon/control/command_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

namespace netd::control {
namespace {

using testing::HasSubstr;

std::string request_of(std::string_view line) {
  const auto parsed = parse_command_line(line);
  return parsed ? parsed->request : "error: " + parsed.error().what();
}

TEST(CommandWords, LinesBecomeRequests) {
  EXPECT_EQ(request_of("status"), R"({"type":"status"})");
  EXPECT_EQ(request_of("  log-level\tdebug "), R"({"type":"log_level","level":"debug"})");
  EXPECT_EQ(request_of("config check"), R"({"type":"config","check":true})");
  EXPECT_EQ(request_of("drain --resume web"), R"({"type":"drain","resume":true,"listener":"web"})");
  EXPECT_EQ(request_of("disconnect 42"), R"({"type":"disconnect","id":42})");
  EXPECT_EQ(request_of("task take --queue=mail --wait 500ms --lease 1.5"),
            R"({"type":"consume","queue":"mail","wait":0.500,"lease":1.5})");
  EXPECT_EQ(request_of("task stats"), R"({"type":"task_stats"})");
}

TEST(CommandWords, DataIsTheRestOfTheLine) {
  EXPECT_EQ(request_of("task add t1 hello world  again"),
            R"({"type":"produce","task":{"id":"t1","data":"hello world  again"}})");
  EXPECT_EQ(request_of(R"(task add t1 {"a": [1, 2.50]})"),
            R"({"type":"produce","task":{"id":"t1","data":{"a":[1,2.50]}}})");
  EXPECT_EQ(request_of("task add 'my id' 42"),
            R"({"type":"produce","task":{"id":"my id","data":42}})");
  EXPECT_EQ(request_of("task add t1 --queue q"),
            R"({"type":"produce","task":{"id":"t1","data":"--queue q"}})");
  EXPECT_EQ(request_of("task add --queue q --priority -3 t1 x"),
            R"({"type":"produce","task":{"queue":"q","priority":-3,"id":"t1","data":"x"}})");
  EXPECT_EQ(request_of("task add t1 it's"),
            R"({"type":"produce","task":{"id":"t1","data":"it's"}})");
}

TEST(CommandWords, ADashHasAnIdMadeUp) {
  EXPECT_EQ(request_of("task add - x"), R"({"type":"produce","task":{"data":"x"}})");
}

TEST(CommandWords, QuotesKeepWordsTogether) {
  EXPECT_EQ(request_of(R"(task done "a b\"c" ok)"),
            R"({"type":"done","id":"a b\"c","result":"ok"})");
  EXPECT_EQ(request_of(R"(task kick a\ b)"), R"({"type":"kick","id":"a b"})");
  EXPECT_EQ(request_of("task kick 'a\\b'"), R"({"type":"kick","id":"a\\b"})");
}

TEST(CommandWords, BadLinesSayWhatIsWrong) {
  EXPECT_EQ(request_of("statsu"), "error: unknown command statsu: did you mean status?");
  EXPECT_EQ(request_of("task ad x y"), "error: unknown command task ad: did you mean task add?");
  EXPECT_EQ(request_of("task"), "error: unknown command task");
  EXPECT_EQ(request_of("xyzzy"), "error: unknown command xyzzy");
  EXPECT_EQ(request_of("task add"), "error: task add: ID is missing");
  EXPECT_EQ(request_of("task add t1"), "error: task add: DATA is missing");
  EXPECT_EQ(request_of("status now"), "error: status: now is too much");
  EXPECT_EQ(request_of("status --now"), "error: status has no option --now");
  EXPECT_EQ(request_of("task take --wait"), "error: option --wait needs a value");
  EXPECT_EQ(request_of("task take --wait soon"),
            "error: --wait: expected a time such as 1.5, 30s or 5min, found soon");
  EXPECT_EQ(request_of("disconnect abc"), "error: ID: expected a whole number, found abc");
  EXPECT_EQ(request_of("task kick 'a"), "error: a quote is not closed");
  EXPECT_THAT(request_of("task add t1 \xff"), HasSubstr("expected UTF-8"));
  EXPECT_THAT(request_of(""), HasSubstr("unknown command"));
  EXPECT_THAT(request_of("task take --wait nan"), HasSubstr("expected a time"));
  EXPECT_THAT(request_of("task take --wait -1"), HasSubstr("expected a time"));
}

TEST(CommandWords, TheTableIsWhole) {
  std::set<std::string_view> seen;
  for (const auto& row : command_words()) {
    EXPECT_TRUE(seen.insert(row.words).second) << row.words;
    EXPECT_FALSE(row.summary.empty()) << row.words;
    EXPECT_TRUE(row.example.starts_with(row.words)) << row.words;
    bool optional_seen = false;
    for (const auto& argument : row.arguments) {
      EXPECT_FALSE(argument.help.empty()) << row.words << ' ' << argument.name;
      if (argument.name.starts_with("--")) continue;
      EXPECT_FALSE(argument.required && optional_seen) << row.words;
      optional_seen = optional_seen || !argument.required;
    }
  }
}

}  // namespace
}  // namespace netd::control
