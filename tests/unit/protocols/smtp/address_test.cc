#include "daemon/protocols/smtp/address.h"

#include <gtest/gtest.h>

#include <string>

namespace netd::smtp {
namespace {

std::string parse(std::string_view text, PathKind kind = PathKind::reverse) {
  const auto parsed = parse_path(text, kind);
  if (!parsed) return parsed.error() == AddressError::too_long ? "too long" : "syntax";
  std::string result = parsed->address.null ? "null" : parsed->address.text();
  if (!parsed->rest.empty()) result += " | " + std::string(parsed->rest);
  return result;
}

struct PathCase {
  std::string_view text;
  std::string_view expected;
};

class PathTest : public testing::TestWithParam<PathCase> {};

TEST_P(PathTest, IsReadOrRefused) { EXPECT_EQ(parse(GetParam().text), GetParam().expected); }

INSTANTIATE_TEST_SUITE_P(
    Grammar, PathTest,
    testing::Values(
        // RFC 5321, section 4.1.2
        PathCase{"<>", "null"}, PathCase{"<a@example.org>", "a@example.org"},
        PathCase{"<a@example.org> SIZE=1 BODY=7BIT", "a@example.org | SIZE=1 BODY=7BIT"},
        PathCase{"<>  RET=HDRS", "null | RET=HDRS"}, PathCase{"<a.b.c@x.y>", "a.b.c@x.y"},
        PathCase{"<!#$%&'*+-/=?^_`{|}~@x>", "!#$%&'*+-/=?^_`{|}~@x"},
        PathCase{"<user+tag@example.org>", "user+tag@example.org"}, PathCase{"<a@x>", "a@x"},
        PathCase{"<\"a b\"@x>", "\"a b\"@x"}, PathCase{"<\"a\"@x>", "a@x"},
        PathCase{"<\"a\\\"b\\\\\"@x>", "\"a\\\"b\\\\\"@x"}, PathCase{"<\"\"@x>", "\"\"@x"},
        PathCase{"<\"a>b@c\"@x>", "\"a>b@c\"@x"}, PathCase{"<\"a..b\"@x>", "\"a..b\"@x"},
        // Address literals, section 4.1.3
        PathCase{"<a@[192.0.2.1]>", "a@[192.0.2.1]"},
        PathCase{"<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]"},
        PathCase{"<a@[ipv6:::1]>", "a@[ipv6:::1]"}, PathCase{"<a@[256.0.2.1]>", "syntax"},
        PathCase{"<a@[2001:db8::1]>", "syntax"}, PathCase{"<a@[IPv6:192.0.2.1]>", "syntax"},
        PathCase{"<a@[]>", "syntax"}, PathCase{"<a@[192.0.2.1>", "syntax"},
        PathCase{"<a@[x:y]>", "syntax"},
        // Source routes, appendix C
        PathCase{"<@a.example,@b.example:u@x>", "u@x"}, PathCase{"<@a.example:u@x>", "u@x"},
        PathCase{"<@a.example,b.example:u@x>", "syntax"}, PathCase{"<@a.example u@x>", "syntax"},
        PathCase{"<@:u@x>", "syntax"}, PathCase{"<@a.example:>", "syntax"},
        // As people type
        PathCase{" <a@x>", "a@x"}, PathCase{" a@x", "a@x"}, PathCase{"a@x SIZE=3", "a@x | SIZE=3"},
        PathCase{"\ta@x ", "a@x"},
        // What is none
        PathCase{"", "syntax"}, PathCase{" ", "syntax"}, PathCase{"<", "syntax"},
        PathCase{"<a", "syntax"}, PathCase{"<a@", "syntax"}, PathCase{"<a@x", "syntax"},
        PathCase{"a@x>", "syntax"}, PathCase{"<a>", "syntax"}, PathCase{"<@x>", "syntax"},
        PathCase{"<a@>", "syntax"}, PathCase{"<a@@x>", "syntax"}, PathCase{"<<a@x>>", "syntax"},
        PathCase{"<a@x>>", "syntax"}, PathCase{"<a@x>SIZE=1", "syntax"},
        PathCase{"<a b@x>", "syntax"}, PathCase{"<a@x y>", "syntax"}, PathCase{"< a@x>", "syntax"},
        PathCase{"<.a@x>", "syntax"}, PathCase{"<a.@x>", "syntax"}, PathCase{"<a..b@x>", "syntax"},
        PathCase{"<\"a@x>", "syntax"}, PathCase{"<\"a\"b@x>", "syntax"},
        PathCase{"<a(c)@x>", "syntax"}, PathCase{"<a@x..y>", "syntax"},
        PathCase{"<a@.x>", "syntax"}, PathCase{"<a@x.>", "syntax"}, PathCase{"<a@-x>", "syntax"},
        PathCase{"<a@x->", "syntax"}, PathCase{"<a@x!y>", "syntax"}, PathCase{"<a,b@x>", "syntax"},
        PathCase{"<a@x,b@y>", "syntax"}, PathCase{"<postmaster>", "syntax"}));

TEST(Path, OfRcptMayBePostmasterAloneInAnyCase) {
  EXPECT_EQ(parse("<Postmaster>", PathKind::forward), "postmaster");
  EXPECT_EQ(parse("POSTMASTER", PathKind::forward), "postmaster");
  EXPECT_EQ(parse("<postmaster@x>", PathKind::forward), "postmaster@x");
  EXPECT_EQ(parse("<postmasters>", PathKind::forward), "syntax");
}

TEST(Path, OfRcptIsNeverNull) { EXPECT_EQ(parse("<>", PathKind::forward), "syntax"); }

TEST(Path, OfContainerHostsMayHaveUnderscores) {
  EXPECT_EQ(parse("<root@build_1>"), "root@build_1");
}

TEST(Path, HasLimits) {
  const std::string label(kMaxLabel, 'd');
  EXPECT_EQ(parse("<a@" + label + ">"), "a@" + label);
  EXPECT_EQ(parse("<a@" + label + "d>"), "syntax");
  const std::string local(kMaxPath - 4, 'l');
  EXPECT_EQ(parse("<" + local + "@x>"), local + "@x");
  EXPECT_EQ(parse("<" + local + "l@x>"), "too long");
  EXPECT_EQ(parse(local + "l@x"), "too long");
  std::string route;
  while (route.size() < kMaxPath) route += "@relay.example,";
  route.back() = ':';
  EXPECT_EQ(parse("<" + route + "a@x>"), "too long");
}

TEST(Path, BeyondAsciiIsNotedAndMustBeUtf8) {
  const auto parsed = parse_path("<j\xC3\xB6rg@ex\xC3\xA4mple.org> SMTPUTF8", PathKind::reverse);
  ASSERT_TRUE(parsed);
  EXPECT_TRUE(parsed->address.utf8);
  EXPECT_EQ(parsed->rest, "SMTPUTF8");
  EXPECT_FALSE(parse_path("<a@x>", PathKind::reverse)->address.utf8);
  EXPECT_EQ(parse("<j\xC3rg@x>"), "syntax");
  EXPECT_EQ(parse("<\"\xFF\"@x>"), "syntax");
}

TEST(Mailbox, IsTheWholeText) {
  EXPECT_EQ(parse_mailbox("a@x")->text(), "a@x");
  EXPECT_FALSE(parse_mailbox("a@x "));
  EXPECT_FALSE(parse_mailbox("<a@x>"));
  EXPECT_FALSE(parse_mailbox("a"));
  EXPECT_FALSE(parse_mailbox(std::string(kMaxPath, 'a') + "@x"));
}

TEST(Literal, HasNothingBehindTheAddress) {
  EXPECT_FALSE(is_address_literal(std::string_view("[192.0.2.1\0x]", 13)));
  EXPECT_FALSE(is_address_literal("[fe80::1%eth0]"));
}

TEST(Domain, HasLimits) {
  std::string longest;
  for (int i = 0; i < 4; ++i) longest += std::string(kMaxLabel, 'a') + '.';
  longest.resize(kMaxDomain);
  EXPECT_TRUE(is_domain(longest));
  EXPECT_FALSE(is_domain(longest + "a"));
  EXPECT_FALSE(is_domain(""));
}

}  // namespace
}  // namespace netd::smtp
