"""The text of messages: its end, its transparency, and what must not be smuggled in it."""

import itertools
import re
import time

import pytest
from smtp_dialogue import Case, MailServer, case_id

START = [("MAIL FROM:<sender@example.com>", "250"), ("RCPT TO:<{user}@example.org>", "250"),
         ("DATA", "354 ")]
OK = ("NOOP", "250 2.0.0 ")
DELIVERED = "250 2.0.0 Ok"
BARE = "550 5.6.0|554 5.6.0|550 5.6.11"


def data(name, rfc, sent, received, answer=DELIVERED):
    """`sent` ends with CRLF.CRLF: one answer, and the session is in step afterwards."""
    return Case(name, rfc, [*START, (sent, answer), OK], mail=[received] if received is not None else [])


EVIL = b"MAIL FROM:<evil@example.com>\r\nRCPT TO:<{user}@example.org>\r\nDATA\r\nevil\r\n.\r\n"

# What looks like the end of data to some servers, and is none (RFC 5321, section 4.1.1.4).
NO_END = {
    "lf dot lf": b"\n.\n", "lf dot crlf": b"\n.\r\n", "crlf dot lf": b"\r\n.\n", "cr dot cr": b"\r.\r",
    "cr dot crlf": b"\r.\r\n", "crlf dot cr": b"\r\n.\r", "lf dot cr": b"\n.\r", "cr dot lf": b"\r.\n",
    "lf dot cr cr lf": b"\n.\r\r\n", "crlf dot cr cr lf": b"\r\n.\r\r\n", "cr cr lf dot cr cr lf": b"\r\r\n.\r\r\n",
    "crlf nul dot crlf": b"\r\n\0.\r\n", "crlf dot nul crlf": b"\r\n.\0\r\n",
    "crlf dot space crlf": b"\r\n. \r\n", "crlf space dot crlf": b"\r\n .\r\n",
    "crlf dot tab crlf": b"\r\n.\t\r\n", "crlf dot dot crlf": b"\r\n..\r\n",
    "cr nul lf dot crlf": b"\r\0\n.\r\n", "lf lf dot lf lf": b"\n\n.\n\n", "lf cr dot lf cr": b"\n\r.\n\r",
    "vt dot vt": b"\x0b.\x0b", "ff dot ff": b"\x0c.\x0c", "nel dot nel": b"\xc2\x85.\xc2\x85",
    "line separator": b"\xe2\x80\xa8.\xe2\x80\xa8",
}


def unstuffed(text):
    return b"\r\n".join(line[1:] if line.startswith(b".") else line for line in text.split(b"\r\n"))


def is_bare(text):
    return re.search(rb"\r(?!\n)|(?<!\r)\n", text) is not None


