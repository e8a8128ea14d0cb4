"""Whose the listening sockets are: netd's, its descriptor store's at systemd, or a socket unit's."""

import os
import socket

import pytest
from conftest import CONFIG
from machine import stop_process, until

MORE = "/etc/netd/conf.d/more.conf"
RESTART = (("restart",),)
STOP_AND_START = (("stop",), ("start",))


def stored(machine):
    return int(machine.show("NFileDescriptorStore"))


def again(machine, commands):
    for command in commands:
        machine.systemctl(*command, "netd")


def listening(machine):
    """Ports of TCP and UDP and paths of unix sockets that somebody in the container has open."""
    found = set()
    for kind, state in (("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")):
        for line in machine.shell(f"cat /proc/net/{kind}").stdout.splitlines()[1:]:
            fields = line.split()
            if fields[3] == state:
                found.add(f"{kind[:3]}:{int(fields[1].rsplit(':', 1)[1], 16)}")
    for line in machine.shell("cat /proc/net/unix").stdout.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 7 and "netd/" in fields[7]:
            found.add(fields[7])
    return found


def ask_udp(machine, port):
    """What comes back for a datagram; b"" where nobody has the port."""
    with machine.network(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(30)
        client.connect(("127.0.0.1", port))
        client.send(b"hello")
        try:
            return client.recv(100)
        except ConnectionRefusedError:
            return b""


# ---- The descriptor store.


def test_stored_sockets_follow_the_configuration(machine):
    before = stored(machine)
    machine.write(MORE, "[listener more]\nprotocol = echo\nlisten = unix:/run/netd/more.sock\n")
    machine.systemctl("reload", "netd")
    until(lambda: stored(machine) == before + 1, "one more to be stored")
    machine.systemctl("restart", "netd")
    assert machine.shell("stat -c %U:%a /run/netd/more.sock").stdout == "netd:660\n"
    machine.shell(f"rm {MORE}")
    machine.systemctl("restart", "netd")
    until(lambda: stored(machine) == before, "it to be closed")
    assert "/run/netd/more.sock" not in listening(machine)


def test_a_stop_leaves_no_socket(machine):
    machine.write(MORE, "[listener more]\nprotocol = echo\nlisten = unix:/run/netd/more.sock\n"
                        "listen = udp:127.0.0.1:2100\n")
    machine.systemctl("restart", "netd")
    assert {"tcp:8080", "udp:2100", "/run/netd/more.sock", "/run/netd/control.sock"} <= \
        listening(machine)
    machine.systemctl("stop", "netd")
    assert stored(machine) == 0
    assert listening(machine) == set()
    assert machine.shell("ls -A /run/netd", check=False).returncode != 0
    with pytest.raises(ConnectionRefusedError):
        machine.connect(8080)
    machine.systemctl("start", "netd")
    assert machine.http_get().startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("how", [RESTART, STOP_AND_START], ids=["restart", "stop-and-start"])
def test_addresses_taken_away_are_free_and_may_come_back(machine, how):
    with_it = "[listener more]\nprotocol = echo\nlisten = tcp:127.0.0.1:2100\nlisten = udp:127.0.0.1:2100\n"
    without = "[listener more]\nprotocol = echo\nlisten = tcp:127.0.0.1:2101\n"
    for _ in range(2):
        machine.write(MORE, with_it)
        again(machine, how)
        assert ask_udp(machine, 2100) == b"hello"
        machine.connect(2100).close()
        many = stored(machine)
        machine.write(MORE, without)
        again(machine, how)
        assert ask_udp(machine, 2100) == b""
        assert {"tcp:2100", "udp:2100"} & listening(machine) == set()
        # One is new in the place of two, each as often as there are workers.
        assert stored(machine) < many
        # Nobody has the addresses: others may.
        with machine.network():
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as taken:
                    taken.bind(("127.0.0.1", 2100))


def test_five_hundred_addresses_outlast_a_restart(machine):
    machine.write(MORE, "[listener many]\nprotocol = echo\n" +
                  "".join(f"listen = tcp:127.0.0.1:{port}\n" for port in range(3000, 3500)))
    machine.systemctl("restart", "netd")
    many = stored(machine)
    assert many >= 500
    before = machine.main_pid()
    stop_process(before)
    os.kill(before, 9)
    with machine.connect(3499) as client:
        client.sendall(b"hello")
        assert client.recv(100) == b"hello"
    until(lambda: machine.show("SubState") == "running", "the service to be back")
    assert stored(machine) == many


def test_what_waits_to_be_accepted_outlives_a_crash(machine):
    before = machine.main_pid()
    stop_process(before)
    clients = [machine.connect(8080) for _ in range(20)]
    for client in clients:
        client.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    os.kill(before, 9)
    for client in clients:
        with client:
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert machine.main_pid() != before


# ---- Socket units.


def test_socket_activation(machine):
    machine.systemctl("stop", "netd")
    machine.write(CONFIG, machine.shipped.replace("listen = tcp:127.0.0.1:8080", "listen = fd:web"))
    machine.systemctl("start", "netd.socket")
    assert machine.show("ActiveState") == "inactive"
    assert machine.http_get().startswith(b"HTTP/1.1 200 ")
    assert machine.show("ActiveState") == "active"
    machine.systemctl("restart", "netd")
    assert machine.http_get().startswith(b"HTTP/1.1 200 ")


def test_a_passed_socket_that_nobody_wants_is_an_error(machine):
    machine.systemctl("stop", "netd")
    machine.write(CONFIG, machine.shipped.replace("listen = tcp:127.0.0.1:8080",
                                                  "listen = tcp:127.0.0.1:8081"))
    machine.systemctl("start", "netd.socket")
    assert machine.systemctl("start", "netd", check=False).returncode != 0
    assert machine.show("ExecMainStatus") == "78"
    assert "listen = fd:web" in machine.journal("-u", "netd", "-n", "20", "-o", "cat")
