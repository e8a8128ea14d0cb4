"""Commands, their order and their syntax (RFC 5321, sections 3 and 4)."""

import re

import pytest
from smtp_dialogue import Case, MailServer, case_id

MAIL = ("MAIL FROM:<sender@example.com>", "250 2.1.0 ")
RCPT = ("RCPT TO:<{user}@example.org>", "250 2.1.5 ")
DATA = ("DATA", "354 ")
OK = ("NOOP", "250 2.0.0 ")
END = (b"hi\r\n.\r\n", "250 2.0.0 ")

CASES = [
    # ---- EHLO and HELO
    Case("helo", "4.1.1.1", [("HELO client.example", "250 netd.example.org")], hello=None),
    Case("helo is answered in one line", "4.1.1.1", [("HELO x", "250 "), OK], hello=None),
    Case("ehlo in lower case", "2.4", [("ehlo client.example", "250-netd.example.org")], hello=None),
    Case("ehlo with an address literal", "4.1.3", [("EHLO [192.0.2.1]", "250-")], hello=None),
    Case("ehlo with an IPv6 literal", "4.1.3", [("EHLO [IPv6:2001:db8::1]", "250-")], hello=None),
    Case("ehlo with a bad literal", "4.1.3", [("EHLO [192.0.2]", "501 5.5.4")], hello=None),
    Case("ehlo without a name", "4.1.1.1", [("EHLO", "501 5.5.4")], hello=None),
    Case("helo without a name", "4.1.1.1", [("HELO", "501 5.5.4")], hello=None),
    Case("ehlo with a space for a name", "4.1.1.1", [("EHLO ", "501 5.5.4")], hello=None),
    Case("ehlo with two names", "4.1.1.1", [("EHLO a b", "501 5.5.4")], hello=None),
    Case("ehlo with an underscore", "4.1.4", [("EHLO build_1", "250-")], hello=None),
    Case("ehlo with a name that cannot be", "4.1.2", [("EHLO <a>", "501 5.5.4")], hello=None),
    Case("ehlo with a name beyond ASCII", "RFC 6531 3.7.1",
         [("EHLO \u00e4.example", "501 5.5.4")], hello=None),
    Case("ehlo again resets", "4.1.4", [MAIL, RCPT, ("EHLO again", "250-"), ("DATA", "503 5.5.1")]),
    Case("helo again resets", "4.1.4", [MAIL, ("HELO again", "250 "), RCPT[:1] + ("503 5.5.1",)]),
    Case("bad ehlo does not reset", "4.1.4", [MAIL, ("EHLO", "501"), RCPT]),
    # ---- Order
    Case("mail before hello", "4.1.4", [("MAIL FROM:<a@x>", "503 5.5.1")], hello=None),
    Case("rcpt before hello", "4.1.4", [("RCPT TO:<a@example.org>", "503 5.5.1")], hello=None),
    Case("data before hello", "4.1.4", [("DATA", "503 5.5.1")], hello=None),
    Case("rcpt before mail", "3.3", [RCPT[:1] + ("503 5.5.1",)]),
    Case("data before mail", "3.3", [("DATA", "503 5.5.1")]),
    Case("data before rcpt", "3.3", [MAIL, ("DATA", "503 5.5.1")]),
    Case("mail twice", "3.3", [MAIL, ("MAIL FROM:<b@example.com>", "503 5.5.1")]),
    Case("mail after rcpt", "3.3", [MAIL, RCPT, ("MAIL FROM:<b@example.com>", "503 5.5.1"), DATA,
                                    END], mail=[b"hi\r\n"]),
    Case("data without a valid recipient", "3.3",
         [MAIL, ("RCPT TO:<a@example.com>", "550 5.7.1"), ("DATA", "554 5.5.1|503 5.5.1")]),
    Case("one bad recipient harms no good one", "3.3",
         [MAIL, ("RCPT TO:<a@example.com>", "550 5.7.1"), RCPT, DATA, END], mail=[b"hi\r\n"]),
    Case("two messages in one session", "3.3", [MAIL, RCPT, DATA, END, MAIL, RCPT, DATA,
                                                 (b"ho\r\n.\r\n", "250 ")], mail=[b"hi\r\n", b"ho\r\n"]),
    Case("a refused mail can be sent again", "3.3", [("MAIL FROM:<a b>", "501 5.1.7"), MAIL, RCPT]),
    Case("after a message the transaction is over", "3.3",
         [MAIL, RCPT, DATA, END, RCPT[:1] + ("503 5.5.1",)]),
    # ---- RSET
    Case("rset", "4.1.1.5", [("RSET", "250 2.0.0 ")]),
    Case("rset before hello", "4.1.1.5", [("RSET", "250 2.0.0 ")], hello=None),
    Case("rset forgets the sender", "4.1.1.5", [MAIL, ("RSET", "250"), RCPT[:1] + ("503 5.5.1",)]),
    Case("rset forgets the recipients", "4.1.1.5",
         [MAIL, RCPT, ("RSET", "250"), MAIL, ("DATA", "503 5.5.1")], mail=[]),
    Case("rset keeps the hello", "4.1.1.5", [("RSET", "250"), MAIL]),
    Case("rset with an argument", "4.1.1.5", [("RSET now", "501 5.5.4")]),
    # ---- NOOP, HELP, VRFY, EXPN
    Case("noop", "4.1.1.9", [("NOOP", "250 2.0.0 ")]),
    Case("noop before hello", "4.1.4", [("NOOP", "250 2.0.0 ")], hello=None),
    Case("noop with an argument", "4.1.1.9", [("NOOP some words", "250 2.0.0 ")]),
    Case("noop in a transaction", "4.1.1.9", [MAIL, OK, RCPT, OK, DATA, END], mail=[b"hi\r\n"]),
    Case("help", "4.1.1.8", [("HELP", "214")]),
    Case("help with an argument", "4.1.1.8", [("HELP MAIL", "214")]),
    Case("help before hello", "4.1.4", [("HELP", "214")], hello=None),
    Case("vrfy", "3.5.3", [("VRFY user", "252 2.")]),
    Case("vrfy before hello", "4.1.4", [("VRFY user@example.org", "252 2.")], hello=None),
    Case("vrfy without an argument", "4.1.1.6", [("VRFY", "501 5.5.4")]),
    Case("vrfy in a transaction", "4.1.1.6", [MAIL, ("VRFY a", "252"), RCPT, DATA, END],
         mail=[b"hi\r\n"]),
    Case("expn is not offered", "3.5.2", [("EXPN list", "502 5.5.1")]),
    # ---- QUIT
    Case("quit", "4.1.1.10", [("QUIT", ["221 2.0.0 netd.example.org", "closed"])]),
    Case("quit before hello", "4.1.4", [("QUIT", ["221 2.0.0 ", "closed"])], hello=None),
    Case("quit in a transaction delivers nothing", "4.1.1.10",
         [MAIL, RCPT, ("QUIT", ["221", "closed"])], mail=[]),
    Case("quit with an argument", "4.1.1.10", [("QUIT now", "501 5.5.4"), OK]),
    Case("nothing after quit is answered", "4.1.1.10",
         [(b"QUIT\r\nNOOP\r\nMAIL FROM:<a@x>\r\n", ["221", "closed"])]),
    # ---- What is no command
    Case("unknown command", "4.2.4", [("FOO", "500 5.5.1")]),
    Case("unknown command with an argument", "4.2.4", [("XYZZY a b c", "500 5.5.1")]),
    Case("empty line", "4.2.4", [("", "500 5.5.2")]),
    Case("blank line", "4.2.4", [("   ", "500 5.5.")]),
    Case("space before a command", "2.4", [(" NOOP", "500 5.5.")]),
    Case("commands in any case", "2.4", [("nOoP", "250"), ("mAIL fROM:<a@example.com>", "250"),
                                         ("rcpt to:<{user}@example.org>", "250"), ("data", "354"), END],
         mail=[b"hi\r\n"]),
    Case("space at the end of commands", "4.1.1", [("NOOP ", "250"), ("MAIL FROM:<a@example.com> ", "250"),
                                                   ("RCPT TO:<{user}@example.org>  ", "250"),
                                                   ("DATA ", "354"), END], mail=[b"hi\r\n"]),
    Case("data with an argument", "4.1.1.4", [MAIL, RCPT, ("DATA now", "501 5.5.4"), DATA, END],
         mail=[b"hi\r\n"]),
    Case("turn is retired", "F.1", [("TURN", "502 5.5.1")]),
    Case("send soml saml are retired", "F.6", [("SEND FROM:<a@x>", "502"), ("SOML FROM:<a@x>", "502"),
                                                ("SAML FROM:<a@x>", "502")]),
    Case("starttls is not offered", "RFC 3207", [("STARTTLS", "502 5.5.1"), OK]),
    Case("auth is not offered", "RFC 4954", [("AUTH PLAIN AGEAYg==", "502 5.5.1"), OK]),
    Case("http is not spoken here", "-", [(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", ["421 4.7.0", "closed"])],
         hello=None),
    Case("a form cannot post commands", "-",
         [(b"POST / HTTP/1.1\r\nHost: x\r\n\r\nHELO x\r\nMAIL FROM:<a@x>\r\n", ["421 4.7.0", "closed"])],
         hello=None),
    # ---- Line ends of commands
    Case("lf alone ends a command typed by hand", "2.3.8", [(b"NOOP\n", "250"), (b"RSET\n", "250")]),
    Case("cr in a command", "2.3.8", [(b"NOOP\rRSET\r\n", "500 5.5.2|501"), OK]),
    Case("cr alone ends no command", "2.3.8", [(b"NOOP\r", None), (b"NOOP\r\n", "500 5.5.2|501"), OK]),
    Case("nul in a command", "2.3.8", [(b"NO\0OP\r\n", "500 5.5.2|501"), OK]),
    Case("binary rubbish", "4.2.4", [(bytes(range(14, 256)) + b"\r\n", "500 "), OK], hello=None),
    Case("tls without asking", "4.2.4", [(b"\x16\x03\x01\x00\xa5\x01\x00\r\n", "500 "), OK], hello=None),
    Case("a command in single octets", "4.1.1", [(b"N", None), (b"O", None), (b"OP\r", None), (b"\n", "250")]),
    # ---- Replies
    Case("no enhanced code in the hello", "RFC 2034 4", [("EHLO x", "250-netd.example.org\r\n250-")]),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    one = MailServer(tmp_path_factory.mktemp("commands") / "netd")
    yield one
    one.finish()


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_commands(server, case):
    server.run(case)


def test_greeting(server):
    """RFC 5321, section 4.2: 220, and the host's name first."""
    with server.client(greeting=False) as client:
        assert re.fullmatch(rb"220 netd\.example\.org ESMTP[^\r\n]*\r\n", client.reply())


def test_every_reply_is_made_of_lines_with_one_code(server):
    """RFC 5321, section 4.2.1."""
    with server.client() as client:
        for command in ("EHLO x", "HELP", "NOOP", "FOO"):
            lines = client.ask(command).split(b"\r\n")
            assert lines.pop() == b""
            assert len({line[:3] for line in lines}) == 1
            assert all(line[3:4] == b"-" for line in lines[:-1]) and lines[-1][3:4] in (b" ", b"")
            assert all(len(line) + 2 <= 512 for line in lines), "section 4.5.3.1.5"


def test_every_answer_has_an_enhanced_code(server):
    """RFC 2034, section 4: but not the greeting, EHLO, HELO and 354."""
    with server.client() as client:
        for command in ("NOOP", "RSET", "FOO", "", "VRFY x", "EXPN x", "HELP", "MAIL", "RCPT", "DATA",
                        "MAIL FROM:<a@b", "RCPT TO:<a@example.org>", "BDAT", "QUIT x"):
            answer = client.ask(command)
            assert re.match(rb"([245])\d\d[ -]\1\.\d{1,3}\.\d{1,3} ", answer), (command, answer)
