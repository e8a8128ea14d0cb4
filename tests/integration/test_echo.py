"""echo in its three modes, over every stream transport, through other people's clients."""

import os
import re
import shutil
import socket
import subprocess
import threading

import pytest
from netd_process import DEADLINE, until

TRANSPORTS = ["tcp:127.0.0.1:0", "tcp:[::1]:0", "unix:{dir}/echo.sock"]


def config(mode, listen="tcp:127.0.0.1:0", more=""):
    return f"[listener echo]\nprotocol = echo\nmode = {mode}\nlisten = {listen}\n{more}"


def connect(daemon, listen):
    if listen.startswith("unix:"):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(DEADLINE)
        client.connect(str(daemon.folder / "echo.sock"))
        return client
    return daemon.connect("echo")


def read_all(client):
    parts = []
    while part := client.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def read_exactly(client, size):
    data = b""
    while len(data) < size:
        part = client.recv(size - len(data))
        assert part, f"closed after {data!r}"
        data += part
    return data


@pytest.mark.parametrize("listen", TRANSPORTS)
def test_raw_sends_every_byte_back(netd, workers, listen):
    daemon = netd(config("raw", listen), workers=workers)
    data = bytes(range(256)) * 5000
    with connect(daemon, listen) as client:
        sender = threading.Thread(target=lambda: (client.sendall(data),
                                                  client.shutdown(socket.SHUT_WR)))
        sender.start()
        assert read_all(client) == data
        sender.join()


@pytest.mark.parametrize("listen", TRANSPORTS)
def test_line(netd, listen):
    daemon = netd(config("line", listen))
    with connect(daemon, listen) as client:
        client.sendall(b"one\r\ntwo\n")
        assert read_exactly(client, 20) == b"ECHO: one\r\nECHO: two\n"[:20]
        client.sendall(b"no end")
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"\nECHO: no end"


def test_line_waits_for_the_end_of_the_line(netd):
    daemon = netd(config("line"))
    with daemon.connect("echo") as client:
        client.sendall(b"hel")
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(DEADLINE)
        client.sendall(b"lo\n")
        assert client.recv(100) == b"ECHO: hello\n"


def test_line_without_end_does_not_grow_netd(netd):
    daemon = netd(config("line"))
    with daemon.connect("echo") as client:
        client.sendall(b"warm up\n")
        read_exactly(client, 14)
        before = daemon.resident_bytes()
        size = 32 << 20
        received = [0]

        def receive():
            while part := client.recv(1 << 20):
                received[0] += len(part)

        receiver = threading.Thread(target=receive)
        receiver.start()
        for _ in range(32):
            client.sendall(b"x" * (1 << 20))
        client.shutdown(socket.SHUT_WR)
        receiver.join()
        assert received[0] == size + len(b"ECHO: ")
        assert daemon.resident_bytes() - before < 16 << 20


def test_timestamp(netd):
    daemon = netd(config("timestamp"), environment={"TZ": "UTC-2"})
    with daemon.connect("echo") as client:
        client.sendall(b"hi\n")
        answer = read_exactly(client, 31)
        assert re.fullmatch(rb"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] Echo: hi\n", answer)
        date = subprocess.run(["date", "+%Y-%m-%d %H"], env={"TZ": "UTC-2", "PATH": "/usr/bin:/bin"},
                              capture_output=True, text=True, check=True).stdout.strip()
        assert answer.decode()[1:14] == date


@pytest.mark.parametrize("client", [["nc", "-N"], ["nc.openbsd", "-N"], ["nc.traditional", "-q", "1"],
                                    ["socat"]])
def test_other_peoples_clients(netd, client):
    if shutil.which(client[0]) is None:
        pytest.skip(f"{client[0]} is not installed")
    if client == ["nc", "-N"] and "openbsd" not in os.path.realpath(shutil.which("nc")):
        pytest.skip("nc is another one")
    daemon = netd(config("line"))
    host, port = daemon.addresses("echo")[0]
    target = ["-", f"TCP:{host}:{port}"] if client[0] == "socat" else [host, str(port)]
    result = subprocess.run([*client, *target], input=b"typed\r\n", capture_output=True,
                            timeout=DEADLINE, check=False)
    assert result.stdout == b"ECHO: typed\r\n"


def test_client_that_never_reads_is_held_back_and_hurts_nobody(netd):
    daemon = netd(config("raw"))
    with daemon.connect("echo") as rude, daemon.connect("echo") as polite:
        rude.setblocking(False)
        sent = 0

        def stuck():
            nonlocal sent
            try:
                sent += rude.send(b"x" * 65536)
                return False
            except BlockingIOError:
                # Held back for good only when netd does not read any more.
                return daemon.listener("echo")["bytes"]["in"] < sent

        until(stuck, "netd to stop reading")
        assert sent < 64 << 20
        polite.sendall(b"still there?")
        assert read_exactly(polite, 12) == b"still there?"
        assert daemon.resident_bytes() < 256 << 20


def test_clients_that_vanish(netd):
    daemon = netd(config("raw", more="max_connections_per_client = 1000\n"))
    address = daemon.addresses("echo")[0]
    for _ in range(200):
        client = socket.create_connection(address, timeout=DEADLINE)
        client.sendall(b"x" * 1000)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
    until(lambda: daemon.listener("echo")["connections"]["active"] == 0, "all of them to be closed")
    with daemon.connect("echo") as client:
        client.sendall(b"ping")
        assert read_exactly(client, 4) == b"ping"


def test_idle_connections_end(netd):
    daemon = netd(config("raw", more="idle_timeout = 200ms\n"))
    with daemon.connect("echo") as client:
        assert read_all(client) == b""


def test_counters_and_entries(netd):
    daemon = netd(config("line"))
    with daemon.connect("echo") as client:
        client.sendall(b"x\n")
        read_exactly(client, 8)
    until(lambda: daemon.listener("echo")["connections"]["active"] == 0, "the close")
    listener = daemon.listener("echo")
    assert listener["connections"]["accepted"] == 1
    assert listener["bytes"] == {"in": 2, "out": 8}
    daemon.wait_for_log(r"echo: 127\.0\.0\.1:\d+ closed after \d+ms, 2 bytes in, 8 out")


def test_an_access_log_of_its_own(netd):
    daemon = netd(config("raw", more="access_log = {dir}/access\n"))
    path = daemon.folder / "access"

    def lines():
        return path.read_text().splitlines()

    with daemon.connect("echo") as client:
        peer = "127.0.0.1:%d" % client.getsockname()[1]
        until(lambda: any(f"echo {peer} connected" in line for line in lines()), "the open")
        client.sendall(b"abc")
        read_exactly(client, 3)
    until(lambda: len(lines()) == 2, "the close")
    assert re.search(rf"echo {peer} closed after \d+ms, 3 bytes in, 3 out$", lines()[1])
    assert peer not in daemon.log()
