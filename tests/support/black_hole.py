"""A peer whose machine is gone: it answers no SYN, and refuses nothing."""

import contextlib
import socket


@contextlib.contextmanager
def black_hole():
    """HOST:PORT of one. Its queue of connections is full and nobody accepts, so the kernel drops what
    else comes."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        yield "127.0.0.1:%d" % server.getsockname()[1]
