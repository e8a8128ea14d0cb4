"""Ten thousand idle connections, then traffic on all of them."""

import resource
import select
import socket
import struct
import time

from netd_process import DEADLINE, SANITIZER

CONNECTIONS = 10_000
# What the smallest of the peers' connections takes is about 950 bytes.
BYTES_EACH = 1400


def test_ten_thousand_idle_connections(netd, workers):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    assert hard >= CONNECTIONS + 500, f"only {hard} descriptors allowed here"
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
