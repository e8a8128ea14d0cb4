"""What a proxied exchange costs while one side is slow, and connections that stop being HTTP."""

import base64
import contextlib
import hashlib
import os
import socket
import struct
import threading

import pytest
from http_instance import UPGRADE, Instance, config, echo_tunnel, proxied
from netd_process import DEADLINE, SANITIZER, until
from raw_http import RawConnection

LARGE = (64 if SANITIZER else 256) << 20
# What the kernel takes for one connection is not netd's; what netd may hold for it is.
BOUND = (64 if SANITIZER else 4) << 20


def settle(count):
    """Waits until what count() returns moves no more: nobody can go on then."""
    last = [count()]

    def same():
        now = count()
        still, last[0] = now == last[0], now
        return still

    for _ in range(3):
        until(same, "a standstill")
        threading.Event().wait(0.1)  # a pause that a busy machine may make
    return last[0]


class Pump:
    """Sends zeros into a socket, counted, as fast as they go."""

    def __init__(self, connection, total):
        self.sent = 0
        self._connection, self._total = connection, total
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        block = bytes(1 << 20)
        with contextlib.suppress(OSError):
            while self.sent < self._total:
                self.sent += self._connection.send(block[:self._total - self.sent])

    def join(self):
        self._thread.join(3 * DEADLINE)
        assert not self._thread.is_alive(), f"{self.sent} of {self._total} bytes sent"


def drain(connection, length):
    """Reads so many bytes, and says how many of them were none of the zeros."""
    buffer = bytearray(1 << 20)
    others = 0
    while length:
        count = connection.recv_into(buffer, min(length, len(buffer)))
        assert count, f"{length} bytes are missing"
        others += count - buffer.count(0, 0, count)
        length -= count
    return others


def test_a_fast_instance_waits_for_a_slow_client(netd):
    pumps = []

    def answer(_request, connection):
        connection.settimeout(None)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE)
        pumps.append(Pump(connection, LARGE))
        pumps[0].join()

    with Instance(answer) as instance:
        daemon = netd(config(instance))
        port = daemon.port("web")
        with RawConnection(port) as client:
            before = daemon.resident_bytes()
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            until(lambda: pumps, "the answer")
            sent = settle(lambda: pumps[0].sent)
            assert sent < LARGE and daemon.resident_bytes() - before < BOUND
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.socket.recv(1)
            assert drain(client.socket, LARGE) == 0
            assert daemon.resident_bytes() - before < BOUND


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_fast_client_waits_for_a_slow_instance(netd, framing):
    go_on = threading.Event()
    received = []

    def answer(request, connection):
        assert go_on.wait(DEADLINE)
        if request.get("content-length"):
            received.append(drain(connection, LARGE))
        else:
            data = b""
            while not data.endswith(b"0\r\n\r\n"):
                data = data[-8:] + connection.recv(1 << 20)
            received.append(0)
        return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    with Instance(answer) as instance:
        instance.read_bodies = False
        daemon = netd(config(instance, more="max_body = 2G\n"))
        with RawConnection(daemon.port("web")) as client:
            before = daemon.resident_bytes()
            kind = b"Content-Length: %d" % LARGE if framing == "length" \
                else b"Transfer-Encoding: chunked"
            client.send(b"PUT / HTTP/1.1\r\nHost: a\r\n" + kind + b"\r\n\r\n")
            until(lambda: instance.requests, "the head at the instance, which reads it by itself")
            if framing == "chunked":
                client.send(b"%x\r\n" % LARGE)
            client.socket.settimeout(None)
            pump = Pump(client.socket, LARGE)
            sent = settle(lambda: pump.sent)
            assert sent < LARGE and daemon.resident_bytes() - before < BOUND
            go_on.set()
            pump.join()
            if framing == "chunked":
                client.send(b"\r\n0\r\n\r\n")
            client.socket.settimeout(DEADLINE)
            assert client.receive().body == b"ok"
            assert received == [0]
            assert daemon.resident_bytes() - before < BOUND


@pytest.mark.parametrize("reader", ["client", "instance"])
def test_a_tunnel_holds_back_who_is_faster(netd, reader):
    total = LARGE // 4
    ends = []
    over = threading.Event()

    def answer(_request, connection):
        connection.settimeout(None)
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
                           b"Upgrade: websocket\r\n\r\n")
        ends.append(connection)
        over.wait(DEADLINE)

    with Instance(answer) as instance:
        daemon = netd(config(instance))
        with RawConnection(daemon.port("web")) as client:
            before = daemon.resident_bytes()
            client.send(UPGRADE)
            assert client.receive().status == 101
            client.socket.settimeout(None)
            until(lambda: ends, "the instance's end")
            sink, source = (client.socket, ends[0]) if reader == "client" else (ends[0], client.socket)
            pump = Pump(source, total)
            sent = settle(lambda: pump.sent)
            assert sent < total and daemon.resident_bytes() - before < BOUND
            assert drain(sink, total) == 0
            pump.join()
            over.set()


