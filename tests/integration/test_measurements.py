"""`netctl latency` and `throughput` hold against a network whose delay, loss and rate are known: two
namespaces joined by a link of our own, as not every kernel has tc's netem."""

import json
import os
import shutil
import subprocess
import xml.etree.ElementTree

import pytest
from netd_process import DEADLINE, NETCTL, SANITIZER, until

# Moves packets between a tun device in each of two namespaces. A line on standard input sets the
# delay in seconds, which datagram of so many is dropped on its way to the second (0: none), and the
# rate in bits a second (0: any).
LINK = """
import collections, contextlib, ctypes, fcntl, os, select, struct, sys, time

def open_tun(space):
    with open(f"/run/netns/{space}") as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), 0x40000000) != 0:
            sys.exit("setns: " + os.strerror(ctypes.get_errno()))
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, 0x400454ca, struct.pack("16sH", b"link0", 0x0001 | 0x1000))
    return tun

tuns = [open_tun(space) for space in sys.argv[1:]]
delay, every, rate, seen = 0.0, 0, 0.0, 0
queues = [collections.deque(), collections.deque()]  # of (when it is due, packet) to each end
busy = [0.0, 0.0]
print("ready", flush=True)
while True:
    due = min((queue[0][0] for queue in queues if queue), default=None)
    wait = None if due is None else max(due - time.monotonic(), 0)
    for ready in select.select([0, *tuns], [], [], wait)[0]:
        if ready == 0:
            words = os.read(0, 1000).split()
            if not words:
                sys.exit()
            delay, every, rate, seen = float(words[0]), int(words[1]), float(words[2]), 0
            print("set", flush=True)
            continue
        packet = os.read(ready, 65536)
        to = 1 - tuns.index(ready)
        if every and to == 1 and packet[9] == 17:
            seen += 1
            if seen % every == 0:
                continue
        if len(queues[to]) > 200:
            continue
        now = time.monotonic()
        busy[to] = max(busy[to], now) + (len(packet) * 8 / rate if rate else 0)
        queues[to].append((busy[to] + delay, packet))
    now = time.monotonic()
    for tun, queue in zip(tuns, queues):
        while queue and queue[0][0] <= now:
            with contextlib.suppress(OSError):  # that end is not up yet
                os.write(tun, queue.popleft()[1])
"""

SERVER = """
import socket, threading
tcp = socket.create_server(("10.93.0.1", 7), backlog=100)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("10.93.0.1", 7))

def datagrams():
    while True:
        data, peer = udp.recvfrom(65536)
        udp.sendto(data, peer)

def serve(one):
    with one:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while data := one.recv(65536):
                one.sendall(data)
        except OSError:
            pass

threading.Thread(target=datagrams, daemon=True).start()
print("ready", flush=True)
while True:
    threading.Thread(target=serve, args=(tcp.accept()[0],), daemon=True).start()
"""


def run(*command):
    return subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=DEADLINE,
                          check=False)


class Network:
    """Two namespaces: .1 with a server, .2 for netctl."""

    def __init__(self, name):
        self.spaces = [f"{name}a", f"{name}b"]
        self.children = []

    def start(self, *command):
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)
        self.children.append(child)
        return child if child.stdout.readline() == "ready\n" else None

    def make(self):
        """What went wrong, or nothing."""
        for space in self.spaces:
            result = run("ip", "netns", "add", space)
            if result.returncode != 0:
                return result.stderr
        if not self.start("/usr/bin/python3", "-c", LINK, *self.spaces):
            return self.children[0].stderr.read()
        for host, space in enumerate(self.spaces, 1):
            for step in (["address", "add", f"10.93.0.{host}/24", "dev", "link0"],
                         ["link", "set", "link0", "up"]):
                result = run("ip", "-n", space, *step)
                if result.returncode != 0:
                    return result.stderr
        assert self.start("ip", "netns", "exec", self.spaces[0], "/usr/bin/python3", "-c", SERVER)
        return None

    def shape(self, delay=0.0, drop_every=0, rate=0.0):
        self.children[0].stdin.write(f"{delay} {drop_every} {rate}\n")
        self.children[0].stdin.flush()
        assert self.children[0].stdout.readline() == "set\n"

    def netctl(self, *arguments):
        return run("ip", "netns", "exec", self.spaces[1], NETCTL, *arguments)

    def close(self):
        for child in self.children:
            child.kill()
            child.communicate()
        for space in self.spaces:
            run("ip", "netns", "delete", space)


