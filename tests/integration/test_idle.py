"""Ten thousand idle connections: what they take, traffic on all of them, and what they leave."""

import pathlib
import re
import resource
import select
import socket
import struct
import time

import pytest
from netd_process import DEADLINE, SANITIZER, until

CONNECTIONS = 10_000
# What the smallest of the peers' connections takes is about 950 bytes.
BYTES_EACH = 1400
# A crowd that has left leaves this at most for each of its connections: libevent's record of the
# descriptor, and the tables by it.
BYTES_LEFT = 100
MESSAGES = 900

WEB = """
[netd]
workers = {workers}
max_connections = 20000
log_level = warning
[listener web]
protocol = http
listen = tcp:127.0.0.1:0
route = / info
max_connections = 20000
max_connections_per_client = 20000
access_log = off
idle_timeout = 10min
"""


def test_ten_thousand_idle_connections(netd, workers):
    allow_descriptors()
    daemon = netd(f"[netd]\nworkers = {workers}\nmax_connections = 20000\nlog_level = warning\n"
                  "[listener echo]\nprotocol = echo\nlisten = tcp:127.0.0.1:0\n"
                  "max_connections = 20000\nmax_connections_per_client = 20000\nidle_timeout = 10min\n")
    address = daemon.addresses("echo")[0]
    warm = socket.create_connection(address, timeout=DEADLINE)
    before = daemon.resident_bytes()
    clients = {}
    try:
        for number in range(CONNECTIONS):
            client = socket.create_connection(address, timeout=DEADLINE)
            clients[client.fileno()] = (client, number)
        # The last of each worker's queue is accepted when its answer is here.
        exchange_with_all(clients)
        grown = daemon.resident_bytes() - before
        assert daemon.listener("echo")["connections"]["active"] == CONNECTIONS + 1
        if not SANITIZER:
            assert grown < CONNECTIONS * BYTES_EACH, f"{grown / CONNECTIONS:.0f} bytes a connection"
        exchange_with_all(clients)
    finally:
        for client, _ in clients.values():
            client.close()
        warm.close()


@pytest.mark.skipif(bool(SANITIZER), reason="their allocators keep what is freed")
def test_memory_comes_back_when_a_crowd_has_left(netd, workers):
    allow_descriptors()
    daemon = netd(WEB.format(workers=workers))
    address = daemon.addresses("web")[0]
    with socket.create_connection(address, timeout=DEADLINE) as stays:
        ask(stays)
        before = own_memory(daemon.pid)
        crowd = [socket.create_connection(address, timeout=DEADLINE) for _ in range(CONNECTIONS)]
        try:
            for one in crowd:
                ask(one)
            grown = own_memory(daemon.pid) - before
            assert grown > CONNECTIONS * 3 * BYTES_LEFT
        finally:
            for one in crowd:
                one.close()
        until(lambda: own_memory(daemon.pid) - before < CONNECTIONS * BYTES_LEFT,
              f"the memory of the connections, {grown // 1024} KiB, to be given back")
        ask(stays)


@pytest.mark.skipif(bool(SANITIZER), reason="their allocators keep what is freed")
def test_memory_comes_back_when_the_last_of_a_crowd_leave_later(netd):
    """Those who stay for a while are spread over all pages."""
    allow_descriptors()
    daemon = netd(WEB.format(workers=1))
    address = daemon.addresses("web")[0]
    with socket.create_connection(address, timeout=DEADLINE) as stays:
        ask(stays)
        before = own_memory(daemon.pid)
        crowd = [socket.create_connection(address, timeout=DEADLINE) for _ in range(CONNECTIONS)]
        for one in crowd:
            ask(one)
        full = own_memory(daemon.pid)
        for number, one in enumerate(crowd):
            if number % 20:
                one.close()
        until(lambda: own_memory(daemon.pid) < full - (full - before) // 10, "the first to be forgotten")
        half_empty = own_memory(daemon.pid)
        for one in crowd[::20]:
            one.close()
        until(lambda: own_memory(daemon.pid) - before < CONNECTIONS * BYTES_LEFT,
              f"the memory of the last, {(half_empty - before) // 1024} KiB, to be given back")


@pytest.mark.skipif(bool(SANITIZER), reason="their allocators keep what is freed")
def test_memory_comes_back_when_all_mail_is_delivered(netd, tmp_path):
    """Far fewer connections, and far more memory for each."""
    allow_descriptors()
    daemon = netd("[netd]\nworkers = 1\nlog_level = warning\n"
                  "[listener mail]\nprotocol = smtp\nlisten = tcp:127.0.0.1:0\nsync = off\n"
                  f"maildir = {tmp_path}/mail\ndomains = *\nmax_connections_per_client = 1000\n")
    address = daemon.addresses("mail")[0]
    before = own_memory(daemon.pid)
    senders = [socket.create_connection(address, timeout=DEADLINE) for _ in range(MESSAGES)]
    for one in senders:
        one.sendall(b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@b.example>\r\nDATA\r\n")
        # Without waiting for 354, which no client may do: it keeps the test short.
        one.sendall((b"x" * 998 + b"\r\n") * 130)
    until(lambda: own_memory(daemon.pid) - before > MESSAGES * 96 * 1024, "all to be under way")
    for one in senders:
        one.sendall(b".\r\nQUIT\r\n")
    for one in senders:
        with one, one.makefile("rb") as replies:
            assert replies.read().count(b"\r\n250 2.0.0 Ok: delivered") == 1
    until(lambda: own_memory(daemon.pid) - before < MESSAGES * 16 * 1024, "the memory to be given back")


def allow_descriptors():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    assert hard >= CONNECTIONS + 500, f"only {hard} descriptors allowed here"


def own_memory(pid):
    """Resident bytes of its own: neither shared nor of files."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(r"RssAnon:\s+(\d+) kB", status)[1]) * 1024


def ask(client):
    client.sendall(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert client.recv(4096).startswith(b"HTTP/1.1 200 ")


def exchange_with_all(clients):
    """Everybody sends his number, and gets his own back."""
    poll = select.epoll()
    for descriptor, (client, number) in clients.items():
        client.setblocking(False)
        poll.register(descriptor, select.EPOLLIN)
        assert client.send(struct.pack("!Q", number)) == 8
    waiting = set(clients)
    end = time.monotonic() + 3 * DEADLINE
    while waiting:
        assert time.monotonic() < end, f"{len(waiting)} got no answer"
        for descriptor, _ in poll.poll(1.0, 1000):
            client, number = clients[descriptor]
            assert client.recv(64) == struct.pack("!Q", number)
            poll.unregister(descriptor)
            waiting.discard(descriptor)
    poll.close()