# ---- WebSocket, spoken by both ends (RFC 6455).

def frame(payload, opcode=2, masked=False):
    size = len(payload)
    mark = 0x80 if masked else 0
    if size < 126:
        head = struct.pack("!BB", 0x80 | opcode, mark | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", 0x80 | opcode, mark | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, mark | 127, size)
    if not masked:
        return head + payload
    key = os.urandom(4)
    long_key = (key * (size // 4 + 1))[:size]
    hidden = int.from_bytes(payload, "big") ^ int.from_bytes(long_key, "big")
    return head + key + hidden.to_bytes(size, "big")


class Frames:
    def __init__(self, read):
        self._read = read

    def next(self):
        first, second = self._read(2)
        size = second & 0x7F
        if size >= 126:
            size = int.from_bytes(self._read(2 if size == 126 else 8), "big")
        key = self._read(4) if second & 0x80 else b"\0\0\0\0"
        payload = self._read(size)
        long_key = (key * (size // 4 + 1))[:size]
        plain = int.from_bytes(payload, "big") ^ int.from_bytes(long_key, "big")
        return first & 0x0F, plain.to_bytes(size, "big")


def accept_of(key):
    guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    return base64.b64encode(hashlib.sha1((key + guid).encode()).digest()).decode()


def websocket_echo(request, connection):
    assert request.get("sec-websocket-version") == "13"
    accept = accept_of(request.get("sec-websocket-key"))
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                       b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept.encode() +
                       b"\r\nSec-WebSocket-Protocol: chat\r\n\r\n")
    with connection.makefile("rb") as file:
        frames = Frames(file.read)
        while True:
            opcode, payload = frames.next()
            connection.sendall(frame(payload, opcode))
            if opcode == 8:
                return None


@pytest.mark.parametrize("pause", [0, 0.7], ids=["busy", "silent"])
def test_websocket_frames_go_both_ways(netd, pause):
    """Also when nothing moves for longer than a request may take."""
    key = base64.b64encode(os.urandom(16)).decode()
    with proxied(netd, websocket_echo, service="answer_timeout = 200ms\ntunnel_timeout = 30s\n",
                 more="idle_timeout = 200ms\n") as (port, _), RawConnection(port) as client:
        client.send(f"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                    f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat\r\n"
                    f"Sec-WebSocket-Key: {key}\r\n\r\n".encode())
        answer = client.receive()
        assert answer.status == 101 and answer.get("sec-websocket-accept") == accept_of(key)
        assert answer.get("sec-websocket-protocol") == "chat"
        frames = Frames(client._take)
        threading.Event().wait(pause)
        for size in (0, 1, 125, 126, 65535, 65536, 300_000):
            payload = os.urandom(size)
            client.send(frame(payload, masked=True))
            assert frames.next() == (2, payload)
        client.send(frame(b"", 9, masked=True))
        assert frames.next()[0] == 9
        client.send(frame(b"\x03\xe8", 8, masked=True))
        assert frames.next() == (8, b"\x03\xe8")
        client.finish_sending()
        assert client.at_end()


def test_an_instance_that_ends_its_half_of_a_tunnel_still_hears(netd):
    heard = []

    def answer(_request, connection):
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
                           b"Upgrade: websocket\r\n\r\nbye")
        connection.shutdown(socket.SHUT_WR)
        data = b""
        while more := connection.recv(65536):
            data += more
        heard.append(data)

    with proxied(netd, answer) as (port, _), RawConnection(port) as client:
        client.send(UPGRADE)
        assert client.receive().status == 101
        while client._more():
            pass
        assert client.buffer == b"bye"
        client.send(b"still here")
        client.finish_sending()
        until(lambda: heard, "the end at the instance")
        assert heard == [b"still here"]


def test_a_silent_tunnel_ends(netd):
    with proxied(netd, echo_tunnel, service="tunnel_timeout = 200ms\n") as (port, instance), \
            RawConnection(port) as client:
        client.send(UPGRADE)
        assert client.receive().status == 101
        while client._more():
            pass
        assert client.buffer == b"hello"
        until(lambda: not instance._open, "the instance's connection to end")


@pytest.mark.parametrize("rude", ["client", "instance"])
def test_a_tunnel_that_breaks_on_one_side_breaks_on_the_other(netd, rude):
    broken = threading.Event()

    def reset(connection):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    def answer(_request, connection):
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
                           b"Upgrade: websocket\r\n\r\n")
        assert connection.recv(1) == b"x"
        if rude == "instance":
            reset(connection)
            return
        with contextlib.suppress(ConnectionResetError):
            if connection.recv(1) == b"":
                return
        broken.set()

    with proxied(netd, answer) as (port, _), RawConnection(port) as client:
        client.send(UPGRADE)
        assert client.receive().status == 101
        client.send(b"x")
        if rude == "instance":
            with pytest.raises(ConnectionResetError):
                client.socket.recv(1)
        else:
            reset(client.socket)
            until(broken.is_set, "the reset at the instance")