@pytest.fixture(scope="module")
def network():
    if os.getuid() != 0:
        pytest.skip("only root can make network namespaces")
    if not shutil.which("ip"):
        pytest.skip("ip(8) is not installed")
    one = Network(f"netctl{os.getpid()}")
    try:
        trouble = one.make()
        if trouble:
            pytest.skip(f"no network namespaces here: {trouble}")
        yield one
    finally:
        one.close()


def measured(result):
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)["targets"]


def test_latency_is_that_of_the_network(network, tmp_path):
    network.shape(delay=0.015)
    picture = tmp_path / "times.svg"

    def near_the_delay():
        targets = measured(network.netctl(
            "--json", "latency", "--count", 10, "--interval", "0", "--plot", picture, "10.93.0.1:7",
            "echo:10.93.0.1:7", "udp:10.93.0.1:7"))
        assert [target["kind"] for target in targets] == ["connect", "echo", "udp"]
        for target in targets:
            assert (target["sent"], target["received"], target["loss_percent"]) == (10, 10, 0)
            assert 30 <= target["min_ms"] <= target["median_ms"] <= target["p90_ms"] <= target["p99_ms"]
            assert target["p99_ms"] <= target["max_ms"] and target["min_ms"] <= target["mean_ms"]
        return SANITIZER or max(target["min_ms"] for target in targets) < 33

    # A machine that is busy with something else may be slower than its network for a while.
    until(near_the_delay, "times near those of the network", 3 * DEADLINE)
    root = xml.etree.ElementTree.parse(picture).getroot()
    assert len(root.findall("{*}path")) == 3


def test_loss_is_that_of_the_network(network):
    def exact():
        network.shape(delay=0.001, drop_every=5)
        target, = measured(network.netctl("--json", "--timeout", "0.3", "latency", "--count", 20,
                                          "--interval", "0", "udp:10.93.0.1:7"))
        lost = [number for number, time in enumerate(target["times_ms"], 1) if time is None]
        assert {5, 10, 15, 20} <= set(lost)
        assert len(lost) == target["sent"] - target["received"]
        return target["loss_percent"] == 20  # a slow answer may count as lost, too

    until(exact, "nothing lost but what the network drops", 3 * DEADLINE)


def test_throughput_is_that_of_the_network(network):
    network.shape(delay=0.001, rate=10e6)

    def near_the_rate():
        target, = measured(network.netctl("--json", "throughput", "--time", "1.5", "--streams", 2,
                                          "10.93.0.1:7"))
        assert target["verified"] is True and target["received_bytes"] > 0
        for way in ("send_bits_per_second", "receive_bits_per_second"):
            assert target[way] < 10.5e6, target
        return min(target["send_bits_per_second"], target["receive_bits_per_second"]) > 8e6

    # A machine that is busy with something else may be slower than its network for a while.
    until(near_the_rate, "a rate near that of the network", 3 * DEADLINE)


def test_datagrams_are_those_of_the_network(network):
    def exact():
        network.shape(delay=0.005, drop_every=5)
        target, = measured(network.netctl("--json", "throughput", "--udp", "--time", "1", "--rate", "1M",
                                          "10.93.0.1:7"))
        datagrams = target["datagrams"]
        assert datagrams["lost"] >= datagrams["sent"] // 5 > 10
        assert datagrams["duplicated"] == 0
        return datagrams["lost"] == datagrams["sent"] // 5 and datagrams["reordered"] == 0

    until(exact, "nothing lost but what the network drops", 3 * DEADLINE)

    def near_the_rate():
        network.shape(delay=0.001, rate=10e6)
        target, = measured(network.netctl("--json", "throughput", "--udp", "--time", "1.5", "10.93.0.1:7"))
        assert target["verified"] is True
        for way in ("send_bits_per_second", "receive_bits_per_second"):
            assert target[way] < 10.5e6, target
        return target["receive_bits_per_second"] > 8e6 and target["datagrams"]["loss_percent"] < 1

    until(near_the_rate, "a rate near that of the network", 3 * DEADLINE)
