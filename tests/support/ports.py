"""Ports by number: for servers that do not tell which one they chose, and where nobody listens."""

import contextlib
import random
import socket

_given = set()
_held = []


def free_port():
    """For what is started next. Outside of the range that the kernel hands out (ip(7),
    ip_local_port_range), so that no client and no server of another test is given it meanwhile."""
    while True:
        port = random.randrange(20_000, 30_000)
        if port in _given:
            continue
        with contextlib.suppress(OSError), socket.socket() as one:
            one.bind(("127.0.0.1", port))
            _given.add(port)
            return port


def unused_port():
    """Connections to it are refused for as long as this process lives: it is bound, and nobody else
    gets it."""
    one = socket.socket()
    one.bind(("127.0.0.1", 0))
    _held.append(one)
    return one.getsockname()[1]
