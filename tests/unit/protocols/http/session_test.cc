#include "daemon/protocols/http/session.h"

#include <gmock/gmock.h>

#include <fstream>
#include <string>

#include "tests/unit/protocols/http/http_rig.h"

namespace netd::http::test {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

using HttpSessionTest = HttpRig;

const std::string kGet = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

std::size_t count(std::string_view text, std::string_view what) {
  std::size_t found = 0;
  for (std::size_t at = text.find(what); at != std::string_view::npos;
       at = text.find(what, at + 1)) {
    ++found;
  }
  return found;
}

TEST_F(HttpSessionTest, AnswersAndStays) {
  open("route = / info\n");
  const std::string answer = exchange(kGet);
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\nServer: netd\r\nDate: Fri, 02 Jan 2026"));
  EXPECT_THAT(answer, HasSubstr("\"path\":\"/\""));
  EXPECT_THAT(answer, Not(HasSubstr("Connection:")));
  EXPECT_THAT(exchange(kGet), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST_F(HttpSessionTest, AnswersPipelinedRequestsInOrder) {
  open("route = /a info\nroute = /b info\n");
  const std::string answer = exchange(
      "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /c HTTP/1.1\r\nHost: x\r\n\r\n"
      "HEAD /b HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(count(answer, "HTTP/1.1 200 OK\r\n"), 3U);
  EXPECT_EQ(count(answer, "HTTP/1.1 404 Not Found\r\n"), 1U);
  EXPECT_LT(answer.find("\"/a\""), answer.find("404"));
  EXPECT_LT(answer.find("404"), answer.find("\"/b\""));
  EXPECT_EQ(count(answer, "\"path\":\"/b\""), 1U);
}

TEST_F(HttpSessionTest, ClosesWhenAsked) {
  open("route = / info\n");
  EXPECT_THAT(exchange("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" + kGet),
              AllOf(HasSubstr("Connection: close\r\n"), EndsWith("<EOF>")));
  connect();
  EXPECT_THAT(exchange("GET / HTTP/1.0\r\n\r\n"), EndsWith("<EOF>"));
  connect();
  EXPECT_THAT(exchange("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
              AllOf(HasSubstr("Connection: keep-alive\r\n"), Not(EndsWith("<EOF>"))));
}

TEST_F(HttpSessionTest, WaitsOnlyForAClientThatMayStillSend) {
  open("route = / info\nmax_requests = 1\n");
  EXPECT_THAT(exchange("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
              AllOf(HasSubstr("Connection: close\r\n"), EndsWith("<EOF>")));
  EXPECT_FALSE(connection_);  // whoever has asked for the end sends no more
  connect();
  EXPECT_THAT(exchange(kGet), AllOf(HasSubstr("Connection: close\r\n"), EndsWith("<EOF>")));
  ASSERT_TRUE(connection_);  // this one has not, and a reset could destroy its answer
  EXPECT_TRUE(connection_->is_lingering());
  connect();
  EXPECT_THAT(
      exchange("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: x\r\n\r\n"),
      AllOf(StartsWith("HTTP/1.1 400 "), EndsWith("<EOF>")));
  ASSERT_TRUE(connection_);  // nor is a message that is refused all that comes
  EXPECT_TRUE(connection_->is_lingering());
}

TEST_F(HttpSessionTest, ReadsNothingBehindWhatItRefuses) {
  open("route = / info\n");
  const std::string answer = exchange("GET / HTTP/1.1\r\nHost : x\r\n\r\n" + kGet);
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 400 "));
  EXPECT_EQ(count(answer, "HTTP/1.1 "), 1U);
  EXPECT_THAT(answer, EndsWith("<EOF>"));
}

TEST_F(HttpSessionTest, CollectsABodyInPieces) {
  open("route = / info\n");
  send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n01234");
  EXPECT_THAT(receive(), IsEmpty());
  // Another session uses the same places in between.
  EXPECT_THAT(exchange("56789" + kGet), HasSubstr("\"method\":\"POST\""));
  EXPECT_THAT(exchange("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n"),
              IsEmpty());
  EXPECT_THAT(exchange("abc\r\n0\r\n"), IsEmpty());
  EXPECT_THAT(exchange("\r\n"), HasSubstr("Transfer-Encoding"));
}

TEST_F(HttpSessionTest, RefusesAMalformedBodyInPieces) {
  open("route = / info\n");
  send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_THAT(exchange("3\r\nabcd\r\n"), AllOf(StartsWith("HTTP/1.1 400 "), EndsWith("<EOF>")));
}

TEST_F(HttpSessionTest, AsksForABodyThatIsWanted) {
  open("route = / info\nmax_body = 10\n");
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n";
  EXPECT_EQ(exchange(head + "Content-Length: 3\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_THAT(exchange("abc"), StartsWith("HTTP/1.1 200 OK\r\n"));
  // Not when it is there already, and not when there is none.
  EXPECT_THAT(exchange(head + "Content-Length: 3\r\n\r\nabc"), StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(exchange(head + "Content-Length: 0\r\n\r\n"), StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(exchange(head + "Content-Length: 11\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 413 "), EndsWith("<EOF>")));
}

TEST_F(HttpSessionTest, DoesNotAskForABodyThatNobodyWants) {
  open("route = / status\n");
  const std::string answer =
      exchange("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_THAT(answer, AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("Allow: GET, HEAD, OPTIONS\r\n"),
                            EndsWith("<EOF>")));
}

TEST_F(HttpSessionTest, OneDeadlineForAHead) {
  open("route = / info\nheader_timeout = 10s\n");
  advance(20s);
  send("GET / HTTP/1.1\r\n");
  for (int i = 0; i < 9; ++i) {
    advance(1s);
    send("X: y\r\n");
    EXPECT_THAT(receive(), IsEmpty());
  }
  advance(1s);
  EXPECT_THAT(receive(), AllOf(StartsWith("HTTP/1.1 408 "), EndsWith("<EOF>")));
}

TEST_F(HttpSessionTest, TheDeadlineEndsWithTheHead) {
  open("route = / info\nheader_timeout = 10s\n");
  send("GET / HTTP/1.1\r\n");
  advance(9s);
  EXPECT_THAT(exchange("Host: x\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
  advance(9s);
  EXPECT_THAT(exchange(kGet), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpSessionTest, AnIdleConnectionClosesSilently) {
  open("route = / info\n");
  EXPECT_THAT(exchange(kGet), Not(IsEmpty()));
  advance(29s);
  EXPECT_THAT(receive(), IsEmpty());
  advance(1s);
  EXPECT_EQ(receive(), "<EOF>");
}

TEST_F(HttpSessionTest, ABodyHasToMove) {
  open("route = / info\nmin_rate = 10\n");
  send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n");
  for (int i = 0; i < 5; ++i) {
    send(std::string(50, 'x'));
    advance(5s);
    send(std::string(50, 'x'));
    advance(5s);
    EXPECT_THAT(receive(), IsEmpty());
  }
  send(std::string(99, 'x'));
  advance(10s);
  EXPECT_THAT(receive(), AllOf(StartsWith("HTTP/1.1 408 "), EndsWith("<EOF>")));
}

TEST_F(HttpSessionTest, AReaderHasToRead) {
  dir_.write("big", std::string(8 << 20, 'x'));
  open("route = / static " + dir_.path().string() + "\nmin_rate = 1000\n");
  send("GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
  std::string part(200'000, '\0');
  for (int i = 0; i < 10; ++i) {
    advance(9s);
    ASSERT_GT(::recv(peer_.get(), part.data(), part.size(), 0), 0);
    turn();
  }
  ASSERT_NE(connection_, nullptr);
  advance(11s);
  advance(11s);
  EXPECT_EQ(connection_, nullptr);
}

TEST_F(HttpSessionTest, SaysWhatItIsDoing) {
  using Worth = Standing::Worth;
  open("route = / info\nroute = /status status\n");
  const Monotonic opened = clock_.now();
  advance(1s);
  EXPECT_EQ(connection_->standing().worth, Worth::asking);
  EXPECT_EQ(connection_->standing().since, opened);
  exchange(kGet);
  EXPECT_EQ(connection_->standing().worth, Worth::idle);
  EXPECT_EQ(connection_->standing().since, clock_.now());
  const Monotonic begun = clock_.now();
  send("GET / HT");
  advance(2s);
  send("TP/1.1\r\n");
  EXPECT_EQ(connection_->standing().worth, Worth::asking);
  EXPECT_EQ(connection_->standing().since, begun);
  exchange("Host: x\r\n\r\n");
  EXPECT_EQ(connection_->standing().worth, Worth::idle);
  send("GET /status HTTP/1.1\r\nHost: x\r\n\r\n");
  advance(5s);
  EXPECT_EQ(connection_->standing().worth, Worth::working);  // it waits for us
}

TEST_F(HttpSessionTest, SaysThatABodyStalls) {
  using Worth = Standing::Worth;
  open("route = / info\nmin_rate = 10\n");
  send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n");
  EXPECT_EQ(connection_->standing().worth, Worth::working);
  send(std::string(160, 'x'));
  advance(1s);
  EXPECT_EQ(connection_->standing().worth, Worth::working);  // 16 * min_rate
  send(std::string(159, 'x'));
  advance(1s);
  EXPECT_EQ(connection_->standing().worth, Worth::stalled);
  connection_->displace();
  EXPECT_THAT(receive(), AllOf(StartsWith("HTTP/1.1 408 "), EndsWith("<EOF>")));
}

TEST_F(HttpSessionTest, SaysThatAReaderStalls) {
  using Worth = Standing::Worth;
  dir_.write("big", std::string(8 << 20, 'x'));
  open("route = / static " + dir_.path().string() + "\n");
  send("GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
  std::string part(200'000, '\0');
  for (int i = 0; i < 5; ++i) {
    for (int j = 0; j < 4; ++j) {
      ASSERT_GT(::recv(peer_.get(), part.data(), part.size(), 0), 0);
      turn();
    }
    advance(1s);
    EXPECT_EQ(connection_->standing().worth, Worth::working) << i;
  }
  advance(1s);
  EXPECT_EQ(connection_->standing().worth, Worth::stalled);
  connection_->displace();
  EXPECT_EQ(connection_, nullptr);
}

TEST_F(HttpSessionTest, SaysThatAReaderOfWhatTheKernelHoldsStalls) {
  using Worth = Standing::Worth;
  dir_.write("file", std::string(20'000, 'x'));
  open("route = / static " + dir_.path().string() + "\n");
  send("GET /file HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(connection_->standing().worth, Worth::working);
  advance(1s);
  // What it has taken before was much; from here on it is watched.
  (void)connection_->standing();
  advance(1s);
  EXPECT_EQ(connection_->standing().worth, Worth::stalled);
  EXPECT_THAT(receive(), Not(IsEmpty()));
  advance(9s);  // it has read all of it, and is not cut off
  ASSERT_NE(connection_, nullptr);
  EXPECT_EQ(connection_->standing().worth, Worth::idle);
}

TEST_F(HttpSessionTest, AnswersWhoHasFinishedSending) {
  open("route = / info\n");
  send(kGet);
  end_sending();
  EXPECT_THAT(receive(), AllOf(StartsWith("HTTP/1.1 200 "), EndsWith("<EOF>")));
  connect();
  send("GET / HTTP/1.1\r\nHost: x\r\n");
  end_sending();
  EXPECT_THAT(receive(), AllOf(StartsWith("HTTP/1.1 400 "), EndsWith("<EOF>")));
  connect();
  end_sending();
  EXPECT_EQ(receive(), "<EOF>");
}

TEST_F(HttpSessionTest, WaitsForADocumentAndKeepsTheOrder) {
  open("route = /status status\nroute = / info\n");
  send("GET /status HTTP/1.1\r\nHost: x\r\n\r\n" + kGet);
  EXPECT_THAT(receive(), IsEmpty());
  ASSERT_EQ(daemon_.questions.size(), 1U);
  EXPECT_EQ(daemon_.questions[0].document, DaemonQueries::Document::status);
  daemon_.questions[0].reply("{\"status\":\"ok\"}");
  const std::string answer = receive();
  EXPECT_LT(answer.find("{\"status\":\"ok\"}"), answer.find("\"path\":\"/\""));
  EXPECT_EQ(count(answer, "HTTP/1.1 200 OK\r\n"), 2U);
}

TEST_F(HttpSessionTest, AnAnswerForAConnectionThatIsGone) {
  open("route = /status status\n");
  send("GET /status HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_EQ(daemon_.questions.size(), 1U);
  peer_.reset();
  turn();
  connection_->abort();
  turn();
  daemon_.questions[0].reply("{}");
}

TEST_F(HttpSessionTest, Health) {
  open("route = / health\n");
  send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_EQ(daemon_.questions.size(), 1U);
  EXPECT_EQ(daemon_.questions[0].document, DaemonQueries::Document::livez);
  daemon_.questions[0].reply("");
  EXPECT_THAT(receive(), AllOf(StartsWith("HTTP/1.1 200 "), EndsWith("ok\n")));
  send("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_EQ(daemon_.questions.size(), 2U);
  EXPECT_EQ(daemon_.questions[1].document, DaemonQueries::Document::readyz);
  daemon_.questions[1].reply("mail store: disk full\n");
  EXPECT_THAT(receive(), AllOf(StartsWith("HTTP/1.1 503 "), EndsWith("disk full\n")));
  EXPECT_THAT(exchange("GET /x HTTP/1.1\r\nHost: x\r\n\r\n"), StartsWith("HTTP/1.1 404 "));
}

TEST_F(HttpSessionTest, ShutsDownAfterTheRequestInFlight) {
  open("route = /status status\n");
  advance(Connection::kFirstWords);  // it is no new client any more
  connection_->shut_down();
  EXPECT_EQ(receive(), "<EOF>");
  connect();
  send("GET /status HTTP/1.1\r\nHost: x\r\n\r\n");
  connection_->shut_down();
  EXPECT_THAT(receive(), IsEmpty());
  daemon_.questions.back().reply("{}");
  EXPECT_THAT(receive(), AllOf(HasSubstr("Connection: close\r\n"), EndsWith("{}<EOF>")));
  connect();
  send("GET /status HT");
  connection_->shut_down();
  EXPECT_THAT(receive(), IsEmpty());
  send("TP/1.1\r\nHost: x\r\n\r\n");
  daemon_.questions.back().reply("{}");
  EXPECT_THAT(receive(), EndsWith("{}<EOF>"));
}

TEST_F(HttpSessionTest, LimitsTheRequestsOfAConnection) {
  open("route = / info\nmax_requests = 2\n");
  EXPECT_THAT(exchange(kGet), Not(EndsWith("<EOF>")));
  EXPECT_THAT(exchange(kGet + kGet), AllOf(HasSubstr("Connection: close\r\n"), EndsWith("<EOF>")));
}

TEST_F(HttpSessionTest, SendsConfiguredFields) {
  open("route = / info\nheader = X-One:  1\nheader = X-Two: a: b\nserver_header = off\n");
  EXPECT_THAT(exchange(kGet),
              AllOf(HasSubstr("X-One: 1\r\nX-Two: a: b\r\n"), Not(HasSubstr("Server:"))));
  EXPECT_THAT(exchange("nonsense\r\n"), HasSubstr("X-One: 1\r\n"));
}

TEST_F(HttpSessionTest, ErrorPages) {
  const std::string page = dir_.write("404.html", "<h1>gone</h1>");
  open("route = /a info\nerror_page = 404 " + page + "\n");
  EXPECT_THAT(exchange(kGet), EndsWith("<h1>gone</h1>"));
  EXPECT_THAT(exchange("GET / HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n\r\n"),
              EndsWith("{\"status\":404,\"error\":\"Not Found\"}\n"));
  const std::string head = exchange("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(head, AllOf(HasSubstr("Content-Length: 13\r\n"), EndsWith("\r\n\r\n")));
}

TEST_F(HttpSessionTest, EverySplitGivesTheSame) {
  open("route = / info\nroute = /status status\n");
  const std::string input =
      "\r\nPOST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n"
      "T: u\r\n\r\nHEAD /b HTTP/1.1\nHost: y\n\nPUT /c HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
      "\r\nabcdGET /d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nGET /e HTTP/1.1\r\n";
  const std::string whole = exchange(input);
  EXPECT_EQ(count(whole, "HTTP/1.1 200 OK\r\n"), 4U);
  for (std::size_t split = 1; split < input.size(); ++split) {
    connect();
    send(input.substr(0, split));
    if (connection_) send(input.substr(split));  // else what asked for the end has been answered
    const std::string answer = receive();
    // The time and the dates may differ.
    EXPECT_EQ(answer.size(), whole.size()) << split;
    EXPECT_EQ(count(answer, "HTTP/1.1 200 OK\r\n"), 4U) << split;
  }
}

}  // namespace
}  // namespace netd::http::test
