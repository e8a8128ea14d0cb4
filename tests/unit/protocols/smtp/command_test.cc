#include "daemon/protocols/smtp/command.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace netd::smtp {
namespace {

TEST(Command, IsReadInAnyCase) {
  EXPECT_EQ(parse_command("mAiL FROM:<>").verb, Verb::mail);
  EXPECT_EQ(parse_command("ehlo x").verb, Verb::ehlo);
  EXPECT_EQ(parse_command("Quit").verb, Verb::quit);
  EXPECT_EQ(parse_command("starttls").verb, Verb::starttls);
}

TEST(Command, LosesTheSpacesAroundItsArgument) {
  EXPECT_EQ(parse_command("NOOP   a b \t").argument, "a b");
  EXPECT_EQ(parse_command("RSET   ").argument, "");
}

TEST(Command, IsAWholeWord) {
  EXPECT_EQ(parse_command("MAILFROM:<a@x>").verb, Verb::unknown);
  EXPECT_EQ(parse_command("DAT").verb, Verb::unknown);
  EXPECT_EQ(parse_command(" NOOP").verb, Verb::unknown);
  EXPECT_EQ(parse_command("").verb, Verb::unknown);
}

TEST(Command, HasNoControlCharacters) {
  EXPECT_TRUE(has_control_characters("NOOP\rRSET"));
  EXPECT_TRUE(has_control_characters(std::string_view("NO\0OP", 5)));
  EXPECT_TRUE(has_control_characters("NOOP\x7F"));
  EXPECT_FALSE(has_control_characters("NOOP\ta \xC3\xA4"));
}

TEST(Keyword, StandsDirectlyBeforeItsColon) {
  EXPECT_EQ(after_keyword("from:<a>", "FROM"), "<a>");
  EXPECT_EQ(after_keyword("FROM: a", "FROM"), " a");
  EXPECT_FALSE(after_keyword("FROM :<a>", "FROM"));
  EXPECT_FALSE(after_keyword("FROM", "FROM"));
  EXPECT_FALSE(after_keyword("FROMX:<a>", "FROM"));
  EXPECT_FALSE(after_keyword("TO:<a>", "FROM"));
}

TEST(MailParameters, AreRead) {
  const auto read =
      parse_mail_parameters("size=1000 BODY=8bitmime SMTPUTF8 RET=hdrs  ENVID=QQ+2B1 ");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->size, 1000U);
  EXPECT_EQ(read->body, Body::eight_bit_mime);
  EXPECT_TRUE(read->smtputf8);
  EXPECT_EQ(read->ret, Return::headers);
  EXPECT_EQ(read->envid, "QQ+2B1");
}

struct Refused {
  std::string_view text;
  ParameterError error;
};

class MailParameterTest : public testing::TestWithParam<Refused> {};

TEST_P(MailParameterTest, IsRefused) {
  const auto read = parse_mail_parameters(GetParam().text);
  ASSERT_FALSE(read) << GetParam().text;
  EXPECT_EQ(read.error(), GetParam().error) << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    All, MailParameterTest,
    testing::Values(
        Refused{"FOO", ParameterError::unknown}, Refused{"FOO=bar", ParameterError::unknown},
        Refused{"AUTH=<>", ParameterError::unknown},
        Refused{"NOTIFY=NEVER", ParameterError::unknown}, Refused{"SIZE", ParameterError::syntax},
        Refused{"SIZE=", ParameterError::syntax}, Refused{"SIZE=-1", ParameterError::syntax},
        Refused{"SIZE=1k", ParameterError::syntax},
        Refused{"SIZE=1 SIZE=1", ParameterError::syntax},
        Refused{"SIZE=000000000000000000001", ParameterError::syntax},
        Refused{"BODY", ParameterError::syntax}, Refused{"BODY=9BIT", ParameterError::syntax},
        Refused{"BODY=7BIT BODY=7BIT", ParameterError::syntax},
        Refused{"BODY=BINARYMIME", ParameterError::not_implemented},
        Refused{"SMTPUTF8=yes", ParameterError::syntax},
        Refused{"SMTPUTF8 SMTPUTF8", ParameterError::syntax},
        Refused{"RET=ALL", ParameterError::syntax},
        Refused{"RET=FULL RET=FULL", ParameterError::syntax},
        Refused{"ENVID=", ParameterError::syntax}, Refused{"ENVID=a+2", ParameterError::syntax},
        Refused{"ENVID=a+2b", ParameterError::syntax}, Refused{"=x", ParameterError::syntax},
        Refused{"-A=x", ParameterError::syntax}, Refused{"A_B=x", ParameterError::syntax},
        Refused{"SIZE=1=2", ParameterError::syntax}));

