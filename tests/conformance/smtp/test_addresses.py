"""MAIL and RCPT: paths and parameters (RFC 5321, sections 4.1.1.2, 4.1.1.3 and 4.1.2)."""

import pytest
from smtp_dialogue import Case, MailServer, case_id, without_trace

OK = ("NOOP", "250 2.0.0 ")


def mail(name, rfc, argument, answer, **options):
    return Case(f"mail {name}", rfc, [(f"MAIL {argument}", answer), OK], **options)


def rcpt(name, rfc, argument, answer, **options):
    return Case(f"rcpt {name}", rfc, [("MAIL FROM:<a@example.com>", "250"), (f"RCPT {argument}", answer),
                                      OK], **options)


LONG_LABEL = "d" * 63
LONG_DOMAIN = ".".join([LONG_LABEL] * 3)

CASES = [
    # ---- MAIL: paths
    mail("plain", "4.1.2", "FROM:<a@example.com>", "250 2.1.0"),
    mail("null", "4.5.5", "FROM:<>", "250 2.1.0"),
    mail("plus", "4.1.2", "FROM:<a+b@example.com>", "250"),
    mail("all of atext", "4.1.2", "FROM:<!#$%&'*+-/=?^_`{|}~@example.com>", "250"),
    mail("dots", "4.1.2", "FROM:<a.b.c@example.com>", "250"),
    mail("quoted", "4.1.2", 'FROM:<"a b"@example.com>', "250"),
    mail("quoted with escapes", "4.1.2", r'FROM:<"a\"\\b"@example.com>', "250"),
    mail("quoted with at and bracket", "4.1.2", 'FROM:<"a@b>"@example.com>', "250"),
    mail("quoted and empty", "4.1.2", 'FROM:<""@example.com>', "250"),
    mail("literal", "4.1.3", "FROM:<a@[192.0.2.1]>", "250"),
    mail("IPv6 literal", "4.1.3", "FROM:<a@[IPv6:2001:db8::1]>", "250"),
    mail("one label", "2.3.5", "FROM:<a@localhost>", "250"),
    mail("digits in the domain", "4.1.2", "FROM:<a@1.2.example>", "250"),
    mail("hyphen in the domain", "4.1.2", "FROM:<a@x-y.example>", "250"),
    mail("source route", "C", "FROM:<@a.example,@b.example:c@example.com>", "250"),
    mail("longest label", "4.5.3.1.2", f"FROM:<a@{LONG_LABEL}.example>", "250"),
    mail("local part of 64", "4.5.3.1.1", f"FROM:<{'l' * 64}@example.com>", "250"),
    mail("without brackets", "contract", "FROM: you@example.com", "250"),
    mail("without brackets and space", "contract", "FROM:you@example.com", "250"),
    mail("space after the colon", "contract", "FROM: <a@example.com>", "250"),
    mail("without anything", "4.1.1.2", "", "501 5.5.4"),
    mail("without from", "4.1.1.2", "<a@example.com>", "501 5.5.4"),
    mail("without colon", "4.1.1.2", "FROM <a@example.com>", "501 5.5.4"),
    mail("space before the colon", "4.1.1.2", "FROM :<a@example.com>", "501 5.5.4"),
    mail("with to", "4.1.1.2", "TO:<a@example.com>", "501 5.5.4"),
    mail("without path", "4.1.1.2", "FROM:", "501"),
    mail("open bracket", "4.1.2", "FROM:<a@example.com", "501 5.1.7"),
    mail("only closed bracket", "4.1.2", "FROM:a@example.com>", "501 5.1.7"),
    mail("brackets twice", "4.1.2", "FROM:<<a@example.com>>", "501 5.1.7"),
    mail("text after the path", "4.1.2", "FROM:<a@example.com>SIZE=1", "501 5.1.7"),
    mail("no domain", "4.1.2", "FROM:<a>", "501 5.1.7"),
    mail("empty domain", "4.1.2", "FROM:<a@>", "501 5.1.7"),
    mail("no local part", "4.1.2", "FROM:<@example.com>", "501 5.1.7"),
    mail("two ats", "4.1.2", "FROM:<a@b@example.com>", "501 5.1.7"),
    mail("dot first", "4.1.2", "FROM:<.a@example.com>", "501 5.1.7"),
    mail("dot last", "4.1.2", "FROM:<a.@example.com>", "501 5.1.7"),
    mail("two dots", "4.1.2", "FROM:<a..b@example.com>", "501 5.1.7"),
    mail("space in the local part", "4.1.2", "FROM:<a b@example.com>", "501 5.1.7"),
    mail("open quote", "4.1.2", 'FROM:<"a@example.com>', "501 5.1.7"),
    mail("comment", "4.1.2", "FROM:<a(b)@example.com>", "501 5.1.7"),
    mail("empty label", "4.1.2", "FROM:<a@example..com>", "501 5.1.7"),
    mail("label with hyphen last", "4.1.2", "FROM:<a@x-.example>", "501 5.1.7"),
    mail("label too long", "RFC 1035 2.3.4", f"FROM:<a@{LONG_LABEL}d.example>", "501 5.1.7"),
    mail("bad literal", "4.1.3", "FROM:<a@[192.0.2.300]>", "501 5.1.7"),
    mail("literal without a tag", "4.1.3", "FROM:<a@[2001:db8::1]>", "501 5.1.7"),
    mail("path too long", "4.5.3.1.3", f"FROM:<{'l' * 200}@{LONG_DOMAIN}>", "501 5.1.7"),
    mail("bad source route", "C", "FROM:<@a.example:@b.example:c@example.com>", "501 5.1.7"),
    # ---- MAIL: parameters
    mail("size", "RFC 1870 5", "FROM:<a@example.com> SIZE=1000", "250"),
    mail("size zero", "RFC 1870 5", "FROM:<> SIZE=0", "250"),
    mail("size too large", "RFC 1870 6.1", "FROM:<a@example.com> SIZE=999999999", "552 5.3.4"),
    mail("size beyond all numbers", "RFC 1870 4", "FROM:<a@example.com> SIZE=99999999999999999999",
         "552 5.3.4"),
    mail("size without value", "RFC 1870 4", "FROM:<a@example.com> SIZE", "501 5.5.4"),
    mail("size empty", "4.1.2", "FROM:<a@example.com> SIZE=", "501 5.5.4"),
    mail("size no number", "RFC 1870 4", "FROM:<a@example.com> SIZE=big", "501 5.5.4"),
    mail("size negative", "RFC 1870 4", "FROM:<a@example.com> SIZE=-1", "501 5.5.4"),
    mail("size twice", "4.1.1.11", "FROM:<a@example.com> SIZE=1 SIZE=1", "501 5.5.4"),
    mail("body 7bit", "RFC 6152", "FROM:<a@example.com> BODY=7BIT", "250"),
    mail("body 8bitmime", "RFC 6152", "FROM:<a@example.com> body=8bitmime", "250"),
    mail("body binarymime", "RFC 3030 3", "FROM:<a@example.com> BODY=BINARYMIME", "504 5.5.4|501|555"),
    mail("body other", "RFC 6152", "FROM:<a@example.com> BODY=9BIT", "501 5.5.4"),
    mail("all parameters", "4.1.1.11", "FROM:<a@example.com> SIZE=9 BODY=8BITMIME SMTPUTF8 RET=HDRS "
         "ENVID=QQ314159", "250"),
    mail("unknown parameter", "4.1.1.11", "FROM:<a@example.com> FOO", "555 5.5.4"),
    mail("unknown parameter with value", "4.1.1.11", "FROM:<a@example.com> FOO=bar", "555 5.5.4"),
    mail("auth parameter", "RFC 4954 5", "FROM:<a@example.com> AUTH=<>", "555 5.5.4"),
    mail("parameter of rcpt", "RFC 3461 4", "FROM:<a@example.com> NOTIFY=NEVER", "555 5.5.4"),
    mail("parameter that is none", "4.1.2", "FROM:<a@example.com> =1", "501 5.5.4"),
    mail("parameter after helo", "4.1.1.11", "FROM:<a@example.com> SIZE=1", "555 5.5.4",
         hello="HELO client.example"),
    mail("ret full", "RFC 3461 4.3", "FROM:<a@example.com> RET=FULL", "250"),
    mail("ret other", "RFC 3461 4.3", "FROM:<a@example.com> RET=NONE", "501 5.5.4"),
    mail("envid not xtext", "RFC 3461 4.4", "FROM:<a@example.com> ENVID=a+zz", "501 5.5.4"),
    mail("envid too long", "RFC 3461 4.4", f"FROM:<a@example.com> ENVID={'e' * 101}", "501 5.5.4"),
    # ---- SMTPUTF8
    mail("utf8 announced", "RFC 6531 3.4", "FROM:<j\u00f6rg@ex\u00e4mple.com> SMTPUTF8", "250"),
    mail("utf8 not announced", "RFC 6531 3.5", "FROM:<j\u00f6rg@example.com>", "553 5.6.7|550 5.6.7"),
    mail("utf8 with value", "RFC 6531 3.4", "FROM:<a@example.com> SMTPUTF8=1", "501 5.5.4"),
    Case("mail octets that are no utf8", "RFC 6531 3.3",
         [(b"MAIL FROM:<j\xf6rg@example.com> SMTPUTF8\r\n", "501 5.1.7"), OK]),
    # ---- RCPT: paths
    rcpt("plain", "4.1.1.3", "TO:<{user}@example.org>", "250 2.1.5"),
    rcpt("domain in any case", "2.4", "TO:<{user}@EXAMPLE.ORG>", "250"),
    rcpt("subdomain by pattern", "contract", "TO:<{user}@a.b.example.net>", "250"),
    rcpt("pattern is not the domain itself", "contract", "TO:<{user}@example.net>", "550 5.7.1"),
    rcpt("other domain", "contract", "TO:<a@example.com>", "550 5.7.1"),
    rcpt("percent hack", "contract", "TO:<a%example.com@other.example>", "550 5.7.1"),
    rcpt("bang path", "contract", "TO:<example.org!a@other.example>", "550 5.7.1"),
    rcpt("domain that ends alike", "contract", "TO:<a@notexample.org>", "550 5.7.1"),
    rcpt("source route to here", "C", "TO:<@relay.example:{user}@example.org>", "250"),
    rcpt("source route through here", "C", "TO:<@example.org:a@other.example>", "550 5.7.1"),
    rcpt("literal", "4.1.3", "TO:<a@[127.0.0.1]>", "550 5.7.1"),
    rcpt("postmaster", "4.1.1.3", "TO:<Postmaster>", "250 2.1.5"),
    rcpt("postmaster in capitals", "4.1.1.3", "TO:<POSTMASTER>", "250 2.1.5"),
    rcpt("postmaster with domain", "4.5.1", "TO:<postmaster@example.org>", "250 2.1.5"),
    rcpt("null", "4.1.1.3", "TO:<>", "501 5.1.3|550|553"),
    rcpt("without domain", "4.1.2", "TO:<user>", "501 5.1.3|550|553"),
    rcpt("without brackets", "contract", "TO: {user}@example.org", "250"),
    rcpt("without anything", "4.1.1.3", "", "501 5.5.4"),
    rcpt("with from", "4.1.1.3", "FROM:<a@example.org>", "501 5.5.4"),
    rcpt("open bracket", "4.1.2", "TO:<a@example.org", "501 5.1.3"),
    rcpt("two in one", "4.1.1.3", "TO:<a@example.org>,<b@example.org>", "501 5.1.3"),
    rcpt("list", "4.1.1.3", "TO:<a@example.org,b@example.org>", "501 5.1.3"),
    rcpt("path too long", "4.5.3.1.3", f"TO:<{'l' * 250}@example.org>", "501 5.1.3"),
    rcpt("utf8 not announced", "RFC 6531 3.5", "TO:<j\u00f6rg@example.org>", "553 5.6.7|550 5.6.7"),
    # ---- RCPT: parameters
    rcpt("notify", "RFC 3461 4.1", "TO:<{user}@example.org> NOTIFY=SUCCESS,FAILURE,DELAY", "250"),
    rcpt("notify never", "RFC 3461 4.1", "TO:<{user}@example.org> NOTIFY=NEVER", "250"),
    rcpt("notify never and more", "RFC 3461 4.1", "TO:<{user}@example.org> NOTIFY=NEVER,DELAY", "501 5.5.4"),
    rcpt("orcpt", "RFC 3461 4.2", "TO:<{user}@example.org> ORCPT=rfc822;Bob+40example.org", "250"),
    rcpt("orcpt without an address", "RFC 3461 4.2", "TO:<{user}@example.org> ORCPT=rfc822;", "501 5.5.4"),
    rcpt("orcpt with lower case hex", "RFC 3461 4", "TO:<{user}@example.org> ORCPT=rfc822;a+2b", "501 5.5.4"),
    rcpt("orcpt cut in its hex", "RFC 3461 4", "TO:<{user}@example.org> ORCPT=rfc822;a+2", "501 5.5.4"),
    rcpt("orcpt twice", "RFC 3461 4.2", "TO:<{user}@example.org> ORCPT=rfc822;a ORCPT=rfc822;a", "501 5.5.4"),
    rcpt("orcpt of 500", "RFC 3461 4.2", f"TO:<{{user}}@example.org> ORCPT=rfc822;{'a' * 493}", "250"),
    rcpt("orcpt of 501", "RFC 3461 4.2", f"TO:<{{user}}@example.org> ORCPT=rfc822;{'a' * 494}", "501 5.5.4"),
    rcpt("orcpt in utf8 not announced", "RFC 6533 3", "TO:<{user}@example.org> ORCPT=utf-8;j\u00f6rg@x",
         "553 5.6.7|501"),
    rcpt("orcpt embedded", "RFC 6533 3", "TO:<{user}@example.org> ORCPT=utf-8;j\\x{F6}rg@x", "250"),
    rcpt("orcpt embedded badly", "RFC 6533 3", "TO:<{user}@example.org> ORCPT=utf-8;j\\x{ZZ}rg@x", "501 5.5.4"),
    Case("rcpt orcpt in utf8 announced", "RFC 6533 3",
         [("MAIL FROM:<a@example.com> SMTPUTF8", "250"),
          ("RCPT TO:<{user}@example.org> ORCPT=utf-8;j\u00f6rg@x", "250 2.1.5"), OK]),
    rcpt("notify twice an event", "RFC 3461 4.1", "TO:<{user}@example.org> NOTIFY=DELAY,DELAY", "501 5.5.4"),
    rcpt("notify with an end of nothing", "RFC 3461 4.1", "TO:<{user}@example.org> NOTIFY=DELAY,", "501 5.5.4"),
    rcpt("notify of nothing", "RFC 3461 4.1", "TO:<{user}@example.org> NOTIFY=", "501 5.5.4"),
    rcpt("notify in any case", "RFC 3461 4.1", "TO:<{user}@example.org> notify=success,Failure", "250"),
    rcpt("orcpt without type", "RFC 3461 4.2", "TO:<{user}@example.org> ORCPT=bob", "501 5.5.4"),
    rcpt("unknown parameter", "4.1.1.11", "TO:<{user}@example.org> FOO=bar", "555 5.5.4"),
    rcpt("parameter of mail", "4.1.1.11", "TO:<{user}@example.org> SIZE=1", "555 5.5.4"),
    rcpt("parameter after helo", "4.1.1.11", "TO:<{user}@example.org> NOTIFY=NEVER", "555 5.5.4",
         hello="HELO x"),
]

