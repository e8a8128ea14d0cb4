#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "ctl/mail_compose.h"
#include "ctl/mail_folders.h"
#include "ctl/mime.h"
#include "ctl/smtp_client.h"
#include "tests/support/temp_dir.h"

namespace netd::ctl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST(DotStuffing, DoublesDotsAtTheStartOfLines) {
  EXPECT_EQ(dot_stuffed(""), ".\r\n");
  EXPECT_EQ(dot_stuffed("a\r\n"), "a\r\n.\r\n");
  EXPECT_EQ(dot_stuffed(".\r\n..b\r\nc.d"), "..\r\n...b\r\nc.d\r\n.\r\n");
}

TEST(WithCrlf, MakesEveryLineEndCrlf) {
  EXPECT_EQ(with_crlf(""), "");
  EXPECT_EQ(with_crlf("a"), "a\r\n");
  EXPECT_EQ(with_crlf("a\nb\r\nc\rd\r\n"), "a\r\nb\r\nc\r\nd\r\n");
}

TEST(Compose, MakesWhatTheReaderReads) {
  const Draft draft{.from = "Änne <a@example.org>",
                    .to = {"b@example.org", "C <c@example.org>", "Doe, D. <d@example.org>",
                           "\"E, F\" <e@example.org>", "Ö, Ä <o@example.org>"},
                    .subject = "Grüße",
                    .headers = {"X-Test: yes", "Date: mine"},
                    .text = "Hällo\n.\nend",
                    .html = "<p>hi</p>",
                    .attachments = {{"ä b.txt", "content"}, {"plain.bin", std::string(3, '\0')}}};
  const std::string text = compose(draft, std::chrono::system_clock::now(), "id", "host");
  EXPECT_EQ(with_crlf(text), text);
  const Mail mail = Mail::parse(text);
  EXPECT_EQ(mail.field("From"), "Änne <a@example.org>");
  EXPECT_EQ(mail.field("To"),
            "b@example.org, C <c@example.org>, \"Doe, D.\" <d@example.org>, "
            "\"E, F\" <e@example.org>, Ö, Ä <o@example.org>");
  EXPECT_EQ(mail.field("Subject"), "Grüße");
  EXPECT_EQ(mail.field("X-Test"), "yes");
  EXPECT_EQ(mail.field("Date"), "mine");
  EXPECT_EQ(mail.field("Message-ID"), "<id@host>");
  EXPECT_EQ(mail.body("text/plain")->text(), "Hällo\n.\nend\n");
  EXPECT_EQ(mail.body("text/html")->text(), "<p>hi</p>\n");
  const auto attachments = mail.attachments();
  ASSERT_THAT(attachments, SizeIs(2));
  EXPECT_EQ(attachments[0]->filename, "ä b.txt");
  EXPECT_EQ(attachments[0]->content(), "content");
  EXPECT_EQ(attachments[1]->content(), std::string(3, '\0'));
}

TEST(SmtpValues, ReadsTheConfigurationAsItIsShown) {
  const std::string config =
      "[netd]\nmaildir = no\n[listener web]\nprotocol = http\nmaildir = no\n"
      "[listener a]\nprotocol = smtp\nmaildir = /a\n\n[listener b]\nmaildir = /b\nprotocol = "
      "smtp\n";
  EXPECT_THAT(smtp_values(config, "", "maildir"), ElementsAre("/a", "/b"));
  EXPECT_THAT(smtp_values(config, "b", "maildir"), ElementsAre("/b"));
  EXPECT_THAT(smtp_values(config, "web", "maildir"), IsEmpty());
  EXPECT_THAT(smtp_values("", "", "maildir"), IsEmpty());
}

TEST(ListMail, FindsMessagesTheNewestFirst) {
  const test::TempDir dir;
  dir.write("x.org/bob/new/100.M5P1R00000000Q9.mx,S=1", "a");
  dir.write("x.org/bob/new/100.M5P1R00000000Q10.mx,S=1", "b");
  dir.write("x.org/bob/cur/99.M1P1R00000000Q1.mx,S=1:2,S", "c");
  dir.write("x.org/a%2Fb/new/foreign", "d");
  dir.write("x.org/bob/new/.hidden", "no");
  dir.write("x.org/bob/tmp/netd.1.M1P1R00000000Q1.mx", "no");
  dir.write("file", "no");
  const auto found = list_mail({dir.path().string(), dir / "missing"});
  ASSERT_TRUE(found);
  ASSERT_THAT(*found, SizeIs(4));
  EXPECT_EQ((*found)[0].id, "foreign");
  EXPECT_EQ((*found)[0].mailbox, "a/b@x.org");
  EXPECT_EQ((*found)[1].id, "M5P1R00000000Q10");
  EXPECT_EQ((*found)[2].id, "M5P1R00000000Q9");
  EXPECT_EQ((*found)[2].mailbox, "bob@x.org");
  EXPECT_FALSE((*found)[2].seen);
  EXPECT_TRUE((*found)[3].seen);
  EXPECT_THAT(read_mail((*found)[3].path).value(), HasSubstr("c"));
}

}  // namespace
}  // namespace netd::ctl
