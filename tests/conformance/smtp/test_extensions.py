"""What EHLO promises, and nothing more (RFC 5321, section 4.1.1.1)."""

import socket
import time

import pytest
from netd_process import DEADLINE, until
from smtp_dialogue import MailServer


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    one = MailServer(tmp_path_factory.mktemp("extensions") / "netd", "max_message_size = 1M\n")
    yield one
    one.finish()


def test_extensions(server):
    with server.client() as client:
        lines = client.ask("EHLO client.example").decode().split("\r\n")[1:-1]
    words = {line[4:].split(" ")[0]: line[4:].split(" ")[1:] for line in lines}
    assert words == {"PIPELINING": [], "SIZE": ["1048576"], "8BITMIME": [], "SMTPUTF8": [],
                     "ENHANCEDSTATUSCODES": [], "CHUNKING": [], "HELP": []}


def test_pipelined_commands_are_answered_in_one_write(server):
    """RFC 2920, section 3.2: in order, and not one by one."""
    with server.client() as client:
        client.expect("EHLO x", "250")
        before = client.reads
        client.send(b"MAIL FROM:<a@example.com>\r\n" + b"RCPT TO:<p@example.org>\r\n" * 20
                    + b"RCPT TO:<p@example.com>\r\nDATA\r\n")
        codes = [client.reply()[:3] for _ in range(23)]
        assert codes == [b"250"] * 21 + [b"550", b"354"]
        assert client.reads == before + 1


def test_a_client_that_ends_its_side_gets_all_answers(server):
    with server.client() as client:
        client.send(b"EHLO x\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<half@example.org>\r\nDATA\r\nhi\r\n.\r\n"
                    b"MAIL FROM:<a@example.com>\r\nRCPT TO:<half@example.org>\r\nBDAT 4 LAST\r\nho\r\nQUIT\r\n")
        client.socket.shutdown(socket.SHUT_WR)
        codes = []
        while answer := client.reply():
            codes.append(answer[:3])
    assert codes == [b"250", b"250", b"250", b"354", b"250", b"250", b"250", b"250", b"221"]
    assert server.bodies("half") == [b"hi\r\n", b"ho\r\n"]


def test_a_client_that_ends_its_side_without_quit(server):
    with server.client() as client:
        client.send(b"HELO x\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<quitless@example.org>\r\nDATA\r\nhi\r\n.\r\n")
        client.socket.shutdown(socket.SHUT_WR)
        codes = []
        while answer := client.reply():
            codes.append(answer[:3])
    assert codes == [b"250", b"250", b"250", b"354", b"250"]
    assert server.bodies("quitless") == [b"hi\r\n"]


def test_a_dialogue_with_line_feeds_alone_never_ends_a_message(server):
    """As printf | nc sends it: the commands work, the dot ends nothing, and the answer says why."""
    with server.client() as client:
        client.send(b"HELO x\nMAIL FROM: a@example.com\nRCPT TO: lf@example.org\nDATA\nhi\n.\nQUIT\n")
        client.socket.shutdown(socket.SHUT_WR)
        answers = []
        while answer := client.reply():
            answers.append(answer)
    assert [answer[:3] for answer in answers] == [b"250", b"250", b"250", b"354", b"451"]
    assert b"nc -C" in answers[3]
    assert server.bodies("lf") == []


def test_size_is_held_to_what_comes(server):
    """RFC 1870, section 6.3: whatever was declared."""
    line = b"x" * 98 + b"\r\n"
    with server.client() as client:
        client.expect("EHLO x", "250")
        client.expect("MAIL FROM:<a@example.com> SIZE=100", "250")
        client.expect("RCPT TO:<size@example.org>", "250")
        assert client.message(line * 10485).startswith(b"250 ")
        client.envelope("size@example.org")
        assert client.message(line * 10486).startswith(b"552 5.3.4 ")
        client.expect("MAIL FROM:<a@example.com> SIZE=1048576", "250")
        client.expect("RSET", "250")
        client.expect("MAIL FROM:<a@example.com> SIZE=1048577", "552 5.3.4")
    assert [len(body) for body in server.bodies("size")] == [1048502]


def test_dots_for_transparency_do_not_count_as_size(server):
    with server.client() as client:
        client.envelope("dots@example.org")
        assert client.message(b"..\r\n" * 349525 + b"x").startswith(b"552 5.3.4")
        client.envelope("dots@example.org")
        assert client.message(b"..\r\n" * 349524).startswith(b"250 ")


def test_the_session_goes_on_after_a_message_that_was_too_big(server):
    with server.client() as client:
        client.envelope("big@example.org")
        assert client.message(b"0123456789abcd\r\n" * (1 << 18)).startswith(b"552 5.3.4")
        client.envelope("big@example.org")
        assert client.message(b"small").startswith(b"250 ")
    assert server.bodies("big") == [b"small\r\n"]
    until(lambda: not server.files("big", part="tmp"), "tmp/ to be empty")


def test_messages_are_in_new_when_they_are_acknowledged(server):
    with server.client() as client:
        for number in range(1, 51):
            client.envelope("there@example.org", hello="RSET" if number > 1 else "EHLO x")
            assert client.message(b"%d" % number).startswith(b"250 ")
            assert len(server.files("there")) == number


def test_a_slow_client_delays_nobody(server):
    with server.client() as slow, server.client() as quick:
        slow.envelope("slow@example.org")
        slow.expect("DATA", "354")
        slow.send(b"half of it")
        began = time.monotonic()
        quick.envelope("quick@example.org")
        assert quick.message(b"hi").startswith(b"250 ")
        assert time.monotonic() - began < DEADLINE / 2
        assert slow.ask(b"\r\n.\r\n").startswith(b"250 ")
