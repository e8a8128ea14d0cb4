"""Requests through a proxy, byte by byte on both sides: the instance gets exactly the one message that
was meant, or nothing. Whatever two readers could take differently stops here."""

import contextlib
import re
import socket
import threading

import netd_process
import pytest
from netd_process import DEADLINE
from raw_http import RawConnection

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
NEXT = b"GET /next HTTP/1.1\r\nHost: next\r\n\r\n"


def unchunked(body):
    """The content of a chunked body as netd writes one, and the bytes that it takes; None: more has
    to come."""
    content, at = b"", 0
    while match := re.compile(rb"([0-9a-f]+)\r\n").match(body, at):
        size = int(match[1], 16)
        at = match.end() + size
        if body[at:at + 2] != b"\r\n":
            break
        content += body[match.end():at]
        at += 2
        if size == 0:
            return content, at
    return None, 0


class Recorder:
    """Answers each message and keeps what came, to the byte. Connections stay open, so that bytes
    behind a message would show up as the begin of another one."""

    def __init__(self):
        self.received = b""
        self._lock = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        message = b""
        with contextlib.suppress(OSError), connection:
            while data := connection.recv(65536):
                message += data
                with self._lock:
                    self.received += data
                while end := self._end_of(message):
                    message = message[end:]
                    connection.sendall(OK)

    @staticmethod
    def _end_of(message):
        """Where the first message ends, as a strict reader sees it; 0 while it has not."""
        head, blank, body = message.partition(b"\r\n\r\n")
        if not blank:
            return 0
        start = len(head) + 4
        if b"\r\nTransfer-Encoding: chunked\r\n" in head + b"\r\n":
            content, size = unchunked(body)
            return start + size if content is not None else 0
        length = re.search(rb"\r\nContent-Length: ([0-9]+)\r\n", head + b"\r\n")
        size = int(length[1]) if length else 0
        return start + size if len(body) >= size else 0

    def take(self):
        """All that has come, and forgets it. What was answered has come."""
        with self._lock:
            received, self.received = self.received, b""
            return received

    def close(self):
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


@pytest.fixture(scope="module")
def passed(tmp_path_factory):
    recorder = Recorder()
    daemon = netd_process.Netd(tmp_path_factory.mktemp("passed"), f"""
[listener web]
protocol = http
listen = tcp:127.0.0.1:0
listen = tcp:[::1]:0
listen = unix:{{dir}}/web.sock
access_log = off
max_body = 1000
max_connections_per_client = 1000
route = / proxy app
route = /own info

[service app]
health = off
instance = 127.0.0.1:{recorder.port}
""")
    daemon.start()
    try:
        yield daemon, recorder, daemon.port("web")
    finally:
        daemon.finish()
        recorder.close()


def forwarded(host="x", client="127.0.0.1", before="", before_x="", via=""):
    element = f"for={client}" if ":" not in client else f'for="[{client}]"'
    if host:
        element += f';host="{host}"'
    text = (f"Forwarded: {before}{element};proto=http\r\n"
            f"X-Forwarded-For: {before_x}{client}\r\nX-Forwarded-Proto: http\r\n")
    return text + (f"X-Forwarded-Host: {host}\r\n" if host else "") + (via or "Via: 1.1 netd\r\n")


def message(fields="", line="GET / HTTP/1.1", host="x", body=b"", tail="", **more):
    """What the instance gets: `fields` of the client, netd's own, and `tail` behind them."""
    return (f"{line}\r\nHost: {host}\r\n{fields}{forwarded(host, **more)}{tail}\r\n").encode("latin-1") \
        + body


def get(fields=b"", target=b"/", method=b"GET", version=b"HTTP/1.1", host=b"Host: x\r\n"):
    return method + b" " + target + b" " + version + b"\r\n" + host + fields + b"\r\n"


def post(fields, body=b""):
    return get(fields, method=b"POST") + body


CHUNKED = b"Transfer-Encoding: chunked\r\n"
AS_CHUNKED = {"line": "POST / HTTP/1.1", "tail": "Transfer-Encoding: chunked\r\n"}


def chunked(body, fields=b""):
    return post(CHUNKED + fields, body)


def hop(line_text):
    """A field that is one connection's does not go along, whoever names it."""
    return get(line_text), message()


