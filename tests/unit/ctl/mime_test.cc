#include "ctl/mime.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "ctl/mime_decode.h"

namespace netd::ctl {
namespace {

using testing::HasSubstr;
using testing::IsNull;
using testing::SizeIs;

TEST(DecodeHeader, ReadsEncodedWords) {
  EXPECT_EQ(decode_header("plain"), "plain");
  EXPECT_EQ(decode_header("=?utf-8?Q?Gr=C3=BC=C3=9Fe_aus?= K"), "Grüße aus K");
  EXPECT_EQ(decode_header("=?ISO-8859-1?q?caf=E9?="), "café");
  EXPECT_EQ(decode_header("=?utf-8?B?w6TDtsO8?= =?utf-8?B?IQ==?="), "äöü!");
  EXPECT_EQ(decode_header("=?us-ascii*en?Q?hi?="), "hi");
  EXPECT_EQ(decode_header("a\r\n\tb"), "a b");
}

TEST(DecodeHeader, JoinsACharacterThatTwoWordsShare) {
  EXPECT_EQ(decode_header("=?utf-8?Q?=C3?= =?utf-8?Q?=BC?="), "ü");
}

TEST(DecodeHeader, LeavesWhatIsNone) {
  for (const char* text : {"=?", "=?utf-8?Q?open", "=?utf-8?X?a?=", "=?utf-8?Q?a b?=", "a =? b"}) {
    EXPECT_EQ(decode_header(text), text);
  }
  EXPECT_EQ(decode_header("bad \xFF byte"), "bad \xEF\xBF\xBD byte");
  EXPECT_EQ(decode_header("=?no-such-charset?Q?abc?="), "abc");
  EXPECT_EQ(decode_header("=?iso-8859-1//IGNORE?Q?a=E9b?="),
            "a\xEF\xBF\xBD"
            "b");
}

TEST(DecodeHeader, TakesTimeInProportion) {
  std::string text;
  while (text.size() < 4 << 20) text += "=?a?q?x";
  EXPECT_EQ(decode_header(text), text);
}

TEST(Encodings, ComeBackAsTheyWere) {
  std::string all;
  for (int i = 0; i < 1000; ++i) all += static_cast<char>(i * 7);
  for (std::size_t length : {0U, 1U, 2U, 3U, 56U, 57U, 58U, 1000U}) {
    EXPECT_EQ(decode_base64(encode_base64(all.substr(0, length))), all.substr(0, length));
  }
  const std::string text = "trailing \r\nü = x\tend\t\r\n" + std::string(200, 'x') + "\r\n";
  const std::string encoded = encode_quoted_printable(text);
  EXPECT_EQ(decode_quoted_printable(encoded, false), text);
  EXPECT_THAT(encoded, HasSubstr("trailing=20\r\n"));
  const std::string subject = "Übung macht den Meister, und lange Betreffzeilen brauchen Übung";
  EXPECT_EQ(decode_header(encode_header(subject)), subject);
  EXPECT_EQ(encode_header("plain"), "plain");
}

TEST(Encodings, DecodeWhatIsBroken) {
  EXPECT_EQ(decode_base64("aGk"), "hi");
  EXPECT_EQ(decode_base64("a\r\nG!k="), "hi");
  EXPECT_EQ(decode_quoted_printable("a=", false), "a");
  EXPECT_EQ(decode_quoted_printable("a=zz", false), "a=zz");
  EXPECT_EQ(decode_quoted_printable("a= \r\nb", false), "ab");
}

constexpr std::string_view kMixed =
    "Subject: =?utf-8?Q?=C3=A4?=\r\n"
    "Content-Type: multipart/mixed; boundary=\"x y\"\r\n\r\n"
    "preamble\r\n"
    "--x y\r\n"
    "Content-Type: multipart/alternative; boundary=inner\r\n\r\n"
    "--inner\r\n\r\n"
    "text\r\nmore\r\n"
    "--inner\r\n"
    "Content-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n"
    "\r\n<p>=E9</p>\r\n"
    "--inner--\r\n"
    "--x y\r\n"
    "Content-Type: application/pdf; name=old.pdf\r\n"
    "Content-Disposition: attachment; filename*0*=utf-8''%C3%A4; filename*1=\".pdf\"\r\n"
    "Content-Transfer-Encoding: BASE64\r\n\r\naGk=\r\n"
    "--x y--\r\nepilogue\r\n";

TEST(MailTest, WalksTheTree) {
  const Mail mail = Mail::parse(kMixed);
  EXPECT_EQ(mail.field("subject"), "ä");
  ASSERT_THAT(mail.parts, SizeIs(3));
  ASSERT_NE(mail.body("text/plain"), nullptr);
  EXPECT_EQ(mail.body("text/plain")->text(), "text\nmore");
  EXPECT_EQ(mail.body("text/html")->text(), "<p>é</p>");
  const auto attachments = mail.attachments();
  ASSERT_THAT(attachments, SizeIs(1));
  EXPECT_EQ(attachments[0]->filename, "ä.pdf");
  EXPECT_EQ(attachments[0]->content(), "hi");
}

TEST(MailTest, TakesAPlainMessage) {
  const Mail mail = Mail::parse("A: b\n c\n\nline\n");
  EXPECT_EQ(mail.field("a"), "b c");
  EXPECT_EQ(mail.field("none"), "");
  EXPECT_EQ(mail.body("text/plain")->text(), "line\n");
  EXPECT_THAT(mail.attachments(), SizeIs(0));
}

TEST(MailTest, SurvivesEveryCut) {
  for (std::size_t length = 0; length <= kMixed.size(); ++length) {
    const Mail mail = Mail::parse(kMixed.substr(0, length));
    for (const MailPart* part : mail.attachments()) (void)part->content();
    if (const MailPart* const body = mail.body("text/html")) (void)body->text();
  }
}

TEST(MailTest, BoundsDepthAndParts) {
  std::string deep;
  for (int i = 0; i < 1000; ++i) {
    deep += "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n";
  }
  EXPECT_THAT(Mail::parse(deep).parts, SizeIs(testing::Le(Mail::kMaxParts)));
  std::string wide = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
  for (int i = 0; i < 5000; ++i) wide += "--b\r\n\r\nx\r\n";
  EXPECT_THAT(Mail::parse(wide).parts, SizeIs(Mail::kMaxParts));
  EXPECT_THAT(Mail::parse("").body("text/html"), IsNull());
}

TEST(Encodings, ALongTextIsBroughtIntoLines) {
  const std::string text(5000, 'x');
  const std::string encoded = encode_header(text);
  EXPECT_EQ(decode_header(encoded), text);
  for (std::size_t at = 0, end = 0; end != std::string::npos; at = end + 2) {
    end = encoded.find("\r\n", at);
    EXPECT_LE(std::min(end, encoded.size()) - at, 76U);
  }
}

TEST(Mail, ShowsAMultipartThatIsBroken) {
  for (const char* text : {"Content-Type: multipart/mixed\r\n\r\nbody\r\n",
                           "Content-Type: multipart/mixed; boundary=b\r\n\r\nbody\r\n",
                           "Content-Type: multipart/mixed; boundary=\r\n\r\nbody\r\n",
                           "Content-Type: multipart/mixed; boundary=b\r\n\r\nbody\r\n--b--\r\n"}) {
    const Mail mail = Mail::parse(text);
    ASSERT_NE(mail.body("text/plain"), nullptr) << text;
    EXPECT_THAT(mail.body("text/plain")->text(), HasSubstr("body\n")) << text;
    EXPECT_THAT(mail.attachments(), SizeIs(0));
  }
}

TEST(Mail, TakesATypeThatIsNoneForText) {
  for (const char* type : {"", "text", "/", "text/", "plain text", "text /plain", "(text/html)"}) {
    const std::string text = std::string("Content-Type: ") + type + "; charset=latin1\r\n\r\n\xE9";
    EXPECT_NE(Mail::parse(text).body("text/plain"), nullptr) << type;
    EXPECT_EQ(Mail::parse(text).parts.at(0).text(), "\u00e9") << type;
  }
  const std::string commented =
      "Content-Type: text/HTML (Rich Text); charset=utf-8\r\n"
      "Content-Transfer-Encoding: Base64 (of course)\r\n\r\naGk=\r\n";
  const Mail mail = Mail::parse(commented);
  ASSERT_NE(mail.body("text/html"), nullptr);
  EXPECT_EQ(mail.body("text/html")->text(), "hi");
}

TEST(Mail, TakesTextForTextWhereTheHeaderIsMissing) {
  const Mail typed = Mail::parse("Received: from x\r\nhello, all of you: come\r\n\r\nbye\r\n");
  EXPECT_THAT(typed.fields, SizeIs(1));
  EXPECT_EQ(typed.body("text/plain")->text(), "hello, all of you: come\n\nbye\n");
  const Mail spaced = Mail::parse("Subject : a\r\n\tb\r\nX-:\r\n\r\nbody");
  EXPECT_EQ(spaced.field("Subject"), "a b");
  EXPECT_EQ(spaced.body("text/plain")->text(), "body");
  const Mail moved = Mail::parse("From ann@example.org Sat Jan  3 01:05:34 1996\nA: b\n\nFrom c\n");
  EXPECT_THAT(moved.fields, SizeIs(1));
  EXPECT_EQ(moved.body("text/plain")->text(), "From c\n");
  EXPECT_EQ(Mail::parse("Subject: a\r\n: b").body("text/plain")->text(), ": b");
}

TEST(Mail, HidesNoPartOfText) {
  const Mail mail = Mail::parse(
      "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nfirst\r\n"
      "--b\r\nContent-Type: text/html\r\n\r\n<p>\r\n--b\r\n\r\nfooter\r\n--b--\r\n");
  EXPECT_EQ(mail.body("text/plain")->text(), "first");
  ASSERT_THAT(mail.attachments(), SizeIs(1));
  EXPECT_EQ(mail.attachments()[0]->content(), "footer");
}

TEST(Mail, ReadsParametersInAllTheirForms) {
  const auto filename = [](const std::string& parameters) {
    const std::string text = "Content-Disposition: attachment; " + parameters + "\r\n\r\nx";
    return Mail::parse(text).parts.at(0).filename;
  };
  EXPECT_EQ(filename("filename=a.txt; filename*=utf-8''%C3%A4.txt"), "ä.txt");
  EXPECT_EQ(filename("filename*=iso-8859-1'de'%E4.txt"), "ä.txt");
  EXPECT_EQ(filename("filename*0*=utf-8''%C3%A4; filename*1=\" 100%25\"; filename*2*=%2Etxt"),
            "ä 100%25.txt");
  EXPECT_EQ(filename("filename*0=\"it's \"; filename*1='100%25'"), "it's '100%25'");
  EXPECT_EQ(filename("filename*=%61"), "a");
  EXPECT_EQ(filename("filename=\"=?utf-8?Q?=C3=A4?=\""), "ä");
  const Mail commented =
      Mail::parse("Content-Type: text/plain; charset=ISO-8859-1 (Latin)\r\n\r\n\xE9");
  EXPECT_EQ(commented.body("text/plain")->text(), "é");
}

TEST(Mail, BoundsWhatAHeaderMayHold) {
  std::string text;
  for (std::size_t i = 0; i < Mail::kMaxFields + 10; ++i) text += "a:b\r\n";
  EXPECT_THAT(Mail::parse(text + "\r\nbody").fields, SizeIs(Mail::kMaxFields));
  EXPECT_EQ(Mail::parse(text + "\r\nbody").parts.at(0).text(), "body");
}

}  // namespace
}  // namespace netd::ctl
