"""Limits hold, and whoever runs into one hurts nobody else."""

import contextlib
import random
import socket
import time

import pytest
from netd_process import DEADLINE, PATIENCE, SANITIZER, at_end, exchange, until

ECHO = "[listener echo]\nprotocol = echo\nlisten = tcp:127.0.0.1:0\n"
RESET_ON_CLOSE = b"\1\0\0\0\0\0\0\0"  # struct linger: on, 0 s


def has_ended(connection):
    """at_end() without waiting for it; the connection does not block."""
    try:
        return at_end(connection)
    except BlockingIOError:
        return False


def is_refused(source, address):
    """Whether a connection from `source` is closed at once, but not before connect() returns."""
    with connect_from(source, address) as client:
        return at_end(client)


def connect_from(source, address):
    return socket.create_connection(address, timeout=DEADLINE, source_address=(source, 0))


def answers(connection, timeout=0.3):
    """Whether an echo connection is served within a moment."""
    connection.settimeout(timeout * PATIENCE)
    try:
        exchange(connection)
        return True
    except TimeoutError:
        return False
    finally:
        connection.settimeout(DEADLINE)


def fill(connection):
    """Sends until nothing more is taken, and returns how much was."""
    connection.setblocking(False)
    sent = 0
    idle_since = time.monotonic()
    while time.monotonic() - idle_since < 0.5 * PATIENCE:
        try:
            sent += connection.send(b"x" * 65536)
            idle_since = time.monotonic()
        except BlockingIOError:
            pass
        assert sent < 512 << 20, "nothing holds the sender back"
    return sent


def test_connections_over_the_limit_wait_for_their_turn(netd, workers):
    daemon = netd(ECHO + "max_connections = 5\n", workers=workers)
    clients = [daemon.connect("echo") for _ in range(5)]
    for client in clients:
        exchange(client)
    waiting = daemon.connect("echo")
    assert not answers(waiting)
    clients.pop().close()
    assert waiting.recv(4) == b"ping"
    for client in clients:
        exchange(client)
        client.close()
    waiting.close()
    until(lambda: daemon.listener("echo")["connections"]["active"] == 0, "all to be gone")
    assert daemon.listener("echo")["connections"]["accepted"] == 6


def test_the_limit_over_all_listeners_holds_too(netd, workers):
    daemon = netd(f"[netd]\nworkers = {workers}\nmax_connections = 4\n" + ECHO
                  + ECHO.replace("echo]", "second]"))
    clients = [daemon.connect(name) for name in ("echo", "second") for _ in range(2)]
    for client in clients:
        exchange(client)
    waiting = daemon.connect("second")
    assert not answers(waiting)
    clients[0].close()
    assert waiting.recv(4) == b"ping"
    for client in (*clients, waiting):
        client.close()


def test_one_client_cannot_take_all(netd, workers):
    daemon = netd(ECHO + "max_connections_per_client = 3\n", workers=workers)
    address = daemon.addresses("echo")[0]
    mine = [connect_from("127.0.0.2", address) for _ in range(3)]
    for client in mine:
        exchange(client)
    assert is_refused("127.0.0.2", address)
    with connect_from("127.0.0.3", address) as other:
        exchange(other)
    mine.pop().close()

    def served_again():
        try:
            with connect_from("127.0.0.2", address) as again:
                exchange(again)
                return True
        except (AssertionError, OSError):
            return False

    until(served_again, "room for the client after one of its connections ended")
    assert daemon.listener("echo")["connections"]["refused"] >= 1
    for client in mine:
        client.close()


@pytest.mark.parametrize("rules, served, refused", [
    ("allow = 127.0.0.0/30\n", ["127.0.0.1", "127.0.0.3"], ["127.0.0.4"]),
    ("deny = 127.0.0.8/29\n", ["127.0.0.1", "127.0.0.7"], ["127.0.0.8", "127.0.0.15"]),
    ("allow = 127.0.0.0/8\ndeny = 127.0.0.9\n", ["127.0.0.8"], ["127.0.0.9"]),
    ("allow = ::1\n", [], ["127.0.0.1"]),
])
def test_access_lists(netd, rules, served, refused):
    daemon = netd(ECHO + "listen = udp:127.0.0.1:0\n" + rules)
    address = daemon.addresses("echo")[0]
    udp = daemon.addresses("echo", "udp")[0]
    for source in served:
        with connect_from(source, address) as client:
            exchange(client)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.bind((source, 0))
            client.settimeout(DEADLINE)
            client.sendto(b"ping", udp)
            assert client.recv(100) == b"ping"
    for source in refused:
        assert is_refused(source, address)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.bind((source, 0))
            client.settimeout(0.2)
            client.sendto(b"ping", udp)
            with pytest.raises(TimeoutError):
                client.recv(100)


