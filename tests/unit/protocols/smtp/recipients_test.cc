#include "daemon/protocols/smtp/recipients.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace netd::smtp {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

RecipientTable table(const RecipientTable::Options& options, std::string_view aliases = "") {
  auto made = RecipientTable::create(options, aliases, "/etc/aliases");
  EXPECT_TRUE(made) << made.error().what();
  return std::move(*made);
}

std::string refusal(const RecipientTable::Options& options, std::string_view aliases) {
  const auto made = RecipientTable::create(options, aliases, "/etc/aliases");
  return made ? "" : made.error().what();
}

/// The mailboxes joined with spaces, or the reason.
std::string route(const RecipientTable& recipients, std::string_view path) {
  const auto parsed = parse_path(path, PathKind::forward);
  if (!parsed) return "syntax";
  std::vector<std::string> mailboxes;
  switch (recipients.route(parsed->address, mailboxes)) {
    case Verdict::relay_denied:
      return "relay denied";
    case Verdict::unknown_user:
      return "unknown user";
    case Verdict::too_many:
      return "too many";
    case Verdict::bad_name:
      return "bad name";
    case Verdict::accepted:
      break;
  }
  std::string joined;
  for (const std::string& mailbox : mailboxes) {
    if (!joined.empty()) joined += ' ';
    joined += mailbox;
  }
  return joined;
}

RecipientTable::Options domains(std::vector<std::string> names) {
  RecipientTable::Options options;
  options.domains = std::move(names);
  options.hostname = "mx.example.com";
  return options;
}

TEST(Recipients, AreOfADomainInEitherOfItsForms) {
  const std::string_view aliases = "ann@xn--bcher-kva.example: bob@B\u00fccher.example\n";
  const auto recipients = table(
      domains({"b\u00fccher.example", "*.xn--exmple-cua.net", "xn--mgba3a4f16a.example"}), aliases);
  EXPECT_EQ(route(recipients, "<a@b\u00fccher.example>"), "b\u00fccher.example/a");
  EXPECT_EQ(route(recipients, "<a@XN--BCHER-KVA.example>"), "b\u00fccher.example/a");
  EXPECT_EQ(route(recipients, "<ann@b\u00fccher.example>"), "b\u00fccher.example/bob");
  EXPECT_EQ(route(recipients, "<a@x.ex\u00e4mple.net>"), "x.ex\u00e4mple.net/a");
  EXPECT_EQ(route(recipients, "<a@x.xn--exmple-cua.net>"), "x.xn--exmple-cua.net/a");
  EXPECT_EQ(route(recipients, "<a@\u0627\u06cc\u0631\u0627\u0646.example>"),
            "xn--mgba3a4f16a.example/a");
  EXPECT_EQ(route(recipients, "<a@bucher.example>"), "relay denied");
  EXPECT_EQ(route(recipients, "<a@xn--bucher-kva.example>"), "relay denied");
}

TEST(Recipients, AreOfTheDomains) {
  const auto recipients = table(domains({"Example.org", "*.example.net", "[192.0.2.1]"}));
  EXPECT_EQ(route(recipients, "<a@example.org>"), "example.org/a");
  EXPECT_EQ(route(recipients, "<a@EXAMPLE.ORG>"), "example.org/a");
  EXPECT_EQ(route(recipients, "<a@x.example.net>"), "x.example.net/a");
  EXPECT_EQ(route(recipients, "<a@x.y.example.net>"), "x.y.example.net/a");
  EXPECT_EQ(route(recipients, "<a@[192.0.2.1]>"), "[192.0.2.1]/a");
  EXPECT_EQ(route(recipients, "<a@example.net>"), "relay denied");
  EXPECT_EQ(route(recipients, "<a@badexample.net>"), "relay denied");
  EXPECT_EQ(route(recipients, "<a@sub.example.org>"), "relay denied");
  EXPECT_EQ(route(recipients, "<a@[192.0.2.2]>"), "relay denied");
  EXPECT_EQ(route(recipients, "<a%other.org@other.com>"), "relay denied");
}

TEST(Recipients, OfEveryDomain) {
  EXPECT_EQ(route(table(domains({"*"})), "<a@anything>"), "anything/a");
}

