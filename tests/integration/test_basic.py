"""discard, daytime, time, chargen and greet."""

import re
import socket
import time

import pytest
from netd_process import DEADLINE, until

SECONDS_1900_TO_1970 = 2_208_988_800


def config(protocol, more="", listen="tcp:127.0.0.1:0"):
    return f"[listener it]\nprotocol = {protocol}\nlisten = {listen}\n{more}"


def read_all(client):
    parts = []
    while part := client.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def test_discard(netd):
    daemon = netd(config("discard"))
    with daemon.connect("it") as client:
        client.sendall(b"x" * 5_000_000)
        until(lambda: daemon.listener("it")["bytes"]["in"] == 5_000_000, "all of it to be read")
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b""
    assert daemon.listener("it")["bytes"]["out"] == 0


def test_daytime(netd):
    daemon = netd(config("daytime"), environment={"TZ": "UTC"})
    before = time.time()
    with daemon.connect("it") as client:
        answer = read_all(client)
    match = re.fullmatch(rb"(\w+, \w+ \d\d, \d{4} \d\d:\d\d:\d\d)-UTC\r\n", answer)
    assert match, answer
    said = time.mktime(time.strptime(match[1].decode() + " UTC", "%A, %B %d, %Y %H:%M:%S %Z"))
    said -= time.timezone
    assert before - 1 <= said <= time.time() + 1


def test_daytime_answers_whoever_talks_first(netd):
    daemon = netd(config("daytime"))
    for _ in range(50):
        with daemon.connect("it") as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert read_all(client).endswith(b"\r\n")  # a reset would have destroyed it


def test_time(netd):
    daemon = netd(config("time"))
    with daemon.connect("it") as client:
        answer = read_all(client)
    assert len(answer) == 4
    assert abs(int.from_bytes(answer, "big") - SECONDS_1900_TO_1970 - time.time()) <= 2


def test_chargen(netd):
    daemon = netd(config("chargen"))
    characters = bytes(range(32, 127)) * 2
    with daemon.connect("it") as client:
        client.sendall(b"ignored")
        with client.makefile("rb") as stream:
            for i in range(10_000):
                start = i % 95
                assert stream.readline() == characters[start:start + 72] + b"\r\n"
    until(lambda: daemon.listener("it")["connections"]["active"] == 0, "the end of the connection")


def test_chargen_waits_for_a_client_that_does_not_read(netd):
    daemon = netd(config("chargen"))
    with daemon.connect("it"):
        last = [-1]

        def quiet():
            now = daemon.listener("it")["bytes"]["out"]
            same, last[0] = now == last[0], now
            return same and now > 0

        until(quiet, "the stream to stop")
        cpu = daemon.cpu_seconds()
        time.sleep(0.3)  # what must not happen takes time not to happen
        assert daemon.cpu_seconds() - cpu < 0.1
        assert daemon.resident_bytes() < 256 << 20


@pytest.mark.parametrize("more, expected", [
    ("", b"Hola Mundo\r\n"),
    ("message = Hello \\x41\\t\\\\\\n\n", b"Hello A\t\\\n"),
])
def test_greet(netd, more, expected):
    daemon = netd(config("greet", more))
    with daemon.connect("it") as client:
        assert read_all(client) == expected


def test_greet_over_unix(netd):
    daemon = netd(config("greet", listen="unix:{dir}/greet.sock"))
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(DEADLINE)
        client.connect(str(daemon.folder / "greet.sock"))
        assert read_all(client) == b"Hola Mundo\r\n"


def test_bad_escape_is_a_mistake(netd):
    daemon = netd(config("greet", "message = \\q\n"), start=False)
    result = daemon.run("--check")
    assert result.returncode == 78
    assert "message" in result.stderr and "expected \\r, \\n" in result.stderr
