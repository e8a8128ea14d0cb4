"""netctl's clients of the network, against servers that are not ours."""

import contextlib
import hashlib
import http.server
import json
import os
import re
import shutil
import socket
import socketserver
import struct
import subprocess
import threading
import time

import pytest
from black_hole import black_hole
from netd_process import DEADLINE, NETCTL, PATIENCE, SANITIZER, until


def netctl(*arguments, **options):
    options.setdefault("timeout", DEADLINE)
    text = not isinstance(options.get("input"), bytes)
    if "input" not in options and "stdin" not in options:
        options["stdin"] = subprocess.DEVNULL
    return subprocess.run([NETCTL, *map(str, arguments)], capture_output=True, text=text,
                          check=False, **options)


def succeed(*arguments, **options):
    result = netctl(*arguments, **options)
    assert result.returncode == 0, result.stderr
    return result.stdout


def succeed_json(*arguments, **options):
    text = succeed("--json", *arguments, **options)
    assert text.count("\n") == 1
    return json.loads(text)


class Server:
    """One thread that serves stream connections one after another, or datagrams, with `handle`."""

    def __init__(self, handle, family=socket.AF_INET, kind=socket.SOCK_STREAM, address=None):
        self._socket = socket.socket(family, kind)
        self._socket.bind(address or ("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            self._socket.listen()
        self._kind, self._handle = kind, handle
        if family != socket.AF_UNIX:
            host, self.port = self._socket.getsockname()[:2]
            self.target = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                if self._kind == socket.SOCK_STREAM:
                    connection, _ = self._socket.accept()
                    with connection, contextlib.suppress(ConnectionError):
                        self._handle(connection)
                else:
                    self._handle(self._socket)
            except OSError:
                return

    def close(self):
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(DEADLINE)


@pytest.fixture
def server():
    made = []

    def start(handle, *arguments, **options):
        made.append(Server(handle, *arguments, **options))
        return made[-1]

    yield start
    for one in made:
        one.close()


def echo_stream(connection):
    while data := connection.recv(65536):
        connection.sendall(data)


def echo_lines(connection):
    with connection.makefile("rwb") as file:
        for line in file:
            file.write(b"ECHO: " + line)
            file.flush()


def echo_datagram(receiving):
    data, peer = receiving.recvfrom(65536)
    if data:
        receiving.sendto(data, peer)


@pytest.fixture
def free_port():
    """One where nobody listens: bound, so that nobody else gets it meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


# ---- echo


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as one:
            one.bind(("::1", 0))
        return True
    except OSError:
        return False


@pytest.mark.parametrize("family", ["ipv4", "ipv6", "unix"])
def test_echo_once_and_piped(server, tmp_path, family):
    if family == "ipv6" and not has_ipv6():
        pytest.skip("there is no IPv6 here")
    path = str(tmp_path / "echo.sock")
    if family == "unix":
        server(echo_stream, socket.AF_UNIX, address=path)
        target = f"unix:{path}"
    else:
        target = server(echo_stream, socket.AF_INET6 if family == "ipv6" else socket.AF_INET).target
    assert succeed("echo", target, "hello", "world") == "hello world\n"
    assert succeed("echo", target, input="one\ntwo\nno line end") == "one\ntwo\nno line end"
    assert succeed("echo", target, input="") == ""
    data = os.urandom(3_000_000)
    assert netctl("echo", target, input=data).stdout == data


def test_echo_by_lines(server):
    target = server(echo_lines).target
    assert succeed("echo", target, "hello") == "ECHO: hello\n"
    assert succeed("echo", target, input="a\nb\n") == "ECHO: a\nECHO: b\n"
    answer = succeed_json("echo", target, "x", "--count", 3)
    assert (answer["sent"], answer["received"], answer["form"], answer["verified"]) == (3, 3, "line", True)
    assert answer["replies"] == ["ECHO: x\n"] * 3


def test_echo_by_datagrams(server):
    target = server(echo_datagram, kind=socket.SOCK_DGRAM).target
    assert succeed("echo", "--udp", target, "hello") == "hello\n"
    assert succeed("echo", "--udp", target, input="one\ntwo\n") == "one\ntwo\n"
    assert "3 sent, 3 came back as sent" in succeed("echo", "--udp", target, "--count", 3)


def test_datagrams_that_are_lost_are_counted(server):
    seen = []

    def every_other(receiving):
        data, peer = receiving.recvfrom(65536)
        seen.append(data)
        if len(seen) % 2 and peer:
            receiving.sendto(data, peer)

    target = server(every_other, kind=socket.SOCK_DGRAM).target
    result = netctl("--json", "--timeout", "0.3", "echo", "--udp", target, "--count", 4)
    answer = json.loads(result.stdout)
    assert result.returncode == 1
    assert (answer["sent"], answer["received"], answer["lost"]) == (4, 2, 2)


@pytest.mark.parametrize("arguments, options", [(["hello"], {}), ([], {"input": "hello\n"})])
def test_what_is_no_echo_is_said(server, arguments, options):
    def shout(connection):
        connection.sendall(connection.recv(65536).upper())

    result = netctl("echo", server(shout).target, *arguments, **options)
    assert result.returncode == 1
    assert "not what was sent" in result.stderr


def test_an_echo_that_closes_early(server):
    def half(connection):
        connection.sendall(connection.recv(65536)[:2])

    result = netctl("echo", server(half).target, "hello")
    assert result.returncode == 1 and "closed before" in result.stderr


# ---- The three ways of not getting through, by every client.


CLIENTS = {
    "echo": lambda host, port: ["echo", f"{host}:{port}", "x"],
    "connect": lambda host, port: ["connect", f"{host}:{port}"],
    "http": lambda host, port: ["http", f"http://{host}:{port}/"],
    "latency": lambda host, port: ["latency", "--count", "1", f"{host}:{port}"],
    "throughput": lambda host, port: ["throughput", "--time", "0.2", f"{host}:{port}"],
}


@pytest.mark.parametrize("client", CLIENTS)
def test_why_a_peer_is_not_reached(client, free_port):
    command = CLIENTS[client]
    result = netctl(*command("127.0.0.1", free_port))
    assert result.returncode == 1 and "refused" in result.stderr.lower(), result.stderr
    assert "timed out" not in result.stderr and "does not resolve" not in result.stderr

    # Where no name server answers, that takes a while to find out.
    result = netctl(*command("nobody.invalid", free_port), timeout=4 * DEADLINE)
    assert result.returncode == 1 and "does not resolve" in result.stderr, result.stderr
    assert "refused" not in result.stderr.lower() and "timed out" not in result.stderr

    with black_hole() as gone:
        result = netctl("--timeout", "0.3", *command(*gone.split(":")))
    assert result.returncode == 1 and "timed out" in result.stderr, result.stderr
    assert "refused" not in result.stderr.lower() and "does not resolve" not in result.stderr


def test_errors_as_json(free_port):
    result = netctl("--json", "echo", f"127.0.0.1:{free_port}", "x")
    assert result.returncode == 1
    answer = json.loads(result.stdout)
    assert (answer["status"], answer["code"]) == ("error", "refused")


@pytest.mark.parametrize("arguments", [
    ["echo"], ["echo", "nothing"], ["echo", "::1:7"], ["connect", "a", "b", "c"], ["http"],
    ["http", "http://x/", "-H", "nocolon"], ["scan", "localhost"], ["scan", "localhost", "5-4"],
    ["latency"], ["throughput"], ["latency", "x"], ["echo", "h:1", "--count", "0"],
])
def test_usage(arguments):
    result = netctl(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("netctl: ")


# ---- Servers that do not do what they should. Each client says what, in its time and memory.


def closing(connection):
    connection.recv(65536)


def resetting(connection):
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def silent(connection):
    while connection.recv(65536):
        pass


def babbling(connection):
    """What is no protocol at all, without an end."""
    with contextlib.suppress(OSError):
        while True:
            connection.sendall(b"\xff\x00 rubbish " * 5000)


def dripping(connection):
    """A byte now and then, which is no answer before long."""
    with contextlib.suppress(OSError):
        for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100:
            connection.sendall(bytes([byte]))
            threading.Event().wait(0.05)


def without_end_of_head(connection):
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    with contextlib.suppress(OSError):
        while True:
            connection.sendall(b"X-More: and more\r\n" * 1000)


def without_end_of_body(connection):
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    with contextlib.suppress(OSError):
        while True:
            connection.sendall(bytes(100_000))


def hundred_times(connection):
    connection.recv(65536)
    with contextlib.suppress(OSError):
        while True:
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)


MISBEHAVING = [
    (closing, "http", "closed"), (closing, "echo", "closed"), (closing, "latency", "closed"),
    (closing, "mail", "timed_out"), (resetting, "http", "reset"), (resetting, "echo", "reset"),
    (resetting, "latency", "reset"), (resetting, "throughput", "reset"), (resetting, "connect", "reset"),
    (silent, "http", "timed_out"), (silent, "echo", "timed_out"), (silent, "mail", "timed_out"),
    (silent, "latency", "timed_out"), (silent, "throughput", "closed"), (silent, "https", "timed_out"),
    (babbling, "http", None), (babbling, "echo", "failed"), (babbling, "mail", "failed"),
    (babbling, "latency", None), (babbling, "https", "tls"), (dripping, "http", "timed_out"),
    (dripping, "mail", None), (dripping, "https", None), (without_end_of_head, "http", "failed"),
    (hundred_times, "http", None), (without_end_of_body, "http", None),
]


@pytest.mark.parametrize("serve, client, code", MISBEHAVING, ids=lambda v: getattr(v, "__name__", v))
def test_servers_that_misbehave(server, serve, client, code):
    target = server(serve).target
    command = {
        "http": ["http", f"http://{target}/"], "https": ["http", f"https://{target}/"],
        "echo": ["echo", target, "hello"], "connect": ["connect", target],
        "latency": ["latency", "--count", "1", f"echo:{target}"],
        "throughput": ["throughput", "--time", "0.2", target],
        "mail": ["mail", "send", "--server", target, "--to", "a@example.org", "hello"],
    }[client]
    bound = [] if SANITIZER else ["prlimit", f"--as={1 << 30}"]
    result = subprocess.run([*bound, NETCTL, "--json", "--timeout", "2", *command],
                            capture_output=True, text=True, timeout=DEADLINE, check=False, input="x")
    assert result.returncode == 1, result
    document = json.loads(next(line for line in (result.stdout + result.stderr).splitlines() if line[0] == "{"))
    found = document["targets"][0] if "targets" in document else document
    assert code in (None, found["code"]), document
    assert "netctl: " in result.stderr


def in_own_network(script, complaint):
    """What the shell says of `script`; skips where no network, or what `complaint` tells of, is to be had."""
    result = subprocess.run(["unshare", "--net", *([] if os.getuid() == 0 else ["--map-root-user"]),
                             "sh", "-c", script], capture_output=True, text=True, timeout=DEADLINE,
                            check=False)
    if "unshare" in result.stderr or complaint in result.stderr:
        pytest.skip(result.stderr)
    return result


def test_zones_of_addresses(server):
    """fe80::1%lo: an address of one link says of which."""
    inside = ("ip link set lo up && ip addr add fe80::1/64 dev lo nodad && "
              f"{NETCTL} connect --listen '[fe80::1%lo]:7' < /dev/null & "
              "while ! ss -ltn | grep -q ':7 '; do :; done; "
              f"echo hi | {NETCTL} connect '[fe80::1%lo]:7'; wait; "
              f"{NETCTL} --json scan fe80::1%lo 7; {NETCTL} echo '[fe80::1%lo]:7' x; "
              f"{NETCTL} http 'http://[fe80::1%25lo]:7/'; {NETCTL} echo fe80::1%lo:7; {NETCTL} echo '[fe80::1]:7' x")
    result = in_own_network(inside, "ip: ")
    lines = result.stdout.splitlines()
    assert lines[0] == "hi" and json.loads(lines[1])["address"] == "fe80::1%lo", result
    told = result.stderr.splitlines()
    assert told[0] == "netctl: listening on [fe80::1%lo]:7"
    assert "[fe80::1%lo]:7: Connection refused" in told[1] and "Connection refused" in told[2]
    assert "needs brackets" in told[3] and "Invalid argument" in told[4], told


@pytest.mark.parametrize("target", ["localhost:{}", "127.0.0.1:{}", "[::ffff:127.0.0.1]:{}", "127.1:{}", ":{}"])
def test_ways_to_write_a_host(server, target):
    port = server(echo_stream).port
    assert succeed("echo", target.format(port), "hello") == "hello\n"


# ---- connect


def test_connect_joins_and_half_closes(server):
    def count_to_the_end(connection):
        size = 0
        while data := connection.recv(65536):
            size += len(data)
        connection.sendall(b"%d bytes" % size)

    one = server(count_to_the_end)
    assert succeed("connect", one.target, input="x" * 1_000_000) == "1000000 bytes"
    assert succeed("connect", "127.0.0.1", one.port, "--crlf", input="a\nb\r\nc\n") == "9 bytes"


def test_connect_by_datagrams_and_unix(server, tmp_path):
    target = server(echo_datagram, kind=socket.SOCK_DGRAM).target
    assert succeed("connect", "--udp", "--wait", "0.3", target, input="hello") == "hello"
    path = str(tmp_path / "echo.sock")
    server(echo_stream, socket.AF_UNIX, address=path)
    assert succeed("connect", path, input="hello") == "hello"


def test_files_go_both_ways_with_a_checksum(server, tmp_path):
    data = os.urandom(1_500_000)
    (tmp_path / "sent").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    result = netctl("connect", server(echo_stream).target, "--send", tmp_path / "sent", "--receive",
                    tmp_path / "received")
    assert result.returncode == 0 and result.stdout == ""
    assert result.stderr.count(digest) == 2 and "1500000 bytes" in result.stderr
    assert (tmp_path / "received").read_bytes() == data


def test_a_peer_that_takes_only_half_of_a_file(server, tmp_path):
    (tmp_path / "sent").write_bytes(bytes(5_000_000))
    result = netctl("connect", server(lambda one: one.recv(10)).target, "--send", tmp_path / "sent")
    assert result.returncode == 1 and result.stderr


@contextlib.contextmanager
def listening(*arguments, **options):
    """`netctl connect --listen`, and the address that it names."""
    process = subprocess.Popen([NETCTL, "connect", "--listen", *map(str, arguments)],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, **options)
    try:
        line = process.stderr.readline().decode()
        yield process, line.removeprefix("netctl: listening on ").strip()
    finally:
        process.kill()
        process.wait(DEADLINE)
        for pipe in (process.stdin, process.stdout, process.stderr):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def test_listening_for_netcat():
    nc = shutil.which("nc.openbsd") or shutil.which("nc")
    with listening("127.0.0.1:0") as (process, address):
        host, port = address.rsplit(":", 1)
        peer = subprocess.Popen([nc, host, port], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        peer.stdin.write(b"from netcat\n")
        peer.stdin.flush()
        assert process.stdout.readline() == b"from netcat\n"
        process.stdin.write(b"from netctl\n")
        process.stdin.flush()
        assert peer.stdout.readline() == b"from netctl\n"
        process.stdin.close()
        peer.stdin.close()
        peer.kill()
        peer.wait(DEADLINE)
        peer.stdout.close()
        assert process.wait(DEADLINE) == 0


def test_listening_for_datagrams_and_unix(tmp_path):
    with listening("--udp", "127.0.0.1:0") as (process, address):
        host, port = address.rsplit(":", 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.settimeout(DEADLINE)
            peer.sendto(b"hello\n", (host, int(port)))
            assert process.stdout.readline() == b"hello\n"
            process.stdin.write(b"hello back")
            process.stdin.flush()
            assert peer.recv(100) == b"hello back"
    path = tmp_path / "listening.sock"
    with listening(f"unix:{path}") as (process, _):
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(str(path))
            peer.sendall(b"hello\n")
            assert process.stdout.readline() == b"hello\n"
        process.stdin.close()
        assert process.wait(DEADLINE) == 0
    assert not path.exists()


def test_connect_to_socat(tmp_path):
    path = tmp_path / "socat.sock"
    socat = subprocess.Popen(["socat", f"UNIX-LISTEN:{path},fork", "EXEC:'tr a-z A-Z'"])
    try:
        until(path.exists, "socat to listen")
        assert succeed("connect", f"unix:{path}", input="shout") == "SHOUT"
    finally:
        socat.kill()
        socat.wait(DEADLINE)


# ---- http


class Pages(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/away":
            self.send_response(303)
            self.send_header("Location", "/landed")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.path == "/round":
            self.send_response(302)
            self.send_header("Location", "/round")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        told = json.dumps({"method": self.command, "path": self.path, "body": body.decode(),
                           "headers": {k.lower(): v for k, v in self.headers.items()}}).encode()
        if self.path == "/large":
            told = bytes(2_000_000)
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("Content-Length", str(len(told)))
        self.send_header("X-Twice", "a")
        self.send_header("X-Twice", "b")
        self.end_headers()
        if self.command != "HEAD":
            with contextlib.suppress(ConnectionError):
                self.wfile.write(told)
        self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, *_):
        pass


class QuietServer(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


@pytest.fixture(scope="module")
def pages():
    one = QuietServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{one.server_port}"
    one.shutdown()
    thread.join(DEADLINE)
    one.server_close()


def test_http_methods_headers_and_bodies(pages, tmp_path):
    told = json.loads(succeed("http", f"{pages}/x?y=1"))
    assert (told["method"], told["path"]) == ("GET", "/x?y=1")
    assert told["headers"]["user-agent"].startswith("netctl/")
    told = json.loads(succeed("http", pages, "-d", '{"a": 1}', "-H", "X-One: 1", "-H", "X-Two: 2"))
    assert (told["method"], told["body"]) == ("POST", '{"a": 1}')
    assert told["headers"]["content-type"] == "application/json"
    assert (told["headers"]["x-one"], told["headers"]["x-two"]) == ("1", "2")
    (tmp_path / "body").write_text("from a file")
    told = json.loads(succeed("http", pages, "-X", "PUT", "-d", f"@{tmp_path}/body"))
    assert (told["method"], told["body"]) == ("PUT", "from a file")
    assert json.loads(succeed("http", pages, "-d", "@-", input="piped"))["body"] == "piped"
    assert json.loads(succeed("http", "-X", "DELETE", pages))["method"] == "DELETE"
    told = json.loads(succeed("http", pages, "-d", ""))
    assert (told["method"], told["body"], told["headers"]["content-length"]) == ("POST", "", "0")
    head = succeed("http", "-i", "-X", "HEAD", pages)
    assert head.startswith("HTTP/1.1 200 OK\n") and head.endswith("\n\n")
    assert "HTTP/1.1 200" in succeed("http", "--include", pages.removeprefix("http://"))


def test_http_answers_as_json(pages):
    answer = succeed_json("http", f"{pages}/x")
    assert (answer["http_status"], answer["reason"]) == (200, "OK")
    assert answer["headers"]["x-twice"] == "a, b"
    assert json.loads(answer["body"])["path"] == "/x"


def test_http_failures(pages):
    result = netctl("http", f"{pages}/missing")
    assert result.returncode == 1 and "404" in result.stderr
    assert json.loads(result.stdout)["path"] == "/missing"
    assert netctl("http", "ftp://127.0.0.1/").returncode == 2
    assert netctl("http", "--follow", f"{pages}/round").returncode == 1
    assert netctl("http", f"{pages}/large", "-o", "/nonexistent/file").returncode == 1


def test_http_redirects(pages):
    result = netctl("http", f"{pages}/away")
    assert (result.returncode, result.stdout) == (0, "")
    assert "/landed" in result.stderr
    told = json.loads(succeed("http", "--follow", f"{pages}/away", "-d", "x"))
    assert (told["method"], told["path"]) == ("GET", "/landed")


def test_http_into_a_file(pages, tmp_path):
    where = tmp_path / "large"
    assert "2000000 bytes" in succeed("http", f"{pages}/large", "-o", where)
    assert where.read_bytes() == bytes(2_000_000)
    assert os.listdir(tmp_path) == ["large"]


def test_half_an_answer_leaves_no_file(server, tmp_path):
    def cut(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    result = netctl("http", f"http://{server(cut).target}/", "-o", tmp_path / "file")
    assert result.returncode == 1
    assert os.listdir(tmp_path) == []


def test_http_from_nginx_and_over_unix(tmp_path):
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if nginx is None:
        pytest.skip("nginx is not installed (packaging/install-build-deps peers)")
    (tmp_path / "page").write_text("from nginx\n")
    path = tmp_path / "nginx.sock"
    tmp_path.chmod(0o755)
    (tmp_path / "nginx.conf").write_text(
        f"{'user root;' if os.getuid() == 0 else ''} daemon off; pid {tmp_path}/pid; error_log stderr;\n"
        "events {}\n"
        f"http {{ access_log off; server {{ listen unix:{path}; root {tmp_path}; }} }}\n")
    process = subprocess.Popen([nginx, "-p", tmp_path, "-c", tmp_path / "nginx.conf", "-e", "stderr"],
                               stderr=subprocess.DEVNULL)
    try:
        def up():
            with socket.socket(socket.AF_UNIX) as probe:
                return probe.connect_ex(str(path)) == 0

        until(up, "nginx to listen")
        assert succeed("http", "--unix", path, "http://any/page") == "from nginx\n"
        assert "Server: nginx" in succeed("http", "-i", "--unix", path, "http://any/page")
    finally:
        process.terminate()
        process.wait(DEADLINE)


# ---- throughput of datagrams


def test_throughput_of_datagrams_counts_what_the_network_does(server):
    """A peer that drops each 10th, doubles each 7th and answers each 11th after the one behind it."""
    seen = {"all": 0, "lost": 0, "twice": 0, "late": 0}
    held = []

    def unsteady(receiving):
        data, peer = receiving.recvfrom(65536)
        if not data:
            return
        seen["all"] += 1
        if seen["all"] % 10 == 0:
            seen["lost"] += 1
            return
        if seen["all"] % 11 == 0 and not held:
            held.append(data)
            return
        receiving.sendto(data, peer)
        if seen["all"] % 7 == 0:
            seen["twice"] += 1
            receiving.sendto(data, peer)
        if held:
            seen["late"] += 1
            receiving.sendto(held.pop(), peer)

    target = server(unsteady, kind=socket.SOCK_DGRAM).target
    result = netctl("--json", "throughput", "--udp", "--time", "0.5", "--rate", "2M", "--size", "500",
                    target)
    assert result.returncode == 0, result
    told, = json.loads(result.stdout)["targets"]
    datagrams = told["datagrams"]
    assert datagrams["sent"] == seen["all"] and 100 < seen["all"] <= 251
    assert (datagrams["lost"], datagrams["duplicated"], datagrams["reordered"]) == (
        seen["lost"] + len(held), seen["twice"], seen["late"])
    assert told["verified"] is True and told["sent_bytes"] == 500 * seen["all"]
    assert 0 < told["send_bits_per_second"] < 2.1e6
    text = succeed("throughput", "--time", "0.1", f"udp:{target}")
    assert re.search(r"\d+ datagrams of 1400 bytes: \d+ lost \(\d+\.\d\d %\), \d+ out of order, \d+ twice",
                     text)


def test_throughput_of_datagrams_that_do_not_come_back(server, free_port):
    def other(receiving):
        data, peer = receiving.recvfrom(65536)
        if data:
            receiving.sendto(data[::-1], peer)

    assert "not what was sent" in netctl(
        "throughput", "-u", server(other, kind=socket.SOCK_DGRAM).target).stderr
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        result = netctl("--json", "--timeout", "0.2", "throughput", "-u", "-t", "0.1", f"127.0.0.1:{port}")
        target, = json.loads(result.stdout)["targets"]
        assert (result.returncode, target["code"], target["datagrams"]["loss_percent"]) == (1, "timed_out", 100)
    result = netctl("--json", "throughput", "-u", f"127.0.0.1:{port}")
    assert (result.returncode, json.loads(result.stdout)["targets"][0]["code"]) == (1, "refused")
    for wrong in (["--mode", "send"], ["--size", "15"], ["--size", "65508"], ["--rate", "0"],
                  ["--rate", "-1M"], ["--rate", "nan"], ["--rate", "1e9"], ["--rate", "10T"]):
        assert netctl("throughput", "-u", *wrong, "127.0.0.1:9").returncode == 2, wrong
    assert netctl("throughput", "--rate", "1M", f"127.0.0.1:{free_port}").returncode == 2


# ---- scan


def test_scan(server, free_port):
    ports = {server(echo_stream).port for _ in range(3)}
    answer = succeed_json("scan", "127.0.0.1", *sorted(ports), free_port)
    states = {one["port"]: one["state"] for one in answer["ports"]}
    assert states == {free_port: "closed", **{port: "open" for port in ports}}
    assert (answer["open"], answer["closed"], answer["filtered"]) == (3, 1, 0)
    text = succeed("scan", "127.0.0.1", ",".join(map(str, ports)))
    assert text.count("open") == 4 and "3 open, 0 closed, 0 filtered" in text


def test_scan_finds_what_answers_nothing():
    with black_hole() as gone:
        port = int(gone.split(":")[1])
        answer = succeed_json("--timeout", "0.3", "scan", "127.0.0.1", port)
    assert answer["ports"] == [{"port": port, "state": "filtered"}]


def test_scan_of_datagram_ports(server):
    answering = server(echo_datagram, kind=socket.SOCK_DGRAM).port
    with socket.socket(type=socket.SOCK_DGRAM) as silent, socket.socket(type=socket.SOCK_DGRAM) as gone:
        silent.bind(("127.0.0.1", 0))
        gone.bind(("127.0.0.1", 0))
        ports = {answering: "open", silent.getsockname()[1]: "open|filtered",
                 gone.getsockname()[1]: "closed"}
        gone.close()
        answer = succeed_json("--timeout", "0.3", "scan", "--udp", "127.0.0.1", *ports)
        assert {one["port"]: one["state"] for one in answer["ports"]} == ports
        assert [answer[key] for key in ("transport", "open", "closed", "filtered", "open_or_filtered")] == [
            "udp", 1, 1, 0, 1]
        assert all(("time_ms" in one) == (one["state"] in ("open", "closed")) for one in answer["ports"])
        silent.setblocking(False)
        asked = 0
        with contextlib.suppress(BlockingIOError):
            while silent.recv(100):
                asked += 1
        assert asked == 4, "one that is lost is not the last word"
        text = succeed("--timeout", "0.1", "scan", "-u", "127.0.0.1", *ports)
        assert "1 open, 1 closed, 0 filtered, 1 open|filtered, in " in text
        text = succeed("--timeout", "0.1", "scan", "-u", "--open", "127.0.0.1", *ports)
        assert "\n\n" in text and len(text.splitlines()) == 4


@pytest.mark.parametrize("options", ["", "--udp"])
def test_scan_does_not_find_itself(options):
    """Where the system gives the scan's own sockets the ports that are asked for."""
    inside = ("ip link set lo up && echo 40000 40003 > /proc/sys/net/ipv4/ip_local_port_range && "
              f"for i in 1 2 3 4 5; do {NETCTL} --json scan {options} 127.0.0.1 40000-40003; done")
    result = in_own_network(inside, "ip_local_port_range")
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [answer["closed"] for answer in answers] == [4] * 5, result


def test_scan_of_many_ports_with_few_descriptors(server):
    port = server(echo_stream).port
    result = subprocess.run(["prlimit", "--nofile=64:64", NETCTL, "--json", "scan", "127.0.0.1",
                             f"{max(port - 1500, 1)}-{port}", "--parallel", "1000"],
                            capture_output=True, text=True, timeout=DEADLINE, check=True)
    answer = json.loads(result.stdout)
    assert answer["filtered"] == 0
    assert port in [one["port"] for one in answer["ports"] if one["state"] == "open"]


# ---- call


def test_call_tries_the_instances(netd, pages, free_port, server):
    def cut(connection):
        connection.recv(65536)

    broken = server(cut).target
    good = pages.removeprefix("http://")
    daemon = netd("[service users]\nhealth = off\n"
                  f"instance = {good}\ninstance = 127.0.0.1:{free_port}\ninstance = {broken}\n"
                  "[service none]\nhealth = off\n"
                  f"instance = 127.0.0.1:{free_port}\ninstance = {broken}\n")
    for _ in range(6):
        result = daemon.netctl("call", "users", "/users/1", "-X", "PUT", "-d", "x")
        assert result.returncode == 0, result.stderr
        told = json.loads(result.stdout)
        assert (told["method"], told["path"], told["body"]) == ("PUT", "/users/1", "x")
    result = daemon.netctl("call", "none", "/")
    assert (result.returncode, result.stdout) == (1, "")
    assert str(free_port) in result.stderr and broken in result.stderr
    result = daemon.netctl("call", "other", "/")
    assert result.returncode == 1 and "users" in result.stderr
    assert daemon.netctl("call", "users", "/missing").returncode == 1


@pytest.mark.parametrize("options, repeats", [
    ([], True), (["-X", "HEAD"], True), (["-X", "PUT", "-d", "x"], True), (["-X", "DELETE"], True),
    (["-d", "x"], False), (["-X", "POST"], False), (["-X", "PATCH", "-d", "x"], False),
    (["-X", "BREW"], False)])
def test_call_repeats_only_what_may_be(netd, free_port, server, options, repeats):
    """RFC 9110, section 9.2.2: once it has been sent, nobody knows what was made of it."""
    asked = []

    def cut(connection):
        asked.append(connection.recv(65536))

    first, second = server(cut).target, server(cut).target
    daemon = netd(f"[service users]\nhealth = off\ninstance = {first}\ninstance = {second}\n"
                  f"instance = 127.0.0.1:{free_port}\n")
    result = daemon.netctl("call", "users", "/", *options)
    assert (result.returncode, result.stdout) == (1, "")
    assert len(asked) == (2 if repeats else 1)
    words = "no instance answered; tried" if repeats else "it may have been acted upon"
    assert words in result.stderr
    result = daemon.netctl("--json", "call", "users", "/", *options)
    assert words in json.loads(result.stdout)["message"]


def test_call_shares_its_time_among_instances_that_are_gone(netd, pages):
    with contextlib.ExitStack() as stack:
        gone = "".join(f"instance = {stack.enter_context(black_hole())}\n" for _ in range(3))
        daemon = netd(f"[service gone]\nhealth = off\n{gone}[service users]\nhealth = off\n{gone}"
                      f"instance = {pages.removeprefix('http://')}\n")
        once = PATIENCE  # s
        begin = time.monotonic()
        result = daemon.netctl("--timeout", f"{once}", "call", "gone", "/")
        assert result.returncode == 1 and result.stderr.count("timed_out") == 3, result
        assert time.monotonic() - begin < 2.8 * once
        for _ in range(3):
            assert daemon.netctl("--timeout", f"{2 * once}", "call", "users", "/", "-d", "x").returncode == 0


def test_every_client_explains_itself():
    for command in ("echo", "connect", "http", "scan", "call", "latency", "throughput", "top"):
        text = succeed(command, "--help")
        assert re.search(rf"Examples?:\n  netctl {command}", text), command
