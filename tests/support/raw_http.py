"""HTTP byte by byte: what is sent is what the test says, and answers are taken apart as strictly as
RFC 9112 describes them."""

import dataclasses
import errno
import re
import socket

from netd_process import DEADLINE

STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) ([ -~]*)\Z")
FIELD_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ([^\x00-\x08\x0a-\x1f\x7f]*)\Z")


@dataclasses.dataclass
class Answer:
    status: int
    reason: str
    fields: list  # (name in lower case, value)
    body: bytes

    def get(self, name):
        """The value of a field that is there at most once."""
        values = [value for field, value in self.fields if field == name.lower()]
        assert len(values) <= 1, f"{name} is there {len(values)} times: {self.fields}"
        return values[0] if values else None

    def list(self, name):
        """The elements of a list field."""
        return [element.strip() for field, value in self.fields if field == name.lower()
                for element in value.split(",")]


class RawConnection:
    def __init__(self, port, host="127.0.0.1", timeout=DEADLINE):
        self.socket = socket.create_connection((host, port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.ended = False

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data, piece=None):
        """Sends all of it, or in pieces of that many bytes. A server that has refused the message
        may have closed before the last of them."""
        try:
            if piece is None:
                self.socket.sendall(data)
                return
            for at in range(0, len(data), piece):
                self.socket.sendall(data[at:at + piece])
        except (BrokenPipeError, ConnectionResetError):
            pass

    def finish_sending(self):
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            if error.errno != errno.ENOTCONN:  # the peer has reset it
                raise

    def _more(self):
        if self.ended:
            return False
        data = self.socket.recv(1 << 16)
        self.ended = not data
        self.buffer += data
        return bool(data)

    def _line(self):
        while b"\n" not in self.buffer:
            assert self._more(), f"ends within an answer's head: {self.buffer!r}"
        line, self.buffer = self.buffer.split(b"\n", 1)
        assert line.endswith(b"\r"), f"a bare LF after {line!r}"
        return line[:-1]

    def receive(self, to_head=False, chunked=False):
        """The next answer, or None when the connection has ended instead. `chunked`: it may be."""
        while not self.buffer:
            if not self._more():
                return None
        first = self._line()
        match = STATUS_LINE.match(first)
        assert match, f"no status line: {first!r}"
        status = int(match[1])
        fields = []
        while line := self._line():
            field = FIELD_LINE.match(line)
            assert field, f"no field line: {line!r}"
            fields.append((field[1].decode().lower(), field[2].decode("latin-1")))
        answer = Answer(status, match[2].decode(), fields, b"")
        answer.body = self._body(answer, to_head, chunked)
        return answer

    def _take(self, length):
        while len(self.buffer) < length:
            assert self._more(), f"ends within a body: {len(self.buffer)} of {length}"
        data, self.buffer = self.buffer[:length], self.buffer[length:]
        return data

    def _chunks(self):
        body = b""
        while size := int(self._line(), 16):
            body += self._take(size)
            assert self._line() == b""
        assert self._line() == b""
        return body

    def _body(self, answer, to_head, chunked):
        length = answer.get("content-length")
        if chunked and answer.get("transfer-encoding") is not None:
            assert answer.get("transfer-encoding") == "chunked" and length is None
            return b"" if to_head else self._chunks()
        assert answer.get("transfer-encoding") is None
        if answer.status < 200 or answer.status in (204, 304):
            assert length is None or answer.status == 304
            return b""
        assert length is not None and length.isdigit(), f"no length: {answer}"
        if to_head:
            return b""
        return self._take(int(length))

    def at_end(self):
        """Whether the server closes without another byte."""
        return not self.buffer and not self._more()


def ask(port, data, to_head=False):
    """One request on a connection of its own."""
    with RawConnection(port) as connection:
        connection.send(data)
        return connection.receive(to_head)


def get(port, target, fields=(), method="GET"):
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost", *fields]
    data = "".join(line + "\r\n" for line in lines) + "\r\n"
    return ask(port, data.encode("latin-1"), to_head=method == "HEAD")


@dataclasses.dataclass
class Case:
    """Bytes in; statuses and the state of the connection out."""
    rule: str       # the section of the RFC
    what: str
    data: bytes
    statuses: list  # one entry an answer: a status, or several that the RFC leaves a choice between
    stays: bool     # whether the connection is open afterwards
    heads: tuple = ()  # the answers that are to HEAD
    fields: dict = dataclasses.field(default_factory=dict)  # of the last answer: name -> value
    ends: bool = False  # the client finishes sending

    @property
    def name(self):
        return f"{self.rule} {self.what}"


PROBE = b"GET /info HTTP/1.1\r\nHost: probe\r\n\r\n"


def run(port, case, piece=None):
    with RawConnection(port) as connection:
        connection.send(case.data, piece)
        if case.ends:
            connection.finish_sending()
        answer = None
        for number, expected in enumerate(case.statuses):
            answer = connection.receive(to_head=number in case.heads)
            assert answer is not None, f"closed instead of answer {number + 1}"
            allowed = expected if isinstance(expected, tuple) else (expected,)
            if piece and answer.status == 100 and 100 not in allowed:
                # The body was still on its way when the head had come (RFC 9110, section 10.1.1).
                answer = connection.receive(to_head=number in case.heads)
                assert answer is not None, f"closed instead of answer {number + 1}"
            assert answer.status in allowed, f"answer {number + 1}: {answer}"
        for name, value in case.fields.items():
            assert answer.get(name) == value, answer
        if case.stays:
            # Whatever else came would be taken for the answer to this.
            connection.send(PROBE)
            probe = connection.receive()
            assert probe is not None, "closed, although it should stay"
            assert probe.status == 200 and b'"Host":"probe"' in probe.body, probe
        else:
            if answer is not None:
                assert "close" in [option.lower() for option in answer.list("connection")], answer
            assert connection.at_end(), f"not closed; then came {connection.buffer!r}"
