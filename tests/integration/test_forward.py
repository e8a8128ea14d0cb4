"""Connections joined to a target, with everything that happens on either side passed on."""

import contextlib
import os
import select
import socket
import threading

import pytest
from black_hole import black_hole
from netd_process import DEADLINE, at_end, until


def config(target, more=""):
    return f"[listener way]\nprotocol = forward\nlisten = tcp:127.0.0.1:0\ntarget = {target}\n{more}"


@contextlib.contextmanager
def tcp_target():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(DEADLINE)
        yield server


def address_of(server):
    return "tcp:127.0.0.1:%d" % server.getsockname()[1]


@contextlib.contextmanager
def joined(daemon, server):
    """Both ends of a forwarded connection."""
    with daemon.connect("way") as client:
        target, _ = server.accept()
        target.settimeout(DEADLINE)
        with target:
            yield client, target


def say_hello(client, target):
    """Before this has come through, netd may still be about to learn that it is connected."""
    client.sendall(b"x")
    assert target.recv(1) == b"x"


def read_all(client):
    parts = []
    while part := client.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def reset(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()


def is_reset(client):
    try:
        while client.recv(1 << 16):
            pass
        return False
    except ConnectionResetError:
        return True


def transfer(source, sink, data):
    """Sends `data` through, ends that direction, and returns what arrived."""
    def send():
        source.sendall(data)
        source.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    received = read_all(sink)
    sender.join()
    return received


def test_both_directions_one_after_the_other(netd, workers):
    data = os.urandom(3_000_000)
    with tcp_target() as server:
        daemon = netd(config(address_of(server)), workers=workers)
        with joined(daemon, server) as (client, target):
            assert transfer(client, target, data) == data
            # The client has ended; the target has not.
            assert transfer(target, client, data[::-1]) == data[::-1]
        until(lambda: daemon.listener("way")["connections"]["active"] == 0, "the end")


def test_both_directions_at_once(netd):
    data = os.urandom(3_000_000)
    with tcp_target() as server:
        daemon = netd(config(address_of(server)))
        with joined(daemon, server) as (client, target):
            there = []
            thread = threading.Thread(target=lambda: there.append(transfer(client, target, data)))
            thread.start()
            assert transfer(target, client, data) == data
            thread.join()
            assert there == [data]


def test_target_may_end_first(netd):
    with tcp_target() as server:
        daemon = netd(config(address_of(server)))
        with joined(daemon, server) as (client, target):
            target.sendall(b"bye")
            target.shutdown(socket.SHUT_WR)
            assert read_all(client) == b"bye"
            client.sendall(b"heard")
            client.shutdown(socket.SHUT_WR)
            assert read_all(target) == b"heard"


def test_unix_target(netd, tmp_path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "target"))
        server.listen()
        server.settimeout(DEADLINE)
        daemon = netd(config(f"unix:{tmp_path}/target"))
        with joined(daemon, server) as (client, target):
            assert transfer(client, target, b"there") == b"there"
            assert transfer(target, client, b"back") == b"back"


def test_target_by_name(netd):
    with tcp_target() as server:
        daemon = netd(config(f"tcp:localhost:{server.getsockname()[1]}"))
        with joined(daemon, server) as (client, target):
            assert transfer(client, target, b"hello") == b"hello"


def test_resets_are_passed_on(netd):
    with tcp_target() as server:
        daemon = netd(config(address_of(server)))
        with joined(daemon, server) as (client, target):
            say_hello(client, target)
            reset(target)
            assert is_reset(client)
        with joined(daemon, server) as (client, target):
            say_hello(client, target)
            reset(client)
            assert is_reset(target)


def test_refused_target(netd):
    with tcp_target() as server:
        address = address_of(server)
    daemon = netd(config(address))
    for _ in range(3):
        with daemon.connect("way") as client:  # which a reset might have come before
            assert at_end(client)
    daemon.wait_for_log(f"warning .*connect {address[4:]}: Connection refused")
    assert daemon.log().count("warning") == 1, "one entry tells the operator, not one a connection"


def test_unknown_name(netd):
    daemon = netd(config("tcp:no-such-host.invalid:80", "connect_timeout = 2s\n"))
    with daemon.connect("way") as client:
        client.sendall(b"lost")
        assert at_end(client)
    daemon.wait_for_log("look up no-such-host.invalid")


