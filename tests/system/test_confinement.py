"""What the unit keeps netd from, and that nothing which it is made for is among that."""

import json
import re
import socket
import struct
import threading

from conftest import CONFIG, DROP_IN
from machine import until

UNITS = ("netd.service", "netd.socket", "netd-worker@thumbs.service")

EVERYTHING = """\
[netd]
drain_timeout = 2s

[listener echo]
protocol = echo
listen = tcp:127.0.0.1:50007
listen = udp:127.0.0.1:50007
listen = tcp:[::1]:50007
listen = unix:/run/netd/echo.sock

[listener web]
protocol = http
listen = tcp:127.0.0.1:80
route = / static /srv/www
route = /doc static /usr/share/doc/netd
route = /whoami info
route = /api proxy backends
access_log = /var/lib/netd/access.log

[listener backend]
protocol = http
listen = tcp:127.0.0.1:9001
route = / info

[service backends]
instance = backend.netd.test:9001
health = /

[listener mail]
protocol = smtp
listen = tcp:127.0.0.1:2525
maildir = /var/lib/netd/mail
domains = *
quota = 10M
retention_age = 1d

[listener catcher]
protocol = smtp
listen = tcp:127.0.0.1:2526
maildir = /var/lib/netd/caught
domains = *
sync = off

[listener capture]
protocol = capture
listen = tcp:127.0.0.1:50001
directory = /var/lib/netd/captures

[listener through]
protocol = forward
listen = tcp:127.0.0.1:50002
target = tcp:backend.netd.test:50007

[listener pool]
protocol = forward
listen = tcp:127.0.0.1:50003
target = service echoes

[service echoes]
instance = backend.netd.test:50007
"""