TEST(Recipients, HaveFoldersThatStayBelowTheRoot) {
  const auto recipients = table(domains({"*"}));
  EXPECT_EQ(route(recipients, "<\"../../etc\"@x>"), "x/%2E.%2F..%2Fetc");
  EXPECT_EQ(route(recipients, "<\"..\"@x>"), "x/%2E.");
  EXPECT_EQ(route(recipients, "<a/b@x>"), "x/a%2Fb");
  EXPECT_EQ(route(recipients, "<a%2fb@x>"), "x/a%252fb");
  EXPECT_EQ(route(recipients, "<Bob@x>"), "x/bob");
  EXPECT_EQ(route(recipients, "<\"a b\"@x>"), "x/a%20b");
  EXPECT_EQ(route(recipients, "<\"\"@x>"), "bad name");
  EXPECT_EQ(route(recipients, "<" + std::string(100, '/') + "@x>"), "bad name");
}

TEST(Recipients, WithTagsGetItInTheUsersMailbox) {
  auto options = domains({"x"});
  EXPECT_EQ(route(table(options), "<bob+list@x>"), "x/bob");
  EXPECT_EQ(route(table(options), "<+bob@x>"), "x/+bob");
  options.delimiter = '\0';
  EXPECT_EQ(route(table(options), "<bob+list@x>"), "x/bob+list");
  options.delimiter = '-';
  EXPECT_EQ(route(table(options), "<bob-list@x>"), "x/bob");
}

TEST(Recipients, MustBeUsersWhenUsersAreListed) {
  auto options = domains({"x", "y"});
  options.users = {"Bob", "eve@y", "a+b"};
  const auto recipients = table(options);
  EXPECT_EQ(route(recipients, "<bob@x>"), "x/bob");
  EXPECT_EQ(route(recipients, "<BOB+tag@y>"), "y/bob");
  EXPECT_EQ(route(recipients, "<a+b@x>"), "x/a+b");
  EXPECT_EQ(route(recipients, "<eve@y>"), "y/eve");
  EXPECT_EQ(route(recipients, "<eve@x>"), "unknown user");
  EXPECT_EQ(route(recipients, "<al@x>"), "unknown user");
  EXPECT_EQ(route(recipients, "<postmaster@x>"), "x/postmaster") << "RFC 5321, section 4.5.1";
}

TEST(Recipients, PostmasterAloneIsOfTheFirstNamedDomain) {
  EXPECT_EQ(route(table(domains({"*.z", "x", "y"})), "<Postmaster>"), "x/postmaster");
  EXPECT_EQ(route(table(domains({"*.z"})), "<Postmaster>"), "mx.example.com/postmaster");
  EXPECT_EQ(route(table(domains({"*.z"})), "<a@mx.example.com>"), "relay denied");
}

TEST(Recipients, OfAliasesAreTheirTargets) {
  auto options = domains({"x", "y"});
  options.users = {"bob", "eve"};
  const auto recipients = table(options,
                                "# who is who\n"
                                "staff: bob,\n"
                                "  eve@y\n"
                                "\n"
                                "info@x: staff, Bob\n"
                                "bob: bob, eve\n"
                                "loop1: loop2\n"
                                "loop2: loop1, eve\n"
                                "postmaster: eve\n");
  EXPECT_EQ(route(recipients, "<staff@x>"), "x/bob x/eve y/eve");
  EXPECT_EQ(route(recipients, "<STAFF+a@y>"), "y/bob y/eve");
  EXPECT_EQ(route(recipients, "<info@x>"), "x/bob x/eve y/eve");
  EXPECT_EQ(route(recipients, "<info@y>"), "unknown user");
  EXPECT_EQ(route(recipients, "<bob@x>"), "x/bob x/eve");
  EXPECT_EQ(route(recipients, "<postmaster>"), "x/eve");
  EXPECT_EQ(route(recipients, "<loop1@x>"), "x/eve");
}

TEST(Recipients, OfAliasesThatMultiplyAreFoundInTime) {
  // Each names the next ten times: ten to the twentieth targets, if each were looked at.
  std::string aliases = "last: bob\n";
  for (int i = 0; i < 20; ++i) {
    aliases += "a" + std::to_string(i) + ": ";
    const std::string next = i == 19 ? "last" : "a" + std::to_string(i + 1);
    for (int n = 0; n < 10; ++n) aliases += next + ", ";
    aliases += "\n";
  }
  EXPECT_EQ(route(table(domains({"x"}), aliases), "<a0@x>"), "x/bob");
}