CASES = [
    data("a message", "4.1.1.4", b"Subject: x\r\n\r\nhi\r\n.\r\n", b"Subject: x\r\n\r\nhi\r\n"),
    data("an empty message", "4.1.1.4", b".\r\n", b""),
    data("one empty line", "4.1.1.4", b"\r\n.\r\n", b"\r\n"),
    data("only a header", "4.1.1.4", b"Subject: x\r\n.\r\n", b"Subject: x\r\n"),
    data("dots in front", "4.5.2", b"..\r\n...a\r\n....\r\n.\r\n", b".\r\n..a\r\n...\r\n"),
    data("a dot that was not doubled", "4.5.2", b".a\r\n.\r\n", b"a\r\n"),
    data("dots elsewhere", "4.5.2", b"a.\r\na..b\r\n .\r\n.\r\n", b"a.\r\na..b\r\n .\r\n"),
    data("a command in the text", "4.1.1.4", b"QUIT\r\nRSET\r\n.\r\n", b"QUIT\r\nRSET\r\n"),
    data("spaces at the end", "2.3.8", b"a  \r\n\t\r\n.\r\n", b"a  \r\n\t\r\n"),
    data("eight bits", "RFC 6152", bytes(range(128, 256)) + b"\r\n.\r\n", bytes(range(128, 256)) + b"\r\n"),
    data("all controls but cr and lf", "4.5.2", bytes(set(range(32)) - {10, 13}) + b"\r\n.\r\n",
         bytes(set(range(32)) - {10, 13}) + b"\r\n"),
    data("nul", "4.5.2", b"a\0b\r\n.\r\n", b"a\0b\r\n"),
    data("no header at all", "RFC 5322", b"just text\r\n.\r\n", b"just text\r\n"),
    data("a line of 998", "4.5.3.1.6", b"x" * 998 + b"\r\n.\r\n", b"x" * 998 + b"\r\n"),
    data("a line of 998 with a dot for transparency", "4.5.3.1.6", b".." + b"x" * 997 + b"\r\n.\r\n",
         b"." + b"x" * 997 + b"\r\n"),
    # More is what a server need not take, and should where it can (4.5.3.1).
    *[data(f"a line of {size}", "4.5.3.1", b"x" * size + b"\r\n.\r\n", b"x" * size + b"\r\n")
      for size in (999, 4096, 65535, 65537, 1 << 20)],
    data("a long line with dots for transparency", "4.5.2", b".." + b".x" * 50000 + b"\r\n.\r\n",
         b"." + b".x" * 50000 + b"\r\n"),
    data("a line of more than a megabyte", "4.5.3.1.6", b"x" * (1 << 20) + b"x\r\n.\r\n", None,
         "554 5.6.0|500|550|552"),
    data("many lines", "4.5.3.1.7", b"0123456789\r\n" * 20000 + b".\r\n", b"0123456789\r\n" * 20000),
    data("many lines of one dot", "4.5.2", b"..\r\n" * 50000 + b".\r\n", b".\r\n" * 50000),
    Case("two messages in one write", "RFC 2920 3.1",
         [*START, (b"one\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<{user}@example.org>\r\nDATA\r\n",
                   [DELIVERED, "250", "250", "354"]), (b"two\r\n.\r\n", DELIVERED)],
         mail=[b"one\r\n", b"two\r\n"]),
    Case("a dialogue in one write", "RFC 2920 3.1",
         [(b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<{user}@example.org>\r\nDATA\r\nhi\r\n.\r\nQUIT\r\n",
           ["250", "250", "250", "354", DELIVERED, "221", "closed"])], mail=[b"hi\r\n"], hello=None),
    Case("the end in single octets", "4.1.1.4",
         [*START, *[(bytes([c]), None) for c in b"hi\r\n.\r"], (b"\n", DELIVERED), OK], mail=[b"hi\r\n"]),
    Case("crlf split over packets", "4.1.1.4",
         [*START, (b"a\r", None), (b"\nb\r\n", None), (b".", None), (b".\r", None), (b"\n.\r\n", DELIVERED), OK],
         mail=[b"a\r\nb\r\n.\r\n"]),
    Case("cr and lf that are apart", "2.3.8", [*START, (b"a\r", None), (b"b\n", None), (b"c\r\n.\r\n", BARE), OK],
         mail=[]),
    Case("a bare newline in a later packet", "2.3.8",
         [*START, (b"x" * 500 + b"\r\n", None), (b"a\nb", None), (b"\r\n.\r\n", BARE), OK], mail=[]),
    Case("cut off in the text", "4.1.1.10", [*START, (b"hi\r\n", None)], mail=[]),
    Case("cut off before the dot's end", "4.1.1.4", [*START, (b"hi\r\n.", None)], mail=[]),
    Case("cut off before the last octet", "4.1.1.4", [*START, (b"hi\r\n.\r", None)], mail=[]),
]

for _name, _end in NO_END.items():
    _text = b"hi" + _end
    # Followed by a second transaction, which must stay text of the first.
    _whole = _text + EVIL
    _closed = _whole + b"end\r\n.\r\n"
    _first = _closed[:_closed.index(b"\r\n.\r\n", len(_text)) + 2]
    _content = None if is_bare(_text) else unstuffed(_first)
    CASES.append(Case(f"no end: {_name}", "4.1.1.4",
                      [*START, (_text + EVIL, BARE if _content is None else DELIVERED), OK],
                      mail=[] if _content is None else [_content]))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    one = MailServer(tmp_path_factory.mktemp("data") / "netd")
    yield one
    one.finish()


@pytest.fixture(scope="module")
def normalising(tmp_path_factory):
    one = MailServer(tmp_path_factory.mktemp("normalise") / "netd", "bare_newline = normalise\n")
    yield one
    one.finish()


def fill(case, user):
    """The messages that a case expects, with the mailbox's name in them."""
    return [body.replace(b"{user}", user.encode()) for body in case.mail]


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_data(server, case, monkeypatch):
    if case.mail and any(b"{user}" in body for body in case.mail):
        number = next(counter)
        case = Case(case.name, case.rfc,
                    [(sent.replace("{user}", f"evil{number}") if isinstance(sent, str)
                      else sent.replace(b"{user}", b"evil%d" % number), expected)
                     for sent, expected in case.steps], None, case.hello)
        server.run(case)
        expected = next(c for c in CASES if c.name == case.name)
        assert server.bodies(f"evil{number}") == fill(expected, f"evil{number}")
    else:
        server.run(case)


counter = itertools.count(1)


@pytest.mark.parametrize("name", [name for name, end in NO_END.items() if is_bare(end)])
def test_a_lone_newline_is_made_a_line_end_when_asked(normalising, name):
    """The same ends, with bare_newline = normalise: text of one message, with CRLF for each."""
    user = f"normal{next(counter)}"
    text = b"hi" + NO_END[name] + b"MAIL FROM:<evil@example.com>"
    with normalising.client() as client:
        client.envelope(f"{user}@example.org")
        assert client.message(text).startswith(b"250 2.0.0 Ok")
        client.expect("NOOP", "250 2.0.0 Ok\r\n")
    [body] = normalising.bodies(user)
    assert not is_bare(body)
    assert body.endswith(b"MAIL FROM:<evil@example.com>\r\n")


