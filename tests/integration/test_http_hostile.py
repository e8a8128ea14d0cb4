"""HTTP clients that send too much at once, or move too little."""

import contextlib
import socket
import statistics
import threading
import time

import pytest
from netd_process import DEADLINE, PATIENCE, SANITIZER, until
from raw_http import RawConnection, get

FLOOD = 100_000  # requests in one go
FLOODERS = 3

SITE = """
[listener web]
protocol = http
listen = tcp:127.0.0.1:0
access_log = off
idle_timeout = 10min
route = / static {dir}/www
route = /info info
"""


@pytest.fixture
def site(netd, tmp_path):
    def make(more="", **options):
        www = tmp_path / "site" / "www"
        www.mkdir(parents=True)
        (www / "small.txt").write_text("small")
        (www / "large.bin").write_bytes(bytes(20_000_000))
        return netd(SITE + more, folder=tmp_path / "site", **options)

    return make


def request(number, fields=b""):
    return b"GET /small.txt?%d HTTP/1.1\r\nHost: x\r\n%s\r\n" % (number, fields)


class Flood:
    """Sends requests without looking at the answers; then says how many came."""

    def __init__(self, address, reads):
        self.socket = socket.create_connection(address, timeout=6 * DEADLINE)
        self.reads = reads
        self.received = 0
        self.rest = b""
        self.writer = threading.Thread(target=self.write, daemon=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.writer.start()
        if reads:
            self.reader.start()

    def write(self):
        # Who does not read is cut off in the middle.
        with contextlib.suppress(OSError):
            self.socket.sendall(b"".join(request(number) for number in range(FLOOD - 1)) +
                                request(FLOOD, b"Connection: close\r\n"))

    def read(self):
        while data := self.socket.recv(1 << 20):
            data = self.rest + data
            *whole, self.rest = data.split(b"\r\n\r\nsmall")
            assert all(one.startswith(b"HTTP/1.1 200 OK\r\n") for one in whole)
            self.received += len(whole)

    def finish(self):
        if not self.reads:
            self.socket.shutdown(socket.SHUT_RDWR)
        self.writer.join(6 * DEADLINE)
        if self.reads:
            self.reader.join(6 * DEADLINE)
        self.socket.close()


def test_floods_of_requests_leave_others_served(site):
    """One loop for all: whoever has sent much gets no more than his turn."""
    one = site(workers=1)
    address = one.addresses("web")[0]
    get(one.port("web"), "/small.txt")
    before = one.resident_bytes()
    floods = [Flood(address, reads) for reads in [True] * FLOODERS + [False] * FLOODERS]
    try:
        taken = []
        while len(taken) < 20 or any(flood.reader.is_alive() for flood in floods):
            begin = time.monotonic()
            assert get(one.port("web"), "/small.txt").body == b"small"
            taken.append(time.monotonic() - begin)
        # A machine that is busy with other things may hold up one or the other.
        assert statistics.median(taken) < 1 * PATIENCE, taken
        grown = one.resident_bytes() - before
        assert [flood.received for flood in floods if flood.reads] == [FLOOD] * FLOODERS
        assert [flood.rest for flood in floods] == [b""] * len(floods)
        if not SANITIZER:
            assert grown < FLOODERS * 4 << 20, f"{grown} bytes for what nobody reads"
    finally:
        for flood in floods:
            flood.finish()


class Peer:
    """One of those who are called on again and again to move a little more."""

    def __init__(self, port, words, little):
        self.connection = socket.socket()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.connection.connect(("127.0.0.1", port))
        self.connection.sendall(words)
        self.connection.setblocking(False)
        self.little = little
        self.answer = b""
        self.ended = False

    def take(self, size):
        with contextlib.suppress(BlockingIOError):
            data = self.connection.recv(size)
            self.answer = (self.answer + data)[:200]
            self.ended = self.ended or not data

    def move(self):
        try:
            self.little(self)
        except (BrokenPipeError, ConnectionResetError):
            self.ended = True


def sends(data):
    def little(peer):
        peer.take(65536)
        with contextlib.suppress(BlockingIOError):
            peer.connection.send(data)

    return little


def reads(size):
    return lambda peer: peer.take(size)


@pytest.mark.slow
def test_bodies_and_readers_have_to_move(site):
    """Neither is ever idle: it is the rate that ends them, and that leaves those alone who are
    slow but keep to it. It is measured over ten seconds, of a reader from the second ten on."""
    one = site("min_rate = 1K\nmax_body = 1G\n")
    port = one.port("web")
    post = b"POST /info HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n"
    drip = Peer(port, post, sends(b"x"))
    chunks = Peer(port, post.replace(b"Content-Length: 1000000000", b"Transfer-Encoding: chunked"),
                  sends(b"1\r\nx\r\n"))
    large = b"GET /large.bin HTTP/1.1\r\nHost: x\r\n\r\n"
    reader = Peer(port, large, reads(10))
    steady_body = Peer(port, post, sends(b"x" * 1000))
    steady_reader = Peer(port, large, reads(65536))
    everybody = [drip, chunks, reader, steady_body, steady_reader]
    tick = threading.Event()

    def all_slow_are_gone():
        for peer in everybody:
            if not peer.ended:
                peer.move()
        # The reader himself does not notice before he has read what his kernel holds.
        return tick.wait(0.1) or one.listener("web")["connections"]["active"] == 2

    try:
        until(all_slow_are_gone, "them to be cut off", 30 * PATIENCE)
        for peer in (drip, chunks):
            assert peer.answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n"), peer.answer
        assert not steady_body.ended and not steady_reader.ended
    finally:
        for peer in everybody:
            peer.connection.close()