# what: (sent, received by the instance)
PASSED = {
    "a plain GET": (get(), message()),
    "bare LF in the head": (get().replace(b"\r\n", b"\n"), message()),
    "an empty line in front": (b"\r\n" + get(), message()),
    "field names keep their case": (get(b"x-UPPER-lower: V\r\n"), message("x-UPPER-lower: V\r\n")),
    "white space around values": (get(b"A: \t b c \t\r\n"), message("A: b c\r\n")),
    "an empty value": (get(b"A:\r\n"), message("A: \r\n")),
    "fields of one name keep their order": (get(b"A: 1\r\nB: 2\r\nA: 3\r\n"),
                                           message("A: 1\r\nB: 2\r\nA: 3\r\n")),
    "several Cookie fields": (get(b"Cookie: a=1\r\nCookie: b=2\r\n"),
                              message("Cookie: a=1\r\nCookie: b=2\r\n")),
    "8-bit values": (get(b"A: \xff\xe9\r\n"), message("A: \xff\xe9\r\n")),
    "an underscore in a name": (get(b"a_b: 1\r\n"), message("a_b: 1\r\n")),
    "every kind of tchar": (get(b"!#$%&'*+-.^_`|~09aZ: 1\r\n"), message("!#$%&'*+-.^_`|~09aZ: 1\r\n")),
    "Authorization": (get(b"Authorization: Basic eA==\r\n"), message("Authorization: Basic eA==\r\n")),
    "Range and conditions": (get(b"Range: bytes=0-1\r\nIf-None-Match: \"a\"\r\n"),
                             message("Range: bytes=0-1\r\nIf-None-Match: \"a\"\r\n")),
    "a port in Host": (get(host=b"Host: x:81\r\n"), message(host="x:81")),
    "an IPv6 Host": (get(host=b"Host: [::1]:81\r\n"), message(host="[::1]:81")),
    "the absolute form": (get(target=b"http://a.example:81/b?c"),
                          message(line="GET /b?c HTTP/1.1", host="a.example:81")),
    "the absolute form beside another Host": (
        get(target=b"http://a.example/b", host=b"Host: evil.example\r\n"),
        message(line="GET /b HTTP/1.1", host="a.example")),
    "the absolute form without a path": (get(target=b"http://a.example"),
                                         message(host="a.example")),
    "an upper-case scheme": (get(target=b"HTTP://a.example/"), message(host="a.example")),
    "encoded bytes stay encoded": (get(target=b"/a%20b%2Fc%3f?d=%00"),
                                   message(line="GET /a%20b%2Fc%3f?d=%00 HTTP/1.1")),
    "a query with its own marks": (get(target=b"/?a=/../b?c=d"),
                                   message(line="GET /?a=/../b?c=d HTTP/1.1")),
    "an empty query": (get(target=b"/a?"), message(line="GET /a? HTTP/1.1")),
    "empty segments": (get(target=b"//a//b/"), message(line="GET //a//b/ HTTP/1.1")),
    "HTTP/1.0 becomes 1.1": (get(version=b"HTTP/1.0"), message(via="Via: 1.0 netd\r\n")),
    "HTTP/1.0 knows no expectation": (get(b"Expect: 100-continue\r\n", version=b"HTTP/1.0"),
                                      message(via="Via: 1.0 netd\r\n")),
    "a later minor version": (get(version=b"HTTP/1.9"), message()),
    "an unknown method": (get(method=b"BREW"), message(line="BREW / HTTP/1.1")),
    "a method in lower case is another one": (get(method=b"get"), message(line="get / HTTP/1.1")),
    "OPTIONS with hops left": (get(b"Max-Forwards: 5\r\n", method=b"OPTIONS"),
                               message("Max-Forwards: 4\r\n", line="OPTIONS / HTTP/1.1")),
    "Max-Forwards of a GET means nothing": (get(b"Max-Forwards: 0\r\n"),
                                            message("Max-Forwards: 0\r\n")),
    # One connection's fields.
    "Connection": hop(b"Connection: keep-alive\r\n"),
    "Keep-Alive": hop(b"Keep-Alive: timeout=1\r\n"),
    "Proxy-Connection": hop(b"Proxy-Connection: keep-alive\r\n"),
    "TE": hop(b"TE: gzip\r\n"),
    "Trailer": hop(b"Trailer: A\r\n"),
    "Upgrade without Connection": hop(b"Upgrade: websocket\r\n"),
    "Proxy-Authorization": hop(b"Proxy-Authorization: Basic eA==\r\n"),
    "Proxy (CVE-2016-5385)": hop(b"Proxy: http://evil.example/\r\n"),
    "what Connection names": hop(b"Connection: a-b\r\nA-B: 1\r\n"),
    "what Connection names behind commas": hop(b"Connection: , ,a ,\tb,\r\nA: 1\r\nB: 2\r\n"),
    "what two Connection fields name": hop(b"Connection: a\r\nA: 1\r\nConnection: b\r\nB: 2\r\n"),
    "a name in front of its Connection": hop(b"A: 1\r\nConnection: A\r\n"),
    "X-Forwarded-Host and -Proto": hop(b"X-Forwarded-Host: evil\r\nX-Forwarded-Proto: https\r\n"),
    "the same as a CGI would read them": hop(b"X_Forwarded_For: evil\r\nx_forwarded-host: evil\r\n"),
    "an upgrade to HTTP/2": hop(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                                b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n"),
    "TE: trailers": (get(b"TE: trailers\r\n"), message(tail="TE: trailers\r\nConnection: TE\r\n")),
    # Who asks (RFC 7239).
    "Forwarded goes in front": (get(b"Forwarded: for=1.2.3.4;by=\"[::1]\"\r\n"),
                                message(before="for=1.2.3.4;by=\"[::1]\", ")),
    "two Forwarded fields": (get(b"Forwarded: for=a\r\nForwarded: for=b\r\n"),
                             message(before="for=a, for=b, ")),
    "an unclosed quote swallows nothing": (get(b"Forwarded: for=\"a\r\n"), message()),
    "an escaped quote is no end": (get(b"Forwarded: for=\"a\\\"\r\n"), message()),
    "X-Forwarded-For goes in front": (get(b"X-Forwarded-For: 1.2.3.4, ::1\r\n"),
                                      message(before_x="1.2.3.4, ::1, ")),
    "an empty X-Forwarded-For": (get(b"X-Forwarded-For:\r\n"), message()),
    "Via of others stays": (get(b"Via: 1.1 a\r\n"), message("Via: 1.1 a\r\n")),
    # Bodies.
    "a body": (post(b"Content-Length: 3\r\n", b"abc"),
               message(line="POST / HTTP/1.1", tail="Content-Length: 3\r\n", body=b"abc")),
    "zeros in front of a length": (post(b"Content-Length: 0003\r\n", b"abc"),
                                   message(line="POST / HTTP/1.1", tail="Content-Length: 3\r\n",
                                           body=b"abc")),
    "no body": (post(b"Content-Length: 0\r\n"),
                message(line="POST / HTTP/1.1", tail="Content-Length: 0\r\n")),
    "POST that says nothing": (post(b""), message(line="POST / HTTP/1.1")),
    "GET with a body": (get(b"Content-Length: 3\r\n") + b"abc",
                        message(tail="Content-Length: 3\r\n", body=b"abc")),
    "a body that looks like a request": (
        post(b"Content-Length: %d\r\n" % len(NEXT), NEXT),
        message(line="POST / HTTP/1.1", tail=f"Content-Length: {len(NEXT)}\r\n", body=NEXT)),
    "chunks": (chunked(b"3\r\nabc\r\n0\r\n\r\n"), message(**AS_CHUNKED, body=b"3\r\nabc\r\n0\r\n\r\n")),
    "an empty chunked body": (chunked(b"0\r\n\r\n"), message(**AS_CHUNKED, body=b"0\r\n\r\n")),
    "sizes in upper case and with zeros": (
        chunked(b"00A\r\n0123456789\r\n000\r\n\r\n"),
        message(**AS_CHUNKED, body=b"a\r\n0123456789\r\n0\r\n\r\n")),
    "chunk extensions stay here": (chunked(b"3;a=\"b;c\";d\r\nabc\r\n0;e\r\n\r\n"),
                                   message(**AS_CHUNKED, body=b"3\r\nabc\r\n0\r\n\r\n")),
    "trailers stay here": (chunked(b"3\r\nabc\r\n0\r\nX-Forwarded-For: evil\r\n\r\n"),
                           message(**AS_CHUNKED, body=b"3\r\nabc\r\n0\r\n\r\n")),
    "a chunk that looks like the end": (chunked(b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n"),
                                        message(**AS_CHUNKED,
                                                body=b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n")),
    "chunked in other letters": (post(b"Transfer-Encoding: CHUNKED\r\n", b"0\r\n\r\n"),
                                 message(**AS_CHUNKED, body=b"0\r\n\r\n")),
    "Connection does not unframe": (
        post(b"Connection: content-length\r\nContent-Length: 3\r\n", b"abc"),
        message(line="POST / HTTP/1.1", tail="Content-Length: 3\r\n", body=b"abc")),
    "Connection does not unchunk": (
        chunked(b"0\r\n\r\n", b"Connection: transfer-encoding\r\n"),
        message(**AS_CHUNKED, body=b"0\r\n\r\n")),
    "Connection does not unhost": (get(b"Connection: host\r\n"), message()),
    "Content-Encoding is the ends' own": (
        post(b"Content-Encoding: gzip\r\nContent-Length: 1\r\n", b"z"),
        message("Content-Encoding: gzip\r\n", line="POST / HTTP/1.1", tail="Content-Length: 1\r\n",
                body=b"z")),
}


@pytest.mark.parametrize("what", PASSED)
@pytest.mark.parametrize("piece", [None, 1], ids=["whole", "bytewise"])
def test_the_instance_gets_exactly_this(passed, what, piece):
    _, recorder, port = passed
    sent, expected = PASSED[what]
    with RawConnection(port) as connection:
        connection.send(sent, piece)
        answer = connection.receive()
        assert answer.status == 200 and answer.body == b"ok", answer
        received = recorder.take()
        if piece and "Transfer-Encoding" in expected.decode("latin-1"):
            # Chunks are made anew of what comes.
            (head, _, body), (wanted, _, whole) = (text.partition(b"\r\n\r\n")
                                                   for text in (received, expected))
            assert (head, unchunked(body)) == (wanted, (unchunked(whole)[0], len(body)))
        else:
            assert received == expected
        if b"HTTP/1.0" in sent:
            assert connection.at_end()
            return
        connection.send(NEXT)
        assert connection.receive().status == 200
        following = message(line="GET /next HTTP/1.1", host="next")
        assert recorder.take() == following


def refused(sent, status=400):
    return sent, status


# what: (sent, the status that it gets here)
REFUSED = {
    # Framing (RFC 9112, section 6).
    "length and chunked": refused(post(b"Content-Length: 5\r\n" + CHUNKED, b"0\r\n\r\n")),
    "chunked and length": refused(post(CHUNKED + b"Content-Length: 5\r\n", b"0\r\n\r\n")),
    "two lengths": refused(post(b"Content-Length: 5\r\nContent-Length: 6\r\n", b"abcde")),
    "the same length twice": refused(post(b"Content-Length: 1\r\nContent-Length: 1\r\n", b"a")),
    "a list of lengths": refused(post(b"Content-Length: 5, 5\r\n", b"abcde")),
    "a sign": refused(post(b"Content-Length: +5\r\n", b"abcde")),
    "a negative length": refused(post(b"Content-Length: -5\r\n", b"abcde")),
    "a hexadecimal length": refused(post(b"Content-Length: 0x5\r\n", b"abcde")),
    "an empty length": refused(post(b"Content-Length:\r\n", b"abcde")),
    "a blank in a length": refused(post(b"Content-Length: 1 0\r\n", b"0123456789")),
    "a length over 64 bits": refused(post(b"Content-Length: 18446744073709551617\r\n", b"a")),
    "a length in other digits": refused(post("Content-Length: \u0663\r\n".encode(), b"abc")),
    "a length with a fraction": refused(post(b"Content-Length: 1.0\r\n", b"a")),
    "an unknown coding": refused(post(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"),
                                 (400, 501)),
    "gzip, then chunked": refused(post(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"), 501),
    "chunked, then identity": refused(post(b"Transfer-Encoding: chunked, identity\r\n",
                                           b"0\r\n\r\n"), (400, 501)),
    "identity": refused(post(b"Transfer-Encoding: identity\r\n", b"0\r\n\r\n"), (400, 501)),
    "chunked twice": refused(post(b"Transfer-Encoding: chunked, chunked\r\n", b"0\r\n\r\n")),
    "two codings": refused(post(CHUNKED + CHUNKED, b"0\r\n\r\n")),
    "an empty coding": refused(post(b"Transfer-Encoding:\r\n", b"0\r\n\r\n"), (400, 501)),
    "chunked with a parameter": refused(post(b"Transfer-Encoding: chunked;a=b\r\n", b"0\r\n\r\n"),
                                        (400, 501)),
    "chunked in quotes": refused(post(b"Transfer-Encoding: \"chunked\"\r\n", b"0\r\n\r\n"),
                                 (400, 501)),
    "a vertical tab before chunked": refused(post(b"Transfer-Encoding: \x0bchunked\r\n",
                                                  b"0\r\n\r\n")),
    "a NUL behind chunked": refused(post(b"Transfer-Encoding: chunked\0\r\n", b"0\r\n\r\n")),
    "chunked of HTTP/1.0": refused(get(CHUNKED, method=b"POST", version=b"HTTP/1.0") + b"0\r\n\r\n"),
    # Chunks (section 7.1).
    "no size": refused(chunked(b"\r\nabc\r\n0\r\n\r\n")),
    "a size that is none": refused(chunked(b"zz\r\nabc\r\n0\r\n\r\n")),
    "a size with 0x": refused(chunked(b"0x3\r\nabc\r\n0\r\n\r\n")),
    "a size with a sign": refused(chunked(b"+3\r\nabc\r\n0\r\n\r\n")),
    "a negative size": refused(chunked(b"-3\r\nabc\r\n0\r\n\r\n")),
    "a blank before a size": refused(chunked(b" 3\r\nabc\r\n0\r\n\r\n")),
    "a size over 64 bits": refused(chunked(b"10000000000000003\r\nabc\r\n0\r\n\r\n"), (400, 413)),
    "a size ends with LF": refused(chunked(b"3\nabc\r\n0\r\n\r\n")),
    "a size ends with CR": refused(chunked(b"3\rabc\r\n0\r\n\r\n")),
    "a chunk ends with LF": refused(chunked(b"3\r\nabc\n0\r\n\r\n")),
    "a chunk is longer than its size": refused(chunked(b"3\r\nabcd\r\n0\r\n\r\n")),
    "a chunk is shorter than its size": refused(chunked(b"5\r\nabc\r\n0\r\n\r\n")),
    "the last chunk ends with LF": refused(chunked(b"0\n\r\n")),
    "LF in an extension": refused(chunked(b"3;a\nb\r\nabc\r\n0\r\n\r\n")),
    "CR in an extension": refused(chunked(b"3;a\rb\r\nabc\r\n0\r\n\r\n")),
    "a NUL in an extension": refused(chunked(b"3;a\0\r\nabc\r\n0\r\n\r\n")),
    "a trailer that is no field": refused(chunked(b"0\r\nnonsense\r\n\r\n")),
    "a trailer that ends with LF": refused(chunked(b"0\r\nA: b\n\r\n")),
    "a folded trailer": refused(chunked(b"0\r\nA: b\r\n c\r\n\r\n")),
    # Field lines (section 5).
    "a blank before the colon": refused(post(b"Content-Length : 5\r\n", b"abcde")),
    "a tab before the colon": refused(post(b"Content-Length\t: 5\r\n", b"abcde")),
    "a blank in a name": refused(get(b"A B: 1\r\n")),
    "a name in quotes": refused(get(b"\"A\": 1\r\n")),
    "a name in 8 bits": refused(get(b"\xc3\xa9: 1\r\n")),
    "a NUL in a name": refused(get(b"A\0B: 1\r\n")),
    "no name": refused(get(b": 1\r\n")),
    "no colon": refused(get(b"nonsense\r\n")),
    "a folded line": refused(get(b"A: b\r\n c\r\n")),
    "a folded Transfer-Encoding": refused(post(b"Transfer-Encoding:\r\n chunked\r\n", b"0\r\n\r\n")),
    "a fold before the first field": refused(get(host=b" Host: x\r\n")),
    "a bare CR in a value": refused(get(b"A: b\rTransfer-Encoding: chunked\r\n")),
    "a bare CR ends a head": refused(b"GET / HTTP/1.1\rHost: x\r\r"[:-1] + b"\n\n"),
    "a NUL in a value": refused(get(b"A: b\0c\r\n")),
    "a control character in a value": refused(get(b"A: b\x01c\r\n")),
    "LF among CRLF where a body follows": refused(post(b"A: b\nContent-Length: 3\r\n", b"abc")),
    # The request line (section 3).
    "no Host": refused(get(host=b"")),
    "two Hosts": refused(get(b"Host: y\r\n")),
    "the same Host twice": refused(get(b"Host: x\r\n")),
    "a list of Hosts": refused(get(host=b"Host: x, y\r\n")),
    "a path in Host": refused(get(host=b"Host: x/y\r\n")),
    "a user in Host": refused(get(host=b"Host: a@b\r\n")),
    "a port that is none": refused(get(host=b"Host: x:y\r\n")),
    "a user in the target": refused(get(target=b"http://a@b/")),
    "two blanks": refused(b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n"),
    "a tab for a blank": refused(b"GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n"),
    "a blank in the target": refused(get(target=b"/a b")),
    "a control character in the target": refused(get(target=b"/a\x01")),
    "a fragment": refused(get(target=b"/a#b")),
    "no slash": refused(get(target=b"a")),
    "dots above the root behind an encoded slash": refused(get(target=b"/a%2f../b")),
    "HTTP/2.0": refused(get(version=b"HTTP/2.0"), 505),
    "a version that is none": refused(get(version=b"HTTP/1.1x")),
    "no version": refused(b"GET /\r\nHost: x\r\n\r\n"),
    "too many options in Connection": refused(get(b"Connection: " + b"a, " * 500 + b"b\r\n")),
    "an expectation of anything else": refused(get(b"Expect: 200-ok\r\n"), 417),
    "a body over the limit": refused(post(b"Content-Length: 1001\r\n", b"a" * 1001), 413),
    "chunks over the limit": refused(chunked(b"3e9\r\n" + b"a" * 1001 + b"\r\n0\r\n\r\n"), 413),
}


@pytest.mark.parametrize("what", REFUSED)
def test_the_instance_gets_nothing_of(passed, what):
    """The answer comes from here, and the request behind it is not read either."""
    _, recorder, port = passed
    sent, statuses = REFUSED[what]
    with RawConnection(port) as connection:
        connection.send(sent + NEXT)
        answer = connection.receive()
        assert answer.status in (statuses if isinstance(statuses, tuple) else (statuses,)), answer
        assert connection.at_end()
    with RawConnection(port) as connection:  # whatever came before this has come by then
        connection.send(NEXT)
        assert connection.receive().status == 200
    following = message(line="GET /next HTTP/1.1", host="next")
    assert recorder.take() == following


def test_the_clients_address_in_each_family(passed):
    daemon, recorder, _ = passed
    host, port = daemon.addresses("web")[1]
    for connect, expected in (
            (lambda: RawConnection(port, host),
             message(client="::1")),
            (lambda: UnixConnection(daemon.folder / "web.sock"),
             message().replace(b"for=127.0.0.1", b"for=unknown")
             .replace(b"X-Forwarded-For: 127.0.0.1", b"X-Forwarded-For: unknown"))):
        with connect() as connection:
            connection.send(get())
            assert connection.receive().status == 200
            assert recorder.take() == expected


class UnixConnection(RawConnection):
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(DEADLINE)
        self.socket.connect(str(path))
        self.buffer = b""
        self.ended = False


def test_requests_in_one_packet_are_passed_on_one_by_one(passed):
    _, recorder, port = passed
    bodies = [b"a", b"bc", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"]
    expected = b"".join(message(line="POST / HTTP/1.1", tail=f"Content-Length: {len(body)}\r\n", body=body)
                        for body in bodies)
    with RawConnection(port) as connection:
        connection.send(b"".join(post(b"Content-Length: %d\r\n" % len(body), body) for body in bodies))
        assert [connection.receive().status for _ in bodies] == [200] * 3
    assert recorder.take() == expected