@pytest.mark.parametrize("rude", ["client", "target"])
def test_a_side_that_does_not_read_holds_the_other_back(netd, rude):
    with tcp_target() as server:
        daemon = netd(config(address_of(server)))
        with joined(daemon, server) as (client, target):
            sender, reader = (target, client) if rude == "client" else (client, target)
            before = daemon.resident_bytes()
            sender.setblocking(False)
            sent = [0]
            last = [-1]

            def stuck():
                with contextlib.suppress(BlockingIOError):
                    while True:
                        sent[0] += sender.send(b"x" * 65536)
                listener = daemon.listener("way")["bytes"]
                now = (sent[0], listener["in"], listener["out"])
                same, last[0] = now == last[0], now
                return same

            until(stuck, "the sender to be held back")
            assert sent[0] < 128 << 20
            assert daemon.resident_bytes() - before < 64 << 20
            sender.setblocking(True)
            sender.shutdown(socket.SHUT_WR)
            assert len(read_all(reader)) == sent[0]


def test_idle_tunnels_end(netd):
    with tcp_target() as server:
        daemon = netd(config(address_of(server), "idle_timeout = 300ms\n"))
        with joined(daemon, server) as (client, target):
            assert read_all(client) == b""
            assert read_all(target) == b""


def test_a_stop_ends_silent_tunnels(netd):
    with tcp_target() as server:
        daemon = netd(config(address_of(server)))
        with joined(daemon, server) as (client, _):
            daemon.signal(15)
            assert read_all(client) == b""
            assert daemon.wait() == 0


def test_forward_to_echo_of_the_same_netd(netd):
    daemon = netd("[listener echo]\nprotocol = echo\nlisten = unix:{dir}/echo.sock\n" +
                  config("unix:{dir}/echo.sock"))
    data = os.urandom(1_000_000)
    with daemon.connect("way") as client:
        assert transfer(client, client, data) == data


def test_many_short_connections(netd):
    daemon = netd("[listener echo]\nprotocol = echo\nlisten = unix:{dir}/echo.sock\n" +
                  config("unix:{dir}/echo.sock"))
    address = daemon.addresses("way")[0]
    before = daemon.open_descriptors()
    for i in range(300):
        with socket.create_connection(address, timeout=DEADLINE) as client:
            data = str(i).encode()
            assert transfer(client, client, data) == data
    until(lambda: daemon.open_descriptors() <= before, "all descriptors to be given back")


def test_a_service_as_the_target(netd):
    with tcp_target() as one, tcp_target() as two:
        gone = socket.create_server(("127.0.0.1", 0))
        instances = "".join("instance = 127.0.0.1:%d\n" % server.getsockname()[1]
                            for server in (one, two, gone))
        gone.close()
        daemon = netd(config("service users", f"[service users]\nhealth = off\n{instances}"))
        reached = set()
        for _ in range(100):
            with daemon.connect("way") as client:
                client.sendall(b"hello")
                ready, _, _ = select.select([one, two], [], [], DEADLINE)
                reached.add(ready[0])
                target, _ = ready[0].accept()
                with target:
                    target.settimeout(DEADLINE)
                    assert target.recv(5) == b"hello"
            if len(reached) == 2:
                break
        assert len(reached) == 2


def test_a_service_without_instances_that_answer_closes(netd):
    daemon = netd(config("service users", "[service users]\nhealth = off\ninstance = 127.0.0.1:1\n"))
    with daemon.connect("way") as client:
        assert at_end(client)
    daemon.wait_for_log("no instance answers: 127.0.0.1:1 .connect 127.0.0.1:1: Connection refused")


def test_instances_that_have_vanished_share_the_time(netd):
    with contextlib.ExitStack() as stack:
        target = stack.enter_context(tcp_target())
        instances = "instance = 127.0.0.1:%d\n" % target.getsockname()[1]
        for _ in range(2):
            instances += f"instance = {stack.enter_context(black_hole())}\n"
        daemon = netd(config("service users", "connect_timeout = 1s\n"
                             f"[service users]\nhealth = off\n{instances}"))
        for _ in range(4):
            with joined(daemon, target) as (client, accepted):
                say_hello(client, accepted)
                assert transfer(client, accepted, b"more") == b"more"
                assert transfer(accepted, client, b"back") == b"back"
