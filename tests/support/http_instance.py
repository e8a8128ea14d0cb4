"""An instance of a service, as a test wants it: what it answers, byte by byte, or how it fails; and a
netd that passes requests on to such."""

import contextlib
import dataclasses
import socket
import threading

from netd_process import DEADLINE


@dataclasses.dataclass
class Received:
    line: str
    fields: list  # (name in lower case, value)
    body: bytes = b""

    def get(self, name):
        values = [value for field, value in self.fields if field == name.lower()]
        assert len(values) <= 1, f"{name} is there {len(values)} times: {self.fields}"
        return values[0] if values else None


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Instance:
    """Serves on a port of its own. `answer` is what is sent for each request: bytes, None (closes
    without a word), or a function of the request and the connection that returns one of these."""

    def __init__(self, answer=OK, address=("127.0.0.1", 0)):
        self.answer = answer
        self.requests = []
        self.connections = 0
        self.read_bodies = True
        self._open = set()
        self._lock = threading.Lock()
        self._server = socket.create_server(address, backlog=64)
        self.port = self._server.getsockname()[1]
        self.name = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            connection.settimeout(DEADLINE)
            with self._lock:
                self.connections += 1
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as file:
            while request := self._read(file):
                with self._lock:
                    self.requests.append(request)
                answer = self.answer(request, connection) if callable(self.answer) else self.answer
                if answer is None:
                    break
                connection.sendall(answer)
        with self._lock:
            self._open.discard(connection)

    def _read(self, file):
        line = file.readline()
        if not line:
            return None
        request = Received(line.decode().rstrip("\r\n"), [])
        while (line := file.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            request.fields.append((name.lower(), value.strip()))
        if not self.read_bodies:
            return request
        if request.get("transfer-encoding"):
            while size := int(file.readline(), 16):
                request.body += file.read(size)
                file.readline()
            file.readline()
        else:
            request.body = file.read(int(request.get("content-length") or 0))
        return request

    def cut(self):
        """Closes every connection that is open."""
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def close(self):
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.cut()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def config(*instances, more="", service=""):
    lines = "".join(f"instance = {getattr(one, 'name', one)}\n" for one in instances)
    return f"""
[listener web]
protocol = http
listen = tcp:127.0.0.1:0
access_log = off
route = / proxy users
route = /info info
{more}
[service users]
health = off
{lines}{service}"""


@contextlib.contextmanager
def proxied(netd, answer=OK, **options):
    with Instance(answer) as instance:
        daemon = netd(config(instance, **options))
        yield daemon.port("web"), instance


UPGRADE = (b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n"
           b"Upgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n")


def echo_tunnel(request, connection):
    assert request.get("upgrade") == "websocket" and request.get("connection") == "Upgrade"
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
                       b"Upgrade: websocket\r\n\r\nhello")
    while data := connection.recv(65536):
        connection.sendall(data)
