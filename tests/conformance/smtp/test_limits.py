"""Limits (RFC 5321, section 4.5.3) and defence: each is said, and none hurts anybody else."""

import select
import time

import pytest
from netd_process import DEADLINE, SANITIZER, until
from smtp_dialogue import MailServer


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    one = MailServer(tmp_path_factory.mktemp("limits") / "netd", "max_recipients = 100\n")
    yield one
    one.finish()


def test_command_lines_of_512_octets(server):
    """Section 4.5.3.1.4."""
    with server.client() as client:
        assert client.ask(b"NOOP " + b"x" * 505 + b"\r\n").startswith(b"250 ")
        assert client.ask(b"NOOP " + b"x" * 506 + b"\r\n").startswith(b"500 5.5.2 ")
        client.expect("NOOP", "250")


def test_extensions_make_room_for_their_parameters(server):
    """RFC 3461, section 4.2: ORCPT adds 500 octets."""
    with server.client() as client:
        client.expect("EHLO x", "250")
        client.expect("MAIL FROM:<a@example.com>", "250")
        client.expect("RCPT TO:<" + "l" * 200 + "@example.org> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;"
                      + "o" * 490, "250")


@pytest.mark.parametrize("size", [4097, 65536, 1 << 20, 10 << 20])
def test_lines_without_end(server, size):
    with server.client() as client:
        client.send(b"x" * size)
        assert client.ask(b"\r\n").startswith(b"500 5.5.2 ")
        client.expect("NOOP", "250")


def test_at_least_a_hundred_recipients(server):
    """Sections 4.5.3.1.8 and 4.5.3.1.10: then 452, and those that were accepted stay."""
    with server.client() as client:
        client.expect("EHLO x", "250")
        client.expect("MAIL FROM:<a@example.com>", "250")
        for number in range(100):
            client.expect(f"RCPT TO:<many{number}@example.org>", "250 2.1.5 ")
        for _ in range(50):
            client.expect("RCPT TO:<many100@example.org>", "452 4.5.3 ")
        assert client.message(b"hi").startswith(b"250 ")
    assert all(server.bodies(f"many{number}") == [b"hi\r\n"] for number in range(100))
    assert server.bodies("many100") == []


def test_too_many_errors_end_the_session(server):
    with server.client() as client:
        answers = [client.ask("FOO")[:3] for _ in range(20)]
        assert answers == [b"500"] * 20
        assert client.reply().startswith(b"421 4.7.0 ")
        assert client.reply() == b""


def test_lines_of_messages_have_a_limit_when_asked(serve):
    """Section 4.5.3.1.6: 1,000 octets with CRLF are the least that must pass."""
    server = serve("max_line_length = 998\n")
    with server.client() as client:
        for length, answer in ((998, b"250 2.0.0 "), (999, b"554 5.6.0 "), (1 << 17, b"554 5.6.0 ")):
            client.envelope("lines@example.org")
            assert client.message(b"x" * length).startswith(answer)
    assert server.bodies("lines") == [b"x" * 998 + b"\r\n"]


def test_good_commands_are_no_errors(server):
    with server.client() as client:
        for _ in range(200):
            client.expect("NOOP", "250")
        client.expect("RSET", "250")


def test_refused_recipients_are_errors(server):
    """Who tries out names is cut off."""
    with server.client() as client:
        client.expect("EHLO x", "250")
        client.expect("MAIL FROM:<a@example.com>", "250")
        for number in range(20):
            client.expect(f"RCPT TO:<a{number}@example.com>", "550")
        assert client.reply().startswith(b"421 4.7.0 ")


def test_idle_clients_are_told(serve):
    """Section 4.5.3.2.7 and 3.8."""
    server = serve("idle_timeout = 200ms\n")
    with server.client() as client:
        assert client.reply().startswith(b"421 4.4.2 ")
        assert client.reply() == b""
    with server.client() as client:
        client.envelope("idle@example.org")
        client.expect("DATA", "354")
        client.send(b"half")
        assert client.reply().startswith(b"421 4.4.2 ")
    assert server.bodies("idle") == []


def test_a_message_has_a_deadline(serve):
    server = serve("message_timeout = 300ms\n")
    with server.client() as client:
        client.envelope("drip@example.org")
        client.expect("DATA", "354")
        client.socket.setblocking(False)
        end = time.monotonic() + DEADLINE
        answer = b""
        while not answer and time.monotonic() < end:
            client.socket.setblocking(True)
            client.socket.settimeout(0.02)
            client.send(b"x")
            try:
                answer = client.socket.recv(4096)
            except TimeoutError:
                continue
        assert answer.startswith(b"421 4.4.2 ")
    until(lambda: not server.files("drip", part="tmp"), "tmp/ to be empty")
    assert server.bodies("drip") == []


def test_early_talkers_are_turned_away(serve):
    server = serve("greet_delay = 10s\n")
    with server.client(greeting=False) as client:
        client.send(b"EHLO x\r\n")
        assert client.reply().startswith(b"554 ")
        assert client.reply() == b""


def test_those_who_wait_are_greeted(serve):
    server = serve("greet_delay = 100ms\n")
    with server.client() as client:
        client.expect("EHLO x", "250")


def test_tarpit(serve):
    server = serve("tarpit = 100ms\n")
    with server.client() as client:
        for _ in range(5):
            client.expect("FOO", "500")
        began = time.monotonic()
        client.expect("FOO", "500")
        client.expect("NOOP", "250")
        assert time.monotonic() - began >= 0.09


def test_connections_per_minute(serve):
    server = serve("connections_per_minute = 3\n")
    for _ in range(3):
        server.client().close()
    with server.client(greeting=False) as client:
        assert client.reply().startswith(b"421 4.7.0 ")