class NameServer:
    """Says of every name that it is 127.0.0.1, and keeps what was asked."""

    def __init__(self, machine):
        self.asked = set()
        self._machine = machine
        with machine.network():
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 53))
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        with self._machine.network(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", 53))
        self._thread.join()
        self._socket.close()

    def _run(self):
        while True:
            query, client = self._socket.recvfrom(1500)
            if not query:
                return
            self._socket.sendto(self._answer(query), client)

    def _answer(self, query):
        end = query.index(0, 12) + 5  # of the question: the name, its type and its class
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        self.asked.add(".".join(labels))
        is_a = struct.unpack("!H", query[end - 4:end - 2])[0] == 1
        head = query[:2] + struct.pack("!HHHHH", 0x8580, 1, is_a, 0, 0)
        record = struct.pack("!HHHIH4B", 0xC00C, 1, 1, 60, 4, 127, 0, 0, 1) if is_a else b""
        return head + query[12:end] + record


def echoed(machine, port):
    with machine.connect(port) as client:
        client.sendall(b"hello")
        return client.recv(100)


def test_units_are_good_and_the_service_is_confined(machine):
    verified = machine.run("systemd-analyze", "verify", *UNITS, "--man=no")
    assert (verified.stdout, verified.stderr) == ("", "")
    level = machine.run("systemd-analyze", "security", "netd.service").stdout
    assert float(re.search(r"Overall exposure level for netd.service: ([\d.]+)", level)[1]) <= 1.5
    status = machine.shell(f"grep -E '^(Uid|CapEff|NoNewPrivs|Seccomp):' "
                           f"/proc/{machine.show('MainPID')}/status").stdout
    assert "CapEff:\t0000000000000400\n" in status  # CAP_NET_BIND_SERVICE
    assert "NoNewPrivs:\t1\n" in status and "Seccomp:\t2\n" in status


def test_everything_works_in_it(machine):
    """A system call that is not allowed ends netd here, where the unit makes it fail: nothing leans
    on a second way."""
    machine.write(CONFIG, EVERYTHING)
    machine.shell("mkdir -p /srv/www && echo 'a page' >/srv/www/index.html; "
                  "echo nameserver 127.0.0.1 >/etc/resolv.conf")
    machine.write(DROP_IN, "[Service]\nSystemCallErrorNumber=kill\n")
    machine.systemctl("daemon-reload")
    with NameServer(machine) as names:
        machine.systemctl("restart", "netd")
        pid = machine.main_pid()

        assert machine.http_get("/", 80).endswith(b"\r\n\r\na page\n")
        assert b" 200 OK\r\n" in machine.http_get("/doc/copyright", 80)
        assert b'"app"' in machine.http_get("/whoami", 80)
        assert b'"app"' in until(
            lambda: (answer := machine.http_get("/api", 80)).startswith(b"HTTP/1.1 200 ") and answer,
            "the proxied answer")
        for port in (50007, 50002, 50003):
            assert echoed(machine, port) == b"hello", port
        assert names.asked == {"backend.netd.test"}
        check_other_transports(machine)
        check_what_is_stored(machine)

        machine.systemctl("reload", "netd")
        machine.shell("echo 'task stats' >/run/netd/control.fifo")
        assert "/whoami" in machine.shell("cat /var/lib/netd/access.log").stdout
        assert machine.main_pid() == pid != 0
        machine.systemctl("stop", "netd")
    assert machine.show("Result") == "success"


def check_other_transports(machine):
    with machine.network():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(30)
            client.sendto(b"hello", ("127.0.0.1", 50007))
            assert client.recv(100) == b"hello"
        with socket.create_connection(("::1", 50007), 30) as client:
            client.sendall(b"hello")
            assert client.recv(100) == b"hello"
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(f"/proc/{machine.leader}/root/run/netd/echo.sock")
        client.sendall(b"hello")
        assert client.recv(100) == b"hello"


def check_what_is_stored(machine):
    # Without sync files get their names another way (linkat(2) of what has none), which the kernel,
    # /proc and the filter have to let pass.
    for port, folder in ((2525, "/var/lib/netd/mail"), (2526, "/var/lib/netd/caught")):
        answer = machine.smtp("HELO me", "MAIL FROM:<a@example.org>", "RCPT TO:<b@example.org>",
                              "RCPT TO:<c@example.org>", "DATA", "Subject: x\r\n\r\nhello\r\n.",
                              port=port)[-1]
        assert answer.startswith("250 "), answer
        for user in ("b", "c"):
            assert "hello" in machine.shell(f"cat {folder}/example.org/{user}/new/*").stdout
        assert machine.shell(f"ls {folder}/example.org/*/tmp").stdout.count("netd.") == 0
    with machine.connect(50001) as client:
        client.sendall(b"keep this")
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    assert machine.shell("cat /var/lib/netd/captures/*").stdout == "keep this"
    machine.run("netctl", "task", "add", "confined", '"data"')
    assert "confined" in machine.run("netctl", "task", "take").stdout


def test_a_worker_of_a_queue_runs_its_command(machine):
    machine.write("/etc/systemd/system/netd-worker@thumbs.service.d/command.conf",
                  "[Service]\nExecStart=\n"
                  "ExecStart=/usr/bin/netctl task work --queue %I -- cat\n")
    machine.systemctl("daemon-reload")
    machine.systemctl("start", "netd-worker@thumbs")
    machine.run("netctl", "task", "add", "--queue", "thumbs", "one", '"data"')
    assert "data" in machine.run("netctl", "task", "wait", "--wait", "20s", "one").stdout
    machine.systemctl("stop", "netd-worker@thumbs")
    machine.shell("rm -r /etc/systemd/system/netd-worker@thumbs.service.d")
    machine.systemctl("daemon-reload")


def test_who_may_steer(machine):
    """Members of the group may all that root may; others are told what they lack."""
    machine.shell("id member >/dev/null 2>&1 || useradd -G netd member; "
                  "id stranger >/dev/null 2>&1 || useradd stranger")

    def as_user(name, *command):
        return machine.run("runuser", "-u", name, "--", *command, check=False)

    for command in (("status",), ("log-level", "info"), ("task", "add", "of-member", "1"),
                    ("task", "delete", "of-member"), ("reload",)):
        done = as_user("member", "netctl", *command)
        assert done.returncode == 0, done.stderr
        refused = as_user("stranger", "netctl", *command)
        assert (refused.returncode, refused.stdout) == (3, "")
        assert "/run/netd/control.sock" in refused.stderr and "the group netd may" in refused.stderr, \
            refused.stderr
    write = ("sh", "-c", "echo status >/run/netd/control.fifo")
    assert as_user("member", *write).returncode == 0
    assert as_user("stranger", *write).returncode != 0
    assert as_user("stranger", "cat", "/var/lib/netd/tasks").returncode != 0