TEST(Recipients, UnknownOnesGoToTheCatchAll) {
  auto options = domains({"x", "y"});
  options.users = {"bob"};
  options.catch_all = "Bob";
  EXPECT_EQ(route(table(options), "<who@y>"), "y/bob");
  options.catch_all = "bob@x";
  EXPECT_EQ(route(table(options), "<who@y>"), "x/bob");
  EXPECT_EQ(route(table(options), "<who@z>"), "relay denied");
}

TEST(Recipients, AreInTheListOnce) {
  const auto recipients = table(domains({"x"}));
  std::vector<std::string> mailboxes;
  for (const char* path : {"<a@x>", "<A@X>", "<a+t@x>", "<b@x>"}) {
    EXPECT_EQ(recipients.route(parse_path(path, PathKind::forward)->address, mailboxes),
              Verdict::accepted);
  }
  EXPECT_THAT(mailboxes, ElementsAre("x/a", "x/b"));
}

TEST(Recipients, BeyondWhatOneMessageGoesToAreRefusedWhole) {
  constexpr std::size_t kMost = 10'000;
  std::string aliases = "most: u0";
  for (std::size_t i = 1; i < kMost; ++i) aliases += ", u" + std::to_string(i);
  const auto recipients = table(domains({"x"}), aliases + "\ntwo: a, b\n");
  std::vector<std::string> mailboxes;
  const auto add = [&](std::string_view path) {
    return recipients.route(parse_path(path, PathKind::forward)->address, mailboxes);
  };
  EXPECT_EQ(add("<a@x>"), Verdict::accepted);
  EXPECT_EQ(add("<most@x>"), Verdict::too_many) << "its last mailbox would not get it";
  EXPECT_THAT(mailboxes, ElementsAre("x/a"));
  mailboxes.clear();
  EXPECT_EQ(add("<most@x>"), Verdict::accepted);
  EXPECT_EQ(add("<a@x>"), Verdict::too_many);
  EXPECT_EQ(add("<u7@x>"), Verdict::accepted);
  EXPECT_EQ(mailboxes.size(), kMost);
  EXPECT_THAT(refusal(domains({"x"}), aliases + ", v\n"), HasSubstr("more than 10000 mailboxes"));
}

TEST(Recipients, MistakesAreNamedWithTheirPlace) {
  auto options = domains({"x"});
  options.users = {"bob"};
  EXPECT_THAT(refusal(options, "a: bob\nbroken\n"), HasSubstr("/etc/aliases:2: "));
  EXPECT_THAT(refusal(options, "a: |/bin/sh\n"), HasSubstr("|/bin/sh"));
  EXPECT_THAT(refusal(options, "a: other@elsewhere.org\n"), HasSubstr("not in a domain"));
  EXPECT_THAT(refusal(options, "a: nobody\n"), HasSubstr("no user"));
  EXPECT_THAT(refusal(options, "a: bob\nA: bob\n"), HasSubstr("there already"));
  EXPECT_THAT(refusal(options, "a:\n"), HasSubstr("no target"));
  EXPECT_THAT(refusal(options, "  a: bob\n"), HasSubstr("continuation"));
  EXPECT_THAT(refusal(options, "a: b\nb: a\n"), HasSubstr("leads back to itself"));
  options.catch_all = "nobody";
  EXPECT_THAT(refusal(options, ""), HasSubstr("catch_all"));
}

TEST(Recipients, SettingsAreChecked) {
  for (const char* good : {"*", "*.example.org", "example.org", "[192.0.2.1]", "[IPv6:::1]"}) {
    EXPECT_TRUE(RecipientTable::check_domain(good)) << good;
  }
  for (const char* bad : {"", "*x", "*.", "a..b", "*.[192.0.2.1]", "a b", "**", "x.*"}) {
    EXPECT_FALSE(RecipientTable::check_domain(bad)) << bad;
  }
  EXPECT_TRUE(RecipientTable::check_user("bob"));
  EXPECT_TRUE(RecipientTable::check_user("bob@x"));
  EXPECT_FALSE(RecipientTable::check_user("bob@"));
  EXPECT_FALSE(RecipientTable::check_user("b b"));
}

}  // namespace
}  // namespace netd::smtp