def test_out_of_descriptors_pauses_without_spinning(netd, workers):
    daemon = netd(ECHO + "max_connections_per_client = 1000\n", workers=workers,
                  limits=["--nofile=96:96"])
    address = daemon.addresses("echo")[0]
    clients = [socket.create_connection(address, timeout=DEADLINE) for _ in range(10)]
    for client in clients:  # before one worker's queue has taken every descriptor
        exchange(client)
    clients += [socket.create_connection(address, timeout=DEADLINE) for _ in range(290)]
    for client in clients[:10]:
        exchange(client)
    assert daemon.status()["status"] == "ok", "the control socket has no descriptor left"
    before, started = daemon.cpu_seconds(), time.monotonic()
    assert not answers(clients[-1], timeout=1.0)
    spent = (daemon.cpu_seconds() - before) / (time.monotonic() - started)
    assert spent < 0.25, f"{spent:.0%} of a CPU used while nothing could be accepted"
    for client in clients[:-1]:
        client.close()
    assert clients[-1].recv(4) == b"ping"
    with daemon.connect("echo") as client:
        exchange(client)
    assert daemon.status()["status"] == "ok"
    clients[-1].close()


def test_the_limit_is_told_once_and_not_for_each_connection(netd):
    daemon = netd(ECHO + "max_connections = 1\n")
    clients = [daemon.connect("echo") for _ in range(20)]
    exchange(clients[0])
    assert not answers(clients[-1])
    lines = [line for line in daemon.log().splitlines() if " warning " in line]
    assert 1 <= len(lines) <= 2, lines
    for client in clients:
        client.close()


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["echo", "chargen"])
def test_a_client_that_never_reads_costs_little_and_stops_nobody(netd, protocol):
    daemon = netd(ECHO.replace("echo\n", f"{protocol}\n") + ECHO.replace("echo]", "other]"))
    before = daemon.resident_bytes()
    slow = [daemon.connect("echo") for _ in range(8)]
    if protocol == "echo":
        for client in slow:
            fill(client)
    else:
        with daemon.connect("echo") as reader:  # the others have had as much time as this one
            received = 0
            while received < 4 << 20:
                received += len(reader.recv(1 << 20))
    grown = daemon.resident_bytes() - before
    if not SANITIZER:
        assert grown < 8 * (1 << 20) + (4 << 20), f"{grown >> 10} KiB for 8 clients"
    before, started = daemon.cpu_seconds(), time.monotonic()
    with daemon.connect("other") as client:
        exchange(client)
    until(lambda: time.monotonic() - started > 0.5, "half a second")
    assert daemon.cpu_seconds() - before < 0.25, "it spins for clients that do not read"
    for client in slow:
        client.close()


def test_clients_that_vanish_leave_nothing(netd, workers):
    daemon = netd(ECHO, workers=workers)
    descriptors = daemon.open_descriptors()
    for _ in range(200):
        client = daemon.connect("echo")
        client.sendall(b"x" * 5000)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        client.close()
    until(lambda: daemon.listener("echo")["connections"]["active"] == 0, "all to be gone")
    until(lambda: daemon.open_descriptors() <= descriptors + 1, "the descriptors to be closed")
    with daemon.connect("echo") as client:
        exchange(client)


def test_a_half_closed_client_gets_all_of_its_answers(netd):
    daemon = netd(ECHO)
    data = random.Random(1).randbytes(3_000_000)
    with daemon.connect("echo") as client:
        received = bytearray()
        client.setblocking(False)
        sent = 0
        end = time.monotonic() + DEADLINE
        while sent < len(data):
            assert time.monotonic() < end
            try:
                sent += client.send(data[sent:sent + 100_000])
            except BlockingIOError:
                pass
            try:
                received += client.recv(1 << 20)
            except BlockingIOError:
                pass
        client.setblocking(True)
        client.settimeout(DEADLINE)
        client.shutdown(socket.SHUT_WR)
        while True:
            more = client.recv(1 << 20)
            if not more:
                break
            received += more
    assert bytes(received) == data


def test_the_idle_timeout_closes_and_activity_pushes_it_back(netd):
    daemon = netd(ECHO + "idle_timeout = 500ms\n")
    with daemon.connect("echo") as idle, daemon.connect("echo") as busy:
        idle.settimeout(0)
        started = time.monotonic()
        until(lambda: exchange(busy) or has_ended(idle), "the idle connection to be closed")
        assert 0.4 < time.monotonic() - started
        exchange(busy)
        assert at_end(busy)


