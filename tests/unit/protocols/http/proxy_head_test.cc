#include "daemon/protocols/http/proxy_head.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

#include <string>

#include "daemon/protocols/http/parser.h"

namespace netd::http {
namespace {

SocketAddress client_of(const char* literal) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(4242);
  const auto ip = IpBytes::parse(literal);
  EXPECT_TRUE(ip);
  std::copy(std::begin(ip->bytes), std::end(ip->bytes), address.sin6_addr.s6_addr);
  return {reinterpret_cast<const sockaddr*>(&address), sizeof address};
}

std::string forward(const std::string& head, const SocketAddress& client = client_of("::1")) {
  static Request request;
  static Target target;
  HeadParser parser;
  EXPECT_EQ(parser.parse(head, {}, request), HeadParser::State::complete) << head;
  const Framing framing = read_framing(request);
  read_target(request, target);
  EXPECT_EQ(framing.status + target.status, 0) << head;
  std::string out;
  write_forwarded_request(out, {.request = request,
                                .target = target,
                                .framing = framing,
                                .options = ConnectionOptions(request),
                                .client = client,
                                .default_host = "users",
                                .upgrade = asks_for_upgrade(request, framing)});
  return out;
}

TEST(ForwardedRequest, IsWrittenAnew) {
  EXPECT_EQ(forward("POST /x HTTP/1.1\nHost: a\ncontent-LENGTH: 007\nA:   b  \n\n"),
            "POST /x HTTP/1.1\r\nHost: a\r\nA: b\r\n"
            "Forwarded: for=\"[::1]\";host=\"a\";proto=http\r\nX-Forwarded-For: ::1\r\n"
            "X-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\nVia: 1.1 netd\r\n"
            "Content-Length: 7\r\n\r\n");
}

TEST(ForwardedRequest, GivesHttp10NoExpectations) {
  const std::string fields = "Host: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n";
  EXPECT_NE(forward("PUT / HTTP/1.1\r\n" + fields).find("Expect: "), std::string::npos);
  EXPECT_EQ(forward("PUT / HTTP/1.0\r\n" + fields).find("Expect: "), std::string::npos);
}

TEST(ForwardedRequest, TakesNoTrickForWhoTheClientIs) {
  const std::string out = forward(
      "GET / HTTP/1.1\nHost: a\nX_Forwarded-For: 6\nx-forwarded_proto: https\n"
      "X_FORWARDED_HOST: b\nProxy: c\nX-Forwarded-Port: 1\n"
      "Forwarded: for=7\nForwarded: for=\"8\\\"\nForwarded: for=\"9\n\n");
  EXPECT_EQ(out,
            "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Port: 1\r\n"
            "Forwarded: for=7, for=\"[::1]\";host=\"a\";proto=http\r\nX-Forwarded-For: ::1\r\n"
            "X-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\nVia: 1.1 netd\r\n\r\n");
}

TEST(ForwardedRequest, NamesAClientWithoutAnAddressUnknown) {
  const std::string out = forward("GET / HTTP/1.0\r\n\r\n", SocketAddress::unix_peer(1, 2));
  EXPECT_EQ(out,
            "GET / HTTP/1.1\r\nHost: users\r\nForwarded: for=unknown;proto=http\r\n"
            "X-Forwarded-For: unknown\r\nX-Forwarded-Proto: http\r\nVia: 1.0 netd\r\n\r\n");
}

TEST(ForwardedRequest, AsksForUpgradesButNotToHttp2) {
  const auto ask = [](const std::string& fields) {
    return forward("GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n");
  };
  EXPECT_NE(ask("Connection: upgrade\r\nUpgrade: websocket\r\n")
                .find("Connection: Upgrade\r\nUpgrade: websocket\r\n"),
            std::string::npos);
  for (const char* const fields :
       {"Upgrade: websocket\r\n", "Connection: upgrade\r\n",
        "Connection: upgrade\r\nUpgrade: h2c\r\n", "Connection: upgrade\r\nUpgrade: a, H2C\r\n",
        "Connection: upgrade\r\nUpgrade: HTTP/2.0\r\n",
        "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n"}) {
    EXPECT_EQ(ask(fields).find("pgrade"), std::string::npos) << fields;
  }
}

TEST(Upgrade, IsToWhatWasAskedForOnly) {
  EXPECT_TRUE(are_among("websocket,", "websocket,"));
  EXPECT_TRUE(are_among("WebSocket", "a/1, websocket,"));
  EXPECT_TRUE(are_among("b, a/1", "a/1,b,"));
  EXPECT_FALSE(are_among("h2c", "websocket"));
  EXPECT_FALSE(are_among("websocket, h2c", "websocket"));
  EXPECT_FALSE(are_among("a/2", "a/1"));
  EXPECT_FALSE(are_among("", "websocket"));
  EXPECT_FALSE(are_among(",", "websocket"));
}

TEST(ConnectionOptions, AreBounded) {
  FieldTable fields;
  fields.clear_fields();
  fields.add({"Connection", "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,close,upgrade"});
  EXPECT_FALSE(ConnectionOptions(fields).too_many());
  EXPECT_TRUE(ConnectionOptions(fields).names("P"));
  EXPECT_FALSE(ConnectionOptions(fields).names("close"));
  fields.add({"Connection", "q"});
  EXPECT_TRUE(ConnectionOptions(fields).too_many());
}

}  // namespace
}  // namespace netd::http