TEST(MailParameters, ASizeBeyondAllNumbersIsTheLargest) {
  EXPECT_EQ(parse_mail_parameters("SIZE=99999999999999999999")->size,
            std::numeric_limits<std::uint64_t>::max());
}

TEST(MailParameters, EnvidHasALimit) {
  EXPECT_TRUE(parse_mail_parameters("ENVID=" + std::string(100, 'a')));
  EXPECT_FALSE(parse_mail_parameters("ENVID=" + std::string(101, 'a')));
}

TEST(RcptParameters, AreRead) {
  const auto read = parse_rcpt_parameters("NOTIFY=success,FAILURE ORCPT=rfc822;Bob+40example.org");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->notify, "success,FAILURE");
  EXPECT_EQ(read->orcpt, "rfc822;Bob+40example.org");
  EXPECT_TRUE(parse_rcpt_parameters("NOTIFY=NEVER"));
  EXPECT_FALSE(read->utf8);
  const auto utf8 = parse_rcpt_parameters("ORCPT=utf-8;j\xC3\xB6rg@x");
  ASSERT_TRUE(utf8);
  EXPECT_TRUE(utf8->utf8);
  // RFC 6533, section 3: what could not be written as itself is embedded, in one way only.
  for (const char* text :
       {"j\\x{F6}rg@x", "a\\x{20}b", "a\\x{2B}\\x{3D}\\x{5C}", "\\x{10FFFF}", "\\x{D7FF}"}) {
    const auto embedded = parse_rcpt_parameters(std::string("ORCPT=utf-8;") + text);
    ASSERT_TRUE(embedded) << text;
    EXPECT_FALSE(embedded->utf8) << text;
  }
  for (const char* text :
       {"j\\x{ZZ}rg", "\\x{f6}", "\\x{F6", "\\xF6", "\\x{}", "\\x{6}", "\\x{61}", "\\x{0F6}", "\\",
        "\\x{D800}", "\\x{110000}", "\\x{00}", "\\x{1000000}", "a+2Bb", "\xC3"}) {
    EXPECT_FALSE(parse_rcpt_parameters(std::string("ORCPT=utf-8;") + text)) << text;
  }
}

TEST(RcptParameters, AreRefused) {
  for (const char* text :
       {"NOTIFY", "NOTIFY=", "NOTIFY=NEVER,DELAY", "NOTIFY=DELAY,DELAY", "NOTIFY=LATER",
        "NOTIFY=DELAY,", "NOTIFY=NEVER NOTIFY=NEVER", "ORCPT=rfc822", "ORCPT=;a", "ORCPT=rfc822;",
        "ORCPT=rfc822;a+zz", "ORCPT=rfc822;a ORCPT=rfc822;a"}) {
    const auto read = parse_rcpt_parameters(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error(), ParameterError::syntax) << text;
  }
  EXPECT_EQ(parse_rcpt_parameters("SIZE=1").error(), ParameterError::unknown);
  EXPECT_FALSE(parse_rcpt_parameters("ORCPT=rfc822;" + std::string(494, 'a')));
  EXPECT_TRUE(parse_rcpt_parameters("ORCPT=rfc822;" + std::string(493, 'a')));
}

TEST(Chunk, IsReadOrRefused) {
  EXPECT_EQ(parse_chunk("10")->size, 10U);
  EXPECT_FALSE(parse_chunk("10")->last);
  EXPECT_TRUE(parse_chunk("0 last")->last);
  EXPECT_TRUE(parse_chunk("7  LAST")->last);
  for (const char* text :
       {"", "LAST", "-1", "+1", "1x", "0x10", "10 FIRST", "10 LAST LAST", "99999999999999999999"}) {
    EXPECT_FALSE(parse_chunk(text)) << text;
  }
}

}  // namespace
}  // namespace netd::smtp
