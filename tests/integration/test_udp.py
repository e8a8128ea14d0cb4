"""The protocols over UDP, and what keeps them from being used against others."""

import contextlib
import os
import re
import socket
import time

import pytest
from netd_process import DEADLINE, PATIENCE, until

SECONDS_1900_TO_1970 = 2_208_988_800


def config(protocol, more="", listen="udp:127.0.0.1:0"):
    return f"[listener it]\nprotocol = {protocol}\nlisten = {listen}\n{more}"


@contextlib.contextmanager
def client_of(daemon, port=0, name="it"):
    address = daemon.addresses(name, "udp")[0]
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", port))
        client.connect(address)
        client.settimeout(DEADLINE)
        yield client


def ask(client, data):
    client.send(data)
    return client.recv(1 << 17)


def refuses(daemon, client, data):
    """Whether a datagram was seen and not answered."""
    before = daemon.listener("it")["connections"]["accepted"]
    client.send(data)
    until(lambda: daemon.listener("it")["connections"]["accepted"] > before, "netd to see it")
    client.settimeout(0.1 * PATIENCE)
    try:
        client.recv(1 << 17)
        return False
    except TimeoutError:
        return True
    finally:
        client.settimeout(DEADLINE)


@pytest.mark.parametrize("listen", ["udp:127.0.0.1:0", "udp:[::1]:0"])
def test_echo_of_every_size(netd, workers, listen):
    daemon = netd(config("echo", listen=listen), workers=workers)
    with client_of(daemon) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        for size in (0, 1, 64, 512, 1472, 1473, 2048, 2049, 9000, 65507):
            data = os.urandom(size)
            assert ask(client, data) == data, size


def test_echo_answers_from_the_address_that_was_asked(netd):
    daemon = netd(config("echo", listen="udp:*:0"))
    port = daemon.addresses("it", "udp")[0][1]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(DEADLINE)
        client.connect(("127.0.0.2", port))  # an answer from elsewhere would not get here
        assert ask(client, b"ping") == b"ping"


@pytest.mark.parametrize("listen", ["udp:127.0.0.1:0", "udp:*:0"])
def test_many_datagrams_at_once(netd, listen):
    daemon = netd(config("echo", listen=listen))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(DEADLINE)
        client.connect(("127.0.0.2" if "*" in listen else "127.0.0.1", daemon.port("it", "udp")))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        sent = [str(i).encode() for i in range(100)]
        for data in sent:
            client.send(data)
        assert sorted(client.recv(100) for _ in sent) == sorted(sent)


def test_line_and_timestamp(netd):
    daemon = netd(config("echo", "mode = line\n"))
    with client_of(daemon) as client:
        assert ask(client, b"a\nb") == b"ECHO: a\nECHO: b"
    daemon = netd(config("echo", "mode = timestamp\n"))
    with client_of(daemon) as client:
        assert re.fullmatch(rb"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] Echo: x", ask(client, b"x"))


def test_no_answer_is_more_than_twice_the_question(netd):
    daemon = netd(config("echo", "mode = line\n"))
    with client_of(daemon) as client:
        for size in (1, 10, 100, 1000):
            answer = ask(client, b"\n" * size)
            assert 28 + len(answer) <= 2 * (28 + size)


def test_daytime_and_time(netd):
    daemon = netd(config("daytime"), environment={"TZ": "UTC"})
    with client_of(daemon) as client:
        assert re.fullmatch(rb"\d\d [A-Z]{3} \d{4} \d\d:\d\d:\d\d UTC\r\n", ask(client, b""))
        assert re.fullmatch(rb"\w+, \w+ \d\d, \d{4} \d\d:\d\d:\d\d-UTC\r\n", ask(client, b"x" * 20))
    daemon = netd(config("time"))
    with client_of(daemon) as client:
        seconds = int.from_bytes(ask(client, b""), "big")
        assert abs(seconds - SECONDS_1900_TO_1970 - time.time()) <= 2


def test_discard(netd):
    daemon = netd(config("discard"))
    with client_of(daemon) as client:
        assert refuses(daemon, client, b"x" * 100)
    assert daemon.listener("it")["bytes"] == {"in": 100, "out": 0}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can send from a low port")
def test_low_ports_are_not_answered(netd):
    daemon = netd(config("echo"))
    for port in (7, 19, 53, 1023):
        with contextlib.suppress(OSError), client_of(daemon, port) as client:
            assert refuses(daemon, client, b"loop")


def test_two_services_of_netd_never_talk_to_each_other(netd):
    daemon = netd(config("echo") +
                  "[listener other]\nprotocol = echo\nlisten = udp:127.0.0.1:0\n")
    other = daemon.port("other", "udp")
    # What a forger does: a datagram to one service that seems to come from the other.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger:
        forger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            forger.bind(("127.0.0.1", other))
        except OSError:
            pytest.skip("netd's port cannot be shared here")
        forger.connect(daemon.addresses("it", "udp")[0])
        assert refuses(daemon, forger, b"loop")


def test_a_port_that_netd_serves_over_tcp_is_not_answered_either(netd):
    def same_port_twice():
        stream = socket.create_server(("127.0.0.1", 0))
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            client.bind(stream.getsockname())
            return stream, client
        except OSError:
            stream.close()
            client.close()
            return None

    stream, client = until(same_port_twice, "a port that is free for both")
    with stream, client:
        daemon = netd(config("echo") + "[listener web]\nprotocol = greet\nlisten = fd:web\n",
                      descriptors=[("web", stream.fileno())])
        client.connect(daemon.addresses("it", "udp")[0])
        assert refuses(daemon, client, b"loop")


def test_access_lists(netd):
    daemon = netd(config("echo", "deny = 127.0.0.0/8\n"))
    with client_of(daemon) as client:
        assert refuses(daemon, client, b"x")


def test_protocols_without_udp_say_so(netd):
    daemon = netd(config("chargen"), start=False)
    result = daemon.run("--check")
    assert result.returncode == 78
    assert re.search(r"netd\.conf:\d+: .*chargen", result.stderr), result.stderr
