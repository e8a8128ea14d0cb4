#include "ctl/job.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace netd::ctl {
namespace {

/// Serves the job until it has ended, as the worker's loop does.
void complete(Job& job) {
  while (!job.reap()) {
    std::vector<pollfd> watched;
    if (job.input_fd() >= 0) watched.push_back({job.input_fd(), POLLOUT, 0});
    if (job.output_fd() >= 0) watched.push_back({job.output_fd(), POLLIN, 0});
    (void)::poll(watched.data(), watched.size(), 10);
    if (job.input_fd() >= 0) job.feed();
    job.collect();
  }
}

Job start(const std::string& data, const std::string& script) {
  return std::move(*Job::start({"\"id\"", data, "q", 3}, {"sh", "-c", script}));
}

TEST(Job, FeedsTheDataAndCollectsTheResult) {
  Job job = start("\"two\\nlines\"", "cat; echo \" $NETD_TASK_ID $NETD_QUEUE $NETD_ATTEMPT\"");
  complete(job);
  EXPECT_EQ(job.status(), 0);
  EXPECT_EQ(result_of(job.output(), Job::kMaxResultText), "\"two\\nlines id q 3\"");
}

TEST(Job, JsonStaysJson) {
  Job job = start("{\"a\":1.50}", "cat");
  complete(job);
  EXPECT_EQ(result_of(job.output(), Job::kMaxResultText), "{\"a\":1.50}");
  Job silent = start("1", "true");
  complete(silent);
  EXPECT_EQ(result_of(silent.output(), Job::kMaxResultText), "");
}

TEST(Job, BoundsTheResult) {
  Job job = start("1", "head -c 400000 /dev/zero | tr '\\0' y");
  complete(job);
  EXPECT_EQ(result_of(job.output(), Job::kMaxResultText).size(), Job::kMaxResult + 2);
}

TEST(JobResult, IsCutToTheLimit) {
  struct Case {
    std::string_view output;
    std::size_t limit;
    std::string_view result;
  };
  for (const Case& one : std::initializer_list<Case>{
           {"abcdef", 8, "\"abcdef\""},
           {"abcdef", 7, "\"abcde\""},
           {"[1, 2]\n", 5, "[1,2]"},
           {"[1, 2]\n", 4, "\"[1\""},  // no JSON any more
           {"a\1b", 9, "\"a\\u0001\""},
           {"a\1b", 8, "\"a\""},
           {"a\u20acb", 6, "\"a\u20ac\""},
           {"a\u20acb", 5, "\"a\""},
           {"a\u20acb", 4, "\"a\""},
           {"abc", 2, "\"\""},
           {"\n\n", 2, ""},
       }) {
    EXPECT_EQ(result_of(one.output, one.limit), one.result) << one.output << " " << one.limit;
  }
}

TEST(Job, SaysHowItEnded) {
  Job failed = start("1", "exit 75");
  complete(failed);
  EXPECT_EQ(failed.status(), 75);
  Job killed = start("1", "exec sleep 60");
  killed.kill(SIGKILL);
  complete(killed);
  EXPECT_EQ(killed.status(), 128 + SIGKILL);
}

TEST(Job, ACommandThatIsNotThereIsAnError) {
  const auto job = Job::start({"1", "1", "q", 1}, {"/no/such/command"});
  ASSERT_FALSE(job);
  EXPECT_NE(job.error().what().find("/no/such/command"), std::string::npos);
}

TEST(LeasedTask, IsReadFromTheAnswer) {
  const auto task = parse_leased_task(
      R"({"status":"success","task":{"id":7,"data":{"x":1.0},"queue":"q","attempt":2}})");
  ASSERT_TRUE(task);
  EXPECT_EQ(task->id, "7");
  EXPECT_EQ(task->data, "{\"x\":1.0}");
  EXPECT_EQ(task->queue, "q");
  EXPECT_EQ(task->attempt, 2U);
  EXPECT_FALSE(parse_leased_task(R"({"status":"empty"})"));
}

}  // namespace
}  // namespace netd::ctl