RUBBISH_LISTENERS = """
[listener echo]
protocol = echo
listen = tcp:127.0.0.1:0
listen = udp:127.0.0.1:0
mode = line
[listener timestamp]
protocol = echo
listen = tcp:127.0.0.1:0
listen = udp:127.0.0.1:0
mode = timestamp
[listener discard]
protocol = discard
listen = tcp:127.0.0.1:0
listen = udp:127.0.0.1:0
[listener daytime]
protocol = daytime
listen = tcp:127.0.0.1:0
listen = udp:127.0.0.1:0
[listener time]
protocol = time
listen = tcp:127.0.0.1:0
listen = udp:127.0.0.1:0
[listener chargen]
protocol = chargen
listen = tcp:127.0.0.1:0
[listener greet]
protocol = greet
listen = tcp:127.0.0.1:0
[listener capture]
protocol = capture
listen = tcp:127.0.0.1:0
directory = {dir}/captures
[listener forward]
protocol = forward
listen = tcp:127.0.0.1:0
target = unix:{dir}/nobody
[listener web]
protocol = http
listen = tcp:127.0.0.1:0
route = / info
[listener mail]
protocol = smtp
listen = tcp:127.0.0.1:0
maildir = {dir}/mail
domains = *
"""


def rubbish(seed):
    """Binary noise, and pieces of the protocols in the wrong places."""
    source = random.Random(seed)
    pieces = [source.randbytes(source.randrange(1, 4000)), b"\0" * 500, b"\r\n" * 200,
              b"GET / HTTP/1.1\r\n", b"Content-Length: 99999999999999999999\r\n\r\n", b"HELO \xff\r\n",
              b"DATA\r\n.\r\n", b"BDAT 99999999999\r\n", b"{" * 300, b'"\\u', b"A" * 70_000,
              b"\xff\xf4\xff\xfd\x06"]
    source.shuffle(pieces)
    return b"".join(pieces)


def throw_at(address, data):
    """The same over a connection of its own, which may be reset before connect() returns."""
    with contextlib.suppress(ConnectionResetError):
        with socket.create_connection(address, timeout=DEADLINE) as client:
            throw(client, data)


def throw(connection, data):
    """Sends what the peer takes; it may close at any moment."""
    connection.settimeout(DEADLINE)
    with contextlib.suppress(OSError):
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(0.2)
        started = time.monotonic()
        while time.monotonic() - started < 1.0 and connection.recv(65536):
            pass


def test_rubbish_on_every_port(netd, workers):
    daemon = netd(RUBBISH_LISTENERS, workers=workers)
    (daemon.folder / "captures").mkdir(exist_ok=True)
    listeners = daemon.status()["listeners"]
    for seed, listener in enumerate(listeners):
        for address in daemon.addresses(listener["name"]):
            throw_at(address, rubbish(seed))
        for address in daemon.addresses(listener["name"], "udp"):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                for size in (0, 1, 1400, 60000):
                    client.sendto(rubbish(seed)[:size], address)
    for seed in range(5):
        with daemon.connect_control() as control:
            throw(control.socket, rubbish(100 + seed))
        with open(daemon.fifo_path, "wb", buffering=0) as fifo:
            fifo.write(rubbish(200 + seed)[:60_000])
    with open(daemon.fifo_path, "wb", buffering=0) as fifo:
        fifo.write(b"\n")

    assert daemon.status()["status"] == "ok"
    with daemon.connect("echo") as client:
        client.sendall(b"still here\n")
        assert client.recv(100) == b"ECHO: still here\n"
    with daemon.connect("web") as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")
    with daemon.connect("mail") as client:
        assert client.recv(100).startswith(b"220 ")


@pytest.mark.parametrize("protocol, line", [
    ("http", b"GET /" + b"a" * (1 << 20)),
    ("http", b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * (1 << 20)),
    ("smtp", b"HELO " + b"a" * (1 << 20)),
    ("smtp", b"a" * (1 << 20)),
    ("echo", b"a" * (8 << 20)),
], ids=["http-target", "http-field", "smtp-helo", "smtp-word", "echo-line"])
@pytest.mark.slow
def test_endless_lines_are_bounded(netd, protocol, line):
    own = {"http": "route = / info\n", "smtp": "maildir = {dir}/mail\ndomains = *\n",
           "echo": "mode = line\n"}[protocol]
    daemon = netd(f"[listener x]\nprotocol = {protocol}\nlisten = tcp:127.0.0.1:0\n{own}")
    before = daemon.resident_bytes()
    with daemon.connect("x") as client:
        throw(client, line)
        if not SANITIZER:
            assert daemon.resident_bytes() - before < 6 << 20
    with daemon.connect("x") as client:
        client.sendall({"http": b"GET / HTTP/1.0\r\n\r\n", "smtp": b"NOOP\r\n", "echo": b"x\n"}[protocol])
        assert client.recv(100)
