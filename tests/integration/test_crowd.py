"""When a crowd takes every place, those who are of no use to anybody make room for the others."""

import contextlib
import resource
import select
import socket
import threading
import time

import pytest
from netd_process import DEADLINE, PATIENCE, at_end, exchange, until

ATTACKERS = 1000  # max_connections of a listener, where nothing else is configured
CLIENT_SHARE = 100  # max_connections_per_client, likewise

WEB = """
[listener web]
protocol = http
listen = tcp:127.0.0.1:0
access_log = off
route = / static {dir}/www
route = /info info
"""
MAIL = "[listener mail]\nprotocol = smtp\nlisten = tcp:127.0.0.1:0\nmaildir = {dir}/mail\ndomains = *\n"
ECHO = "[listener echo]\nprotocol = echo\nlisten = tcp:127.0.0.1:0\n"
GET = b"GET /small.txt HTTP/1.1\r\nHost: x\r\n\r\n"
BODY = b"POST /info HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nx"


@pytest.fixture
def descriptors():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture
def web(netd, tmp_path, workers, descriptors):
    www = tmp_path / "site" / "www"
    www.mkdir(parents=True)
    (www / "small.txt").write_text("small")
    (www / "medium.bin").write_bytes(bytes(100_000))
    (www / "large.bin").write_bytes(bytes(8_000_000))
    return netd(WEB, folder=tmp_path / "site", workers=workers)


class Crowd:
    """Connections that were opened with the same words, and never read."""

    def __init__(self, address, words):
        self.address = address
        self.words = words
        self.members = []

    def come(self, number, first_source=2):
        for index in range(number):
            one = socket.socket()
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.bind((f"127.0.0.{first_source + index // CLIENT_SHARE}", 0))
            one.connect(self.address)
            one.setblocking(False)
            one.sendall(self.words)
            self.members.append(one)

    def drip(self, byte=b"x"):
        """Everybody who still can says a little more."""
        for one in self.members:
            with contextlib.suppress(OSError):
                one.send(byte)

    def leave(self):
        for one in self.members:
            one.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.leave()


def get(address):
    """One request on a connection of its own, and how long it took."""
    begin = time.monotonic()
    with socket.create_connection(address, timeout=DEADLINE) as honest:
        honest.sendall(GET)
        assert honest.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
    return time.monotonic() - begin


ATTACKS = {
    "silent": b"",
    "head": b"GET / HTTP/1.1\r\nHost: x\r\nX-a: b",
    "body": BODY,
    "reader": b"GET /large.bin HTTP/1.1\r\nHost: x\r\n\r\n",
    "reader-of-little": b"GET /medium.bin HTTP/1.1\r\nHost: x\r\n\r\n",
    "reader-at-the-end": b"GET /large.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "idle": GET,
}


@pytest.mark.slow
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_thousand_attackers_leave_honest_clients_served(web, attack):
    address = web.addresses("web")[0]
    with Crowd(address, ATTACKS[attack]) as crowd:
        crowd.come(ATTACKERS)
        # Not those that are open: who asked for the end goes while others are still coming.
        until(lambda: web.listener("web")["connections"]["accepted"] >= ATTACKERS, "all of them")
        # Until it is known of one of them that it does not move.
        assert get(address) < 4 * PATIENCE
        for _ in range(20):
            crowd.drip()
            assert get(address) < 1 * PATIENCE
        # And again as many, who are in the queue before the honest ones; with nobody let go, these
        # would wait for the time-out of 30 s.
        crowd.come(ATTACKERS, first_source=20)
        for _ in range(5):
            assert get(address) < DEADLINE
    until(lambda: web.listener("web")["connections"]["active"] == 0, "all to be gone")