def test_no_second_message_however_the_packets_fall(server):
    """Each probe in two packets, at every place."""
    for name, end in NO_END.items():
        if not is_bare(end):
            continue
        text = b"hi" + end + b"RSET\r\nMAIL FROM:<evil@example.com>\r\n.\r\n"
        for cut in range(2, 3 + len(end)):
            with server.client() as client:
                client.envelope("split@example.org")
                client.expect("DATA", "354")
                client.send(text[:cut])
                client.send(text[cut:])
                assert client.reply().startswith(b"550 "), (name, cut)
                client.expect("NOOP", "250 2.0.0 Ok\r\n")
    assert server.bodies("split") == []


def test_trace_fields(server):
    """RFC 5321, section 4.4."""
    with server.client() as client:
        client.envelope("trace@example.org")
        answer = client.message(b"Subject: x\r\n\r\nhi")
    queued = re.search(rb"delivered as (\S+)", answer).group(1)
    [mail] = server.mails("trace")
    found = re.match(
        rb"Return-Path: <sender@example\.com>\r\nDelivered-To: trace@example\.org\r\n"
        rb"Received: from client\.example \(\[127\.0\.0\.1\]\)\r\n"
        rb"\tby netd\.example\.org \(netd\) with ESMTP id (\S+)\r\n\tfor <trace@example\.org>;\r\n"
        rb"\t(\w{3}), (\d\d) (\w{3}) (\d{4}) (\d\d:\d\d:\d\d) \+0000\r\nSubject: x\r\n", mail)
    assert found, mail
    assert found.group(1) == queued
    assert int(found.group(5)) >= time.gmtime().tm_year - 1


def test_helo_is_smtp_in_the_trace(server):
    with server.client() as client:
        client.envelope("plain@example.org", hello="HELO client.example")
        client.message(b"hi")
    assert b" with SMTP id " in server.mails("plain")[0]


def test_a_null_sender_is_kept_null(server):
    """RFC 5321, section 4.5.5."""
    with server.client() as client:
        client.envelope("null@example.org", sender="<>")
        client.message(b"hi")
    assert server.mails("null")[0].startswith(b"Return-Path: <>\r\n")


def test_recipients_learn_nothing_of_each_other(server):
    """RFC 5321, section 7.2: and they share one file."""
    with server.client() as client:
        client.envelope("first@example.org")
        client.expect("RCPT TO:<second@example.org>", "250")
        client.expect("RCPT TO:<third@sub.example.net>", "250")
        client.message(b"hi")
    files = server.files("first") + server.files("second") + server.files("third", "sub.example.net")
    assert len(files) == 3
    for file in files:
        text = file.read_bytes()
        assert not any(name in text for name in (b"first@", b"second@", b"third@"))
    assert {file.stat().st_nlink for file in files} == {3}


def test_a_recipient_given_twice_gets_one_copy(server):
    with server.client() as client:
        client.envelope("twice@example.org")
        client.expect("RCPT TO:<TWICE@EXAMPLE.ORG>", "250")
        client.expect("RCPT TO:<twice+tag@example.org>", "250")
        client.message(b"hi")
    assert len(server.files("twice")) == 1


def test_names_are_those_of_maildir(server):
    with server.client() as client:
        client.envelope("names@example.org")
        for _ in range(3):
            assert client.message(b"hi").startswith(b"250 ")
            client.expect("MAIL FROM:<>", "250")
            client.expect("RCPT TO:<names@example.org>", "250")
    files = server.files("names")
    assert len(files) == 3
    for file in files:
        assert re.fullmatch(r"\d{10,}\.M\d+P\d+R[0-9a-f]{8}Q\d+\.netd\.example\.org,S=\d+", file.name)
        assert file.name.endswith(f",S={file.stat().st_size}")
        assert not file.stat().st_mode & 0o007
    assert server.folder("names").joinpath("cur").is_dir()
    assert server.files("names", part="tmp") == []


def test_loops_are_broken(server):
    """RFC 5321, section 6.3."""
    received = b"Received: from a by b; Thu, 1 Jan 2026 00:00:00 +0000\r\n"
    with server.client() as client:
        client.envelope("loop@example.org")
        assert client.message(received * 50 + b"\r\nhi").startswith(b"250 ")
        client.envelope("loop@example.org")
        assert client.message(received * 51 + b"\r\nhi").startswith(b"554 5.4.6 ")
        for field in (received.lower(), received.replace(b":", b" \t:", 1), received.replace(b"; ", b";\r\n\t")):
            client.envelope("loop@example.org")
            assert client.message(field * 51 + b"\r\nhi").startswith(b"554 5.4.6 ")
        client.envelope("loop@example.org")
        assert client.message(b"Subject: x\r\n\r\n" + received * 60).startswith(b"250 ")
    assert len(server.files("loop")) == 2