def test_who_is_turned_away_hears_why(serve):
    """Sections 3.1 and 3.8."""
    server = serve("max_connections_per_client = 2\n")
    with server.client(), server.client(), server.client(greeting=False) as third:
        assert third.reply().startswith(b"421 4.7.0 netd.example.org ")
        assert third.reply() == b""
    denying = serve("deny = 127.0.0.0/8\n")
    with denying.client(greeting=False) as client:
        assert client.reply().startswith(b"554 5.7.1 netd.example.org ")
        assert client.reply() == b""


def test_only_those_on_the_list_may_connect(serve):
    server = serve("allow = 192.0.2.0/24\nallow = ::1\n")
    with server.client(greeting=False) as client:
        assert client.reply().startswith(b"554 5.7.1 netd.example.org ")
        assert client.reply() == b""


def test_sessions_beyond_the_limit_wait_for_their_turn(serve):
    server = serve("max_connections = 2\n")
    with server.client() as first, server.client() as second, server.client(greeting=False) as third:
        for client in (first, second):
            client.expect("EHLO x", "250")
        assert not select.select([third.socket], [], [], 0)[0], "it is served beside them"
        first.expect("QUIT", "221 2.0.0 ")
        assert third.reply().startswith(b"220 ")
        second.expect("NOOP", "250 2.0.0 ")


def test_messages_per_minute(serve):
    server = serve("messages_per_minute = 2\n")
    with server.client() as client:
        for _ in range(2):
            client.envelope("rate@example.org")
            assert client.message(b"hi").startswith(b"250 ")
        client.expect("MAIL FROM:<a@example.com>", "450 4.7.1 ")


def test_users_aliases_and_catch_all(serve, tmp_path):
    aliases = tmp_path / "aliases"
    aliases.write_text("# staff\nstaff: alice,\n  bob@sub.example.org\nroot: alice\n")
    settings = ("domains = example.org\ndomains = sub.example.org\nusers = alice\nusers = bob\n"
                f"aliases = {aliases}\n")
    server = serve(settings)
    with server.client() as client:
        client.expect("EHLO x", "250")
        client.expect("MAIL FROM:<a@example.com>", "250")
        client.expect("RCPT TO:<nobody@example.org>", "550 5.1.1 ")
        client.expect("RCPT TO:<alice+tag@example.org>", "250")
        client.expect("RCPT TO:<staff@example.org>", "250")
        client.expect("RCPT TO:<postmaster@sub.example.org>", "250")
        client.expect("RCPT TO:<alice@example.com>", "550 5.7.1 ")
        assert client.message(b"hi").startswith(b"250 ")
    assert server.bodies("alice") == [b"hi\r\n"]
    assert server.bodies("bob", "sub.example.org") == [b"hi\r\n"]
    assert server.bodies("postmaster", "sub.example.org") == [b"hi\r\n"]
    catching = serve(settings + "catch_all = bob\n")
    with catching.client() as client:
        client.envelope("nobody@example.org")
        assert client.message(b"hi").startswith(b"250 ")
    assert catching.bodies("bob") == [b"hi\r\n"]


def test_every_domain(serve):
    server = serve("domains = *\n")
    with server.client() as client:
        client.expect("EHLO x", "250")
        client.expect("MAIL FROM:<>", "250")
        client.expect("RCPT TO:<a@any.where>", "250")
        client.expect("RCPT TO:<b@[192.0.2.1]>", "250")
        client.expect("RCPT TO:<Postmaster>", "250")
        assert client.message(b"hi").startswith(b"250 ")
    assert server.bodies("a", "any.where") == [b"hi\r\n"]
    assert server.bodies("b", "[192.0.2.1]") == [b"hi\r\n"]
    assert server.bodies("postmaster", "netd.example.org") == [b"hi\r\n"]


def test_memory_stays_bounded_by_messages_that_do_not(serve):
    """A message streams to the disk."""
    server = serve("max_message_size = 200M\nsync = off\n")
    with server.client() as client:
        client.envelope("huge@example.org")
        client.expect("DATA", "354")
        before = server.netd.resident_bytes()
        block = (b"0123456789" * 7 + b"\r\n") * 14000
        for _ in range(100):
            client.send(block)
        used = server.netd.resident_bytes() - before
        assert client.ask(b".\r\n").startswith(b"250 ")
    assert server.files("huge")[0].stat().st_size > len(block) * 100
    assert SANITIZER or used < 16 << 20


def test_mistakes_in_the_settings_are_named(tmp_path):
    from netd_process import Netd
    (tmp_path / "file").write_text("")
    netd = Netd(tmp_path / "netd", "[listener mail]\nprotocol = smtp\nlisten = tcp:127.0.0.1:0\n"
                f"maildir = {tmp_path}/file\ndomains = a..b\nusers = a b\nbare_newline = maybe\n"
                "max_recipients = 99\nmax_line_length = 10\n")
    done = netd.run("--check")
    netd.finish()
    assert done.returncode == 78
    for word in ("domains", "users", "bare_newline", "max_recipients", "max_line_length"):
        assert word in done.stderr, done.stderr


def test_a_maildir_that_is_a_file_is_a_mistake(tmp_path):
    from netd_process import Netd
    (tmp_path / "file").write_text("")
    netd = Netd(tmp_path / "netd", "[listener mail]\nprotocol = smtp\nlisten = tcp:127.0.0.1:0\n"
                f"maildir = {tmp_path}/file\ndomains = *\n")
    done = netd.run("--check")
    netd.finish()
    assert done.returncode == 78
    assert "maildir" in done.stderr and "Not a directory" in done.stderr
