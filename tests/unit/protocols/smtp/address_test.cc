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

struct Case {
  std::string_view text;
  std::string_view expected;
};

class PathTest : public testing::TestWithParam<Case> {};

TEST_P(PathTest, IsReadOrRefused) { EXPECT_EQ(parse(GetParam().text), GetParam().expected); }

INSTANTIATE_TEST_SUITE_P(
    Grammar, PathTest,
    testing::Values(
        // RFC 5321, section 4.1.2
        Case{"<>", "null"}, Case{"<a@example.org>", "a@example.org"},
        Case{"<a@example.org> SIZE=1 BODY=7BIT", "a@example.org | SIZE=1 BODY=7BIT"},
        Case{"<>  RET=HDRS", "null | RET=HDRS"}, Case{"<a.b.c@x.y>", "a.b.c@x.y"},
        Case{"<!#$%&'*+-/=?^_`{|}~@x>", "!#$%&'*+-/=?^_`{|}~@x"},
        Case{"<user+tag@example.org>", "user+tag@example.org"}, Case{"<a@x>", "a@x"},
        Case{"<\"a b\"@x>", "\"a b\"@x"}, Case{"<\"a\"@x>", "a@x"},
        Case{"<\"a\\\"b\\\\\"@x>", "\"a\\\"b\\\\\"@x"}, Case{"<\"\"@x>", "\"\"@x"},
        Case{"<\"a>b@c\"@x>", "\"a>b@c\"@x"}, Case{"<\"a..b\"@x>", "\"a..b\"@x"},
        // Address literals, section 4.1.3
        Case{"<a@[192.0.2.1]>", "a@[192.0.2.1]"},
        Case{"<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]"},
        Case{"<a@[ipv6:::1]>", "a@[ipv6:::1]"}, Case{"<a@[256.0.2.1]>", "syntax"},
        Case{"<a@[2001:db8::1]>", "syntax"}, Case{"<a@[IPv6:192.0.2.1]>", "syntax"},
        Case{"<a@[]>", "syntax"}, Case{"<a@[192.0.2.1>", "syntax"}, Case{"<a@[x:y]>", "syntax"},
        // Source routes, appendix C
        Case{"<@a.example,@b.example:u@x>", "u@x"}, Case{"<@a.example:u@x>", "u@x"},
        Case{"<@a.example,b.example:u@x>", "syntax"}, Case{"<@a.example u@x>", "syntax"},
        Case{"<@:u@x>", "syntax"}, Case{"<@a.example:>", "syntax"},
        // As people type
        Case{" <a@x>", "a@x"}, Case{" a@x", "a@x"}, Case{"a@x SIZE=3", "a@x | SIZE=3"},
        Case{"\ta@x ", "a@x"},
        // What is none
        Case{"", "syntax"}, Case{" ", "syntax"}, Case{"<", "syntax"}, Case{"<a", "syntax"},
        Case{"<a@", "syntax"}, Case{"<a@x", "syntax"}, Case{"a@x>", "syntax"},
        Case{"<a>", "syntax"}, Case{"<@x>", "syntax"}, Case{"<a@>", "syntax"},
        Case{"<a@@x>", "syntax"}, Case{"<<a@x>>", "syntax"}, Case{"<a@x>>", "syntax"},
        Case{"<a@x>SIZE=1", "syntax"}, Case{"<a b@x>", "syntax"}, Case{"<a@x y>", "syntax"},
        Case{"< a@x>", "syntax"}, Case{"<.a@x>", "syntax"}, Case{"<a.@x>", "syntax"},
        Case{"<a..b@x>", "syntax"}, Case{"<\"a@x>", "syntax"}, Case{"<\"a\"b@x>", "syntax"},
        Case{"<a(c)@x>", "syntax"}, Case{"<a@x..y>", "syntax"}, Case{"<a@.x>", "syntax"},
        Case{"<a@x.>", "syntax"}, Case{"<a@-x>", "syntax"}, Case{"<a@x->", "syntax"},
        Case{"<a@x!y>", "syntax"}, Case{"<a,b@x>", "syntax"}, Case{"<a@x,b@y>", "syntax"},
        Case{"<postmaster>", "syntax"}));

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
