"""The netcat file drop."""

import os
import re
import shutil
import socket
import subprocess
import threading

import pytest
from netd_process import DEADLINE, until

NAME = r"\d{8}T\d{6}Z-127\.0\.0\.1-\d+"


def config(more=""):
    return ("[listener drop]\nprotocol = capture\nlisten = tcp:127.0.0.1:0\n"
            f"directory = {{dir}}/drop\n{more}")


def files(daemon):
    folder = daemon.folder / "drop"
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def drop(client, data):
    """Sends everything and waits for the close, which says that the file is on the disk."""
    client.sendall(data)
    client.shutdown(socket.SHUT_WR)
    assert client.recv(1) == b""


def reset(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()


def test_a_file_for_each_connection(netd, workers):
    daemon = netd(config(), workers=workers)
    contents = [os.urandom(1000 * i + 1) for i in range(20)]

    def send(data):
        with daemon.connect("drop") as client:
            drop(client, data)

    threads = [threading.Thread(target=send, args=(data,)) for data in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = files(daemon)
    assert sorted(kept.values()) == sorted(contents)
    assert all(re.fullmatch(NAME, name) for name in kept)


def test_the_close_means_that_the_file_is_there(netd):
    daemon = netd(config())
    for i in range(20):
        with daemon.connect("drop") as client:
            drop(client, b"x" * i + b"!")
            assert len(files(daemon)) == i + 1


def test_unix(netd):
    daemon = netd(config("listen = unix:{dir}/drop.sock\n"))
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(DEADLINE)
        client.connect(str(daemon.folder / "drop.sock"))
        drop(client, b"over unix")
    assert list(files(daemon).values()) == [b"over unix"]


def test_large(netd):
    daemon = netd(config())
    data = os.urandom(1 << 20) * 48
    with daemon.connect("drop") as client:
        drop(client, data)
    assert list(files(daemon).values()) == [data]
    assert daemon.resident_bytes() < 256 << 20


@pytest.mark.parametrize("client", [["nc.openbsd", "-N"], ["nc.traditional", "-q", "0"], ["socat"]])
def test_netcat(netd, client):
    if shutil.which(client[0]) is None:
        pytest.skip(f"{client[0]} is not installed")
    daemon = netd(config())
    host, port = daemon.addresses("drop")[0]
    target = ["-", f"TCP:{host}:{port}"] if client[0] == "socat" else [host, str(port)]
    data = os.urandom(300_000)
    subprocess.run([*client, *target], input=data, timeout=DEADLINE, check=True)
    until(lambda: files(daemon), "the file")
    assert list(files(daemon).values()) == [data]


def test_nothing_sent_leaves_nothing(netd):
    daemon = netd(config())
    with daemon.connect("drop") as client:
        drop(client, b"")
    assert files(daemon) == {}


@pytest.mark.parametrize("more, expected", [("", [b"half"]), ("incomplete = discard\n", [])])
def test_broken_connections(netd, more, expected):
    daemon = netd(config(more))
    client = daemon.connect("drop")
    client.sendall(b"half")
    until(lambda: daemon.listener("drop")["bytes"]["in"] == 4, "netd to read it")
    reset(client)
    until(lambda: daemon.listener("drop")["connections"]["active"] == 0, "the close")
    if expected:
        until(lambda: files(daemon), "the file")
    with daemon.connect("drop") as client:
        drop(client, b"next")  # what was before it is done by then
    kept = files(daemon)
    incomplete = [data for name, data in kept.items() if re.fullmatch(NAME + r"\.incomplete", name)]
    assert incomplete == expected
    assert len(kept) == len(expected) + 1


def test_too_large_is_reset_and_leaves_nothing(netd):
    daemon = netd(config("max_size = 100K\n"))
    with daemon.connect("drop") as client:
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            while True:
                client.sendall(b"x" * 10_000)
    daemon.wait_for_log("max_size")
    assert files(daemon) == {}


def test_a_crash_leaves_no_half_file(netd):
    daemon = netd(config())
    with daemon.connect("drop") as client:
        client.sendall(b"x" * 1_000_000)
        until(lambda: daemon.listener("drop")["bytes"]["in"] == 1_000_000, "netd to read it")
        daemon.kill()
    assert files(daemon) == {}
    daemon.start()
    assert files(daemon) == {}


def test_a_stop_waits_for_what_is_under_way(netd):
    daemon = netd(config())
    with daemon.connect("drop") as client:
        client.sendall(b"first ")
        until(lambda: daemon.listener("drop")["bytes"]["in"] == 6, "netd to read it")
        daemon.signal(15)
        daemon.notify.wait_for("STOPPING=1")
        drop(client, b"second")
    assert daemon.wait() == 0
    assert list(files(daemon).values()) == [b"first second"]


def test_a_full_disk(netd):
    daemon = netd(config(), limits=("--fsize=100000",))
    with daemon.connect("drop") as client:
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            while True:
                client.sendall(b"x" * 50_000)
    assert files(daemon) == {}
    daemon.wait_for_log("File too large")
    with daemon.connect("drop") as client:  # what fits is served again
        drop(client, b"small")
    assert list(files(daemon).values()) == [b"small"]


def test_a_folder_that_cannot_be_is_a_mistake(netd):
    daemon = netd(config().replace("{dir}/drop", "{dir}/netd.conf/drop"), start=False)
    result = daemon.run("--check")
    assert result.returncode == 78
    assert re.search(r"netd\.conf:\d+: .*directory", result.stderr), result.stderr