class Download:
    """Reads a large file steadily, in a thread of its own, and in the end as fast as it can."""

    def __init__(self, connection):
        self.connection = connection
        self.received = 0
        self.hurry = threading.Event()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.sendall(b"GET /large.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        while True:
            more = len(self.connection.recv(16384 if not self.hurry.is_set() else 1 << 20))
            self.received += more
            if more == 0:
                return
            self.hurry.wait(0.01)

    def finish(self):
        self.hurry.set()
        self.thread.join(DEADLINE)
        return self.received


def asked(address, words):
    one = socket.create_connection(address, timeout=DEADLINE)
    one.sendall(words)
    return one


def served(address):
    one = asked(address, GET)
    assert one.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
    return one


def is_open(connection):
    """Of one that has nothing to read."""
    return not select.select([connection], [], [], 0)[0]


@pytest.fixture
def small_web(netd, tmp_path):
    """Few places, all of one worker, so that it is known who goes."""
    (tmp_path / "site" / "www").mkdir(parents=True)
    (tmp_path / "site" / "www" / "small.txt").write_text("small")
    (tmp_path / "site" / "www" / "large.bin").write_bytes(bytes(4_000_000))
    return netd(WEB + "max_connections = 4\n", folder=tmp_path / "site")


def test_the_longest_idle_goes_first_and_a_download_goes_on(small_web):
    address = small_web.addresses("web")[0]
    download = Download(socket.create_connection(address, timeout=DEADLINE))
    asking = asked(address, b"GET / HTTP/1.1\r\nHost: x\r\n")
    idle = [served(address), served(address)]
    for _ in range(2):
        idle.append(served(address))
        assert at_end(idle.pop(0))
        assert all(is_open(one) for one in idle)
    assert is_open(asking)
    asking.sendall(b"\r\n")
    assert asking.recv(65536).startswith(b"HTTP/1.1 403 ")
    assert download.finish() > 4_000_000
    small_web.wait_for_log("limit reached: max_connections; new connections take the place of idle ones")
    for one in (*idle, asking, download.connection):
        one.close()


def test_the_longest_unfinished_head_goes_and_is_told(small_web):
    address = small_web.addresses("web")[0]
    heads = []
    for number in range(1, 5):
        heads.append(asked(address, b"GET / HTTP/1.1\r\nX: "))
        until(lambda: small_web.listener("web")["connections"]["active"] == number, "the next one")
    served(address).close()  # and leaves its place to the next
    gone = heads.pop(0)
    assert gone.recv(65536).startswith(b"HTTP/1.1 408 ")
    assert at_end(gone)
    assert all(is_open(one) for one in heads)
    for one in (*heads, gone):
        one.close()


def test_who_is_served_keeps_his_place(netd):
    """No session of echo is closed for another: nobody knows what it is waiting for."""
    daemon = netd(ECHO + "max_connections = 2\n")
    clients = [daemon.connect("echo") for _ in range(2)]
    for one in clients:
        exchange(one)
    waiting = daemon.connect("echo")
    waiting.sendall(b"ping")
    waiting.settimeout(1.0 * PATIENCE)
    with pytest.raises(TimeoutError):
        waiting.recv(4)
    for one in clients:
        exchange(one)
        one.close()
    waiting.settimeout(DEADLINE)
    assert waiting.recv(4) == b"ping"
    waiting.close()


def test_other_listeners_and_other_workers_make_room_too(netd, tmp_path):
    (tmp_path / "site" / "www").mkdir(parents=True)
    (tmp_path / "site" / "www" / "small.txt").write_text("small")
    daemon = netd("[netd]\nworkers = 4\nmax_connections = 3\n" + WEB + ECHO,
                  folder=tmp_path / "site")
    address = daemon.addresses("web")[0]
    idle = [served(address) for _ in range(3)]
    echoes = []
    for count in range(1, 4):
        echoes.append(daemon.connect("echo"))
        exchange(echoes[-1])
        until(lambda: sum(map(is_open, idle)) == 3 - count, "one idle connection to go")
    for one in (*echoes, *idle):
        one.close()


def test_descriptors_are_given_back_too(netd, tmp_path):
    (tmp_path / "site" / "www").mkdir(parents=True)
    (tmp_path / "site" / "www" / "small.txt").write_text("small")
    daemon = netd(WEB + "max_connections_per_client = 1000\n", folder=tmp_path / "site",
                  limits=["--nofile=96:96"])
    address = daemon.addresses("web")[0]
    for _ in range(3):
        clients = [asked(address, GET) for _ in range(100)]
        for one in clients:
            assert one.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
        for one in clients:
            one.close()
    assert daemon.status()["status"] == "ok"
