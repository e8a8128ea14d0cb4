#include "daemon/protocols/http/target.h"

#include <gtest/gtest.h>

#include <string>

#include "daemon/protocols/http/parser.h"

namespace netd::http {
namespace {

struct TargetRead {
  Request request;
  Target target;
  std::string head;

  explicit TargetRead(const std::string& line, const std::string& fields = "Host: x\r\n")
      : head(line + "\r\n" + fields + "\r\n") {
    HeadParser parser;
    EXPECT_EQ(parser.parse(head, {}, request), HeadParser::State::complete) << head;
    read_target(request, target);
  }
};

std::string path_of(const std::string& target) {
  const TargetRead read("GET " + target + " HTTP/1.1");
  return read.target.status == 0 ? read.target.path : std::to_string(read.target.status);
}

TEST(Target, DecodesOnce) {
  EXPECT_EQ(path_of("/"), "/");
  EXPECT_EQ(path_of("/a%20b"), "/a b");
  EXPECT_EQ(path_of("/%2541"), "/%41");
  EXPECT_EQ(path_of("/a+b"), "/a+b");
  EXPECT_EQ(path_of("/f\xC3\xBCr"), "/f\xC3\xBCr");
  EXPECT_EQ(path_of("/%zz"), "400");
  EXPECT_EQ(path_of("/%4"), "400");
  EXPECT_EQ(path_of("/%"), "400");
  EXPECT_EQ(path_of("/a%00b"), "400");
}

TEST(Target, RemovesDotSegments) {
  EXPECT_EQ(path_of("/a/./b"), "/a/b");
  EXPECT_EQ(path_of("/a/b/../c"), "/a/c");
  EXPECT_EQ(path_of("/a/b/.."), "/a/");
  EXPECT_EQ(path_of("/a/."), "/a/");
  EXPECT_EQ(path_of("/a/%2e%2E/b"), "/b");
  EXPECT_EQ(path_of("/..."), "/...");
  EXPECT_EQ(path_of("/.a"), "/.a");
  EXPECT_EQ(path_of("//a//b"), "//a//b");
  EXPECT_EQ(path_of("//.."), "/");
  EXPECT_EQ(path_of("/.."), "400");
  EXPECT_EQ(path_of("/../etc/passwd"), "400");
  EXPECT_EQ(path_of("/%2e%2e/etc/passwd"), "400");
  EXPECT_EQ(path_of("/a/../../b"), "400");
}

TEST(Target, SeesEncodedSlashes) {
  EXPECT_TRUE(TargetRead("GET /a%2Fb HTTP/1.1").target.has_encoded_slash);
  EXPECT_TRUE(TargetRead("GET /..%2f HTTP/1.1").target.has_encoded_slash);
  EXPECT_FALSE(TargetRead("GET /a/b?%2F HTTP/1.1").target.has_encoded_slash);
}

TEST(Target, SplitsTheQuery) {
  const TargetRead read("GET /a?b=/../%&c?d HTTP/1.1");
  EXPECT_EQ(read.target.path, "/a");
  EXPECT_TRUE(read.target.has_query);
  EXPECT_EQ(read.target.query, "b=/../%&c?d");
}

TEST(Target, AbsoluteFormOverridesHost) {
  const TargetRead read("GET http://Example.ORG:8080/a?b HTTP/1.1");
  EXPECT_EQ(read.target.form, Target::Form::absolute);
  EXPECT_EQ(read.target.host, "example.org");
  EXPECT_EQ(read.target.path, "/a");
  EXPECT_EQ(TargetRead("GET HTTP://h HTTP/1.1").target.path, "/");
  EXPECT_EQ(TargetRead("GET http://h?q HTTP/1.1").target.query, "q");
}

TEST(Target, OtherForms) {
  EXPECT_EQ(TargetRead("OPTIONS * HTTP/1.1").target.form, Target::Form::asterisk);
  EXPECT_EQ(TargetRead("OPTIONS http://x HTTP/1.1").target.form, Target::Form::asterisk);
  EXPECT_EQ(TargetRead("OPTIONS http://x/ HTTP/1.1").target.form, Target::Form::absolute);
  EXPECT_EQ(TargetRead("CONNECT x:443 HTTP/1.1").target.form, Target::Form::authority);
}

TEST(Target, RefusesMalformedTargets) {
  for (const char* const line :
       {"GET * HTTP/1.1", "GET a HTTP/1.1", "GET ?a HTTP/1.1", "GET x:443 HTTP/1.1",
        "GET http:/a HTTP/1.1", "GET http:///a HTTP/1.1", "GET http://u@h/ HTTP/1.1",
        "GET http://h:x/ HTTP/1.1", "GET http://h:65536/ HTTP/1.1", "GET ftp://h/ HTTP/1.1",
        "GET http://[::1/ HTTP/1.1", "CONNECT x HTTP/1.1", "CONNECT / HTTP/1.1",
        "CONNECT x:y HTTP/1.1", "CONNECT u@x:1 HTTP/1.1", "OPTIONS ** HTTP/1.1"}) {
    EXPECT_EQ(TargetRead(line).target.status, 400) << line;
  }
}

TEST(Target, TakesOnlyUtf8AsItIs) {
  EXPECT_EQ(TargetRead("GET /f\xC3\xBCr?\xE2\x82\xAC HTTP/1.1").target.path, "/f\xC3\xBCr");
  EXPECT_EQ(TargetRead("GET /f%FCr HTTP/1.1").target.path, "/f\xFCr");
  for (const char* const line :
       {"GET /\xFC HTTP/1.1", "GET /\xC0\xAF HTTP/1.1", "GET /\xED\xA0\x80 HTTP/1.1",
        "GET /?\xFF HTTP/1.1", "GET /\xC3 HTTP/1.1", "GET http://x/\x80 HTTP/1.1"}) {
    EXPECT_EQ(TargetRead(line).target.status, 400) << line;
  }
}

TEST(Target, NormalisesTheHost) {
  EXPECT_EQ(TargetRead("GET / HTTP/1.1", "Host: WWW.Example.org.:80\r\n").target.host,
            "www.example.org");
  EXPECT_EQ(TargetRead("GET / HTTP/1.1", "Host: [::1]:8080\r\n").target.host, "[::1]");
  EXPECT_EQ(TargetRead("GET / HTTP/1.1", "Host: x:\r\n").target.host, "x");
  EXPECT_EQ(TargetRead("GET / HTTP/1.1", "Host: a%41_b~\r\n").target.status, 0);
  EXPECT_EQ(TargetRead("GET / HTTP/1.0", "").target.status, 0);
}

TEST(Target, NeedsAHost) {
  EXPECT_EQ(TargetRead("GET / HTTP/1.1", "Host:\r\n").target.status, 400);
  EXPECT_EQ(TargetRead("GET / HTTP/1.1", "Host: :80\r\n").target.status, 400);
  EXPECT_EQ(TargetRead("OPTIONS * HTTP/1.1", "Host:\r\n").target.status, 400);
  EXPECT_EQ(TargetRead("GET http://x/ HTTP/1.1", "Host:\r\n").target.status, 0);
  EXPECT_EQ(TargetRead("GET / HTTP/1.0", "Host:\r\n").target.status, 0);
}

TEST(Target, RefusesABadHost) {
  EXPECT_EQ(TargetRead("GET / HTTP/1.1", "").target.status, 400);
  EXPECT_EQ(TargetRead("GET http://x/ HTTP/1.1", "").target.status, 400);
  EXPECT_EQ(TargetRead("GET / HTTP/1.1", "Host: x\r\nHost: x\r\n").target.status, 400);
  EXPECT_EQ(TargetRead("GET / HTTP/1.0", "Host: x\r\nHost: x\r\n").target.status, 400);
  for (const char* const host :
       {"a b",  "u@x",  "u:p@x",     "http://x", "x/",    "x?y",    "x:y",       "x:65536",
        "x:-1", "x:+1", "x:1:2",     "[::1",     "::1",   "[::1]x", "[1.2.3.4]", "[]",
        "%4",   "%zz",  "x\xC3\xBC", "x\\y",     "\"x\"", "x, y",   "<x>",       "x,y",
        ".",    "..",   ".x",        "x..y",     "x.."}) {
    EXPECT_EQ(TargetRead("GET / HTTP/1.1", std::string("Host: ") + host + "\r\n").target.status,
              400)
        << host;
  }
}

}  // namespace
}  // namespace netd::http