# Recipients and the folder that their mail must be in: never one outside of the Maildir.
FOLDERS = [
    ("alice", "example.org/alice"),
    ("Bob", "example.org/bob"),
    ("carol+lists", "example.org/carol"),
    ('"dave"', "example.org/dave"),
    ('"e f"', "example.org/e%20f"),
    ('"../../../tmp/x"', "example.org/%2E.%2F..%2F..%2Ftmp%2Fx"),
    ('".."', "example.org/%2E."),
    ('"."', "example.org/%2E"),
    ("g/h", "example.org/g%2Fh"),
    ("i%2Fj", "example.org/i%252fj"),
    ('".hidden"', "example.org/%2Ehidden"),
    ('"k;l"', "example.org/k%3Bl"),
    ("m|n", "example.org/m%7Cn"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    one = MailServer(tmp_path_factory.mktemp("addresses") / "netd")
    yield one
    one.finish()


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_addresses(server, case):
    server.run(case)


@pytest.mark.parametrize(("local", "folder"), FOLDERS, ids=[local for local, _ in FOLDERS])
def test_folders(server, local, folder):
    before = set(server.mail.rglob("new/*"))
    with server.client() as client:
        client.envelope(f"{local}@example.org")
        assert client.message(b"hi").startswith(b"250 ")
    made = set(server.mail.rglob("new/*")) - before
    assert len(made) == 1
    found = made.pop().relative_to(server.mail)
    assert len(found.parts) == 4 and found.parts[0] == "example.org"
    assert str(found.parent.parent) == folder


def test_a_domain_has_one_folder_in_both_of_its_forms(serve):
    """RFC 5890, section 2.3.2.1: A-labels and U-labels are one name."""
    server = serve("domains = b\u00fccher.example\n")
    with server.client() as client:
        client.expect("EHLO x", "250")
        client.expect("MAIL FROM:<> SMTPUTF8", "250")
        client.expect("RCPT TO:<a@xn--bcher-kva.example>", "250")
        client.expect("RCPT TO:<b@b\u00fccher.example>", "250")
        client.expect("RCPT TO:<b@xn--bucher-kva.example>", "550 5.7.1")
        assert client.message(b"hi").startswith(b"250 ")
    assert server.bodies("a", "b\u00fccher.example") == [b"hi\r\n"]
    assert server.bodies("b", "b\u00fccher.example") == [b"hi\r\n"]


def test_the_sender_is_kept_as_it_was_written(server):
    """RFC 5321, section 2.4: a local part's case is its owner's business."""
    with server.client() as client:
        client.envelope("sender-case@example.org", sender='<"A b"@Example.COM>')
        client.message(b"hi")
    assert server.mails("sender-case")[0].startswith(b'Return-Path: <"A b"@Example.COM>\r\n')


def test_the_source_route_is_not_kept(server):
    """RFC 5321, appendix C."""
    with server.client() as client:
        client.envelope("routed@example.org", sender="<@a.example,@b.example:c@example.com>")
        client.message(b"hi")
    assert server.mails("routed")[0].startswith(b"Return-Path: <c@example.com>\r\n")


def test_utf8_addresses_are_delivered(server):
    """RFC 6531: and the trace says with what."""
    with server.client() as client:
        client.expect("EHLO x", "250")
        client.expect("MAIL FROM:<j\u00f6rg@ex\u00e4mple.com> SMTPUTF8", "250")
        client.expect("RCPT TO:<m\u00fcller@example.org>", "250")
        assert client.message("Subject: \u00fc\r\n\r\nhi".encode()).startswith(b"250 ")
    mail = server.mails("m\u00fcller")[0]
    assert mail.startswith("Return-Path: <j\u00f6rg@ex\u00e4mple.com>\r\n".encode())
    assert b" with UTF8SMTP id " in mail
    assert without_trace(mail) == "Subject: \u00fc\r\n\r\nhi\r\n".encode()
