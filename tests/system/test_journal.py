"""What an administrator reads: the entries of the journal, their fields, levels and explanations."""

import contextlib
import json
import re
import socket
import struct
import time

from machine import until

CATALOG = "/usr/lib/systemd/catalog/netd.catalog"


def fresh_journal():
    """What shows only the entries that come next. (journalctl 252 passes over the first match behind
    a cursor.)"""
    return [f"--since=@{time.time():.6f}"]


def entries(machine, *arguments):
    return [json.loads(line) for line in
            machine.journal("-o", "json", "--all", *arguments).splitlines()]


def test_a_connection_has_the_fields_of_the_contract_and_is_found_by_them(machine):
    with machine.connect(50007) as client:
        client.sendall(b"hello")
        assert client.recv(100) == b"hello"
        name = "127.0.0.1:{}".format(client.getsockname()[1])
    found = until(lambda: (some := entries(machine, f"NETD_CLIENT={name}"))[1:] and some,
                  "both entries of the connection")
    opened, closed = found
    assert opened["NETD_EVENT"] == "connection_open" and closed["NETD_EVENT"] == "connection_close"
    for entry in found:
        assert {key: value for key, value in entry.items() if key in (
            "NETD_LISTENER", "NETD_PROTOCOL", "NETD_CLIENT", "NETD_CLIENT_ADDRESS", "PRIORITY",
            "SYSLOG_IDENTIFIER", "_SYSTEMD_UNIT")} == {
                "NETD_LISTENER": "echo", "NETD_PROTOCOL": "echo", "NETD_CLIENT": name,
                "NETD_CLIENT_ADDRESS": "127.0.0.1", "PRIORITY": "6", "SYSLOG_IDENTIFIER": "netd",
                "_SYSTEMD_UNIT": "netd.service"}
        assert entry["NETD_CONNECTION"] == opened["NETD_CONNECTION"]
    assert (closed["NETD_BYTES_IN"], closed["NETD_BYTES_OUT"]) == ("5", "5")
    assert int(closed["NETD_DURATION_MS"]) >= 0


def test_a_listener_a_task_and_a_queue_are_found_by_their_names(machine):
    after = fresh_journal()
    assert machine.smtp("HELO me", "QUIT")[1].startswith("250 ")
    machine.run("netctl", "task", "add", "--queue", "thumbs", "--max-attempts", "1", "mortal", "1")
    machine.run("netctl", "task", "take", "--queue", "thumbs", "--lease", "60s")
    machine.run("netctl", "task", "fail", "mortal")
    mail = until(lambda: entries(machine, *after, "NETD_LISTENER=mail"), "an entry of mail")
    assert {entry["NETD_PROTOCOL"] for entry in mail} == {"smtp"}
    dead = until(lambda: entries(machine, *after, "NETD_TASK=mortal", "NETD_QUEUE=thumbs"),
                 "the task's entry")
    assert [entry["NETD_EVENT"] for entry in dead if entry["PRIORITY"] == "4"] == ["task_dead"]
    machine.run("netctl", "task", "delete", "mortal")
    assert not [entry for entry in entries(machine, *after, "-u", "netd", "_COMM=netd")
                if "NETD_EVENT" not in entry], "every entry of netd says what it is of"


# ---- Explanations.


def explained(machine):
    """identifier -> what the catalog has to say about it"""
    parts = re.split(r"^-- ([0-9a-f]{32})$", machine.read(CATALOG), flags=re.MULTILINE)[1:]
    assert parts
    return dict(zip(parts[::2], parts[1::2]))


def test_every_message_that_has_a_number_is_explained(machine):
    """With the fields that it has in place of their names."""
    after = fresh_journal()
    known = explained(machine)
    for number in known:
        machine.shell(f"printf 'MESSAGE_ID={number}\\nMESSAGE=about {number}\\nNETD_LISTENER=a.listener"
                      "\\nNETD_TASK=a.task\\nNETD_QUEUE=a.queue\\n' | logger --journald")
    for number, text in known.items():
        dumped = machine.run("journalctl", "--dump-catalog", number).stdout
        assert text.split("\n\n", 1)[1].strip() in dumped
        shown = machine.journal("-x", *after, f"MESSAGE_ID={number}")
        assert f"about {number}" in shown
        lines = [line.removeprefix("░░").strip() for line in shown.splitlines()]
        wanted = re.sub(r"@NETD_(LISTENER|TASK|QUEUE)@", lambda name: f"a.{name[1].lower()}",
                        text).strip().splitlines()
        wanted = [line for line in wanted if not line.startswith("Documentation:")]
        assert [line.strip() for line in wanted if line.strip() and line.strip() not in lines] == []


# ---- Levels.


def reset(client):
    """A connection that ends in the rudest way."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


RUDE = {
    8080: (b"\x16\x03\x01 rubbish\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /" + b"a" * 20000,
           b"GET /nothing/here HTTP/1.1\r\nHost: x\r\n\r\n",
           b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70000,
           b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
           b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
           b"GET /files/..%2f..%2fetc/shadow%00 HTTP/1.1\r\nHost: x\r\n\r\n",
           b"GET /files/" + b"a" * 4000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
           b"GET /api HTTP/1.1\r\nHost: x\r\n\r\n"),
    2525: (b"RUBBISH\r\n" * 30, b"MAIL FROM:<<>\r\nDATA\r\n", b"x" * 100000, b"\0\0\0\r\n",
           b"HELO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@elsewhere.example>\r\nDATA\r\n.\r\n",
           b"EHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@localhost>\r\nBDAT 10 LAST\r\nabc",
           b"HELO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@localhost>\r\nDATA\r\nbare\nline\r\n.\r\n",
           b"EHLO me\r\nMAIL FROM:<a@b> SIZE=99999999999\r\n",
           *(b"EHLO me\r\nMAIL FROM:<> SMTPUTF8\r\nRCPT TO:<" + user + b"@localhost>\r\n"
             b"DATA\r\nx\r\n.\r\nQUIT\r\n" for user in (
                 b"a" * 64, "ä".encode() * 32, b'"../../x"', b'"a b"', b'"."', b'".."', b'"\\/"', b"new",
                 b'"a\\\0b"', b"+", b"+tag", b'""', b"con", b"a" * 65))),
    50007: (b"x",),
    2101: (b"x" * 100000,),  # more than the capture's max_size
    2102: (b"x",),  # not allowed
    2103: (b"x",) * 20,  # more than one from one client
}

HOSTILE = """
[listener files]
protocol = http
listen = tcp:127.0.0.1:2100
route = /files static /etc
[listener small]
protocol = capture
listen = tcp:127.0.0.1:2101
directory = /var/lib/netd/captures
max_size = 1K
[listener closed]
protocol = echo
listen = tcp:127.0.0.1:2102
deny = 127.0.0.0/8
[listener one]
protocol = echo
listen = tcp:127.0.0.1:2103
max_connections_per_client = 1
"""


def test_a_clients_mistake_is_no_warning(machine):
    machine.write("/etc/netd/conf.d/hostile.conf", HOSTILE)
    machine.systemctl("restart", "netd")
    after = fresh_journal()
    held = []
    for port, inputs in RUDE.items():
        for number, data in enumerate(inputs):
            with contextlib.suppress(ConnectionError):
                client = machine.connect(port)
                client.sendall(data)
                if port == 2103:
                    held.append(client)
                elif number % 3 == 2:
                    reset(client)
                else:
                    with client:
                        with contextlib.suppress(OSError):  # ENOTCONN: netd has reset it
                            client.shutdown(socket.SHUT_WR)
                        while client.recv(65536):
                            pass
    for client in held:
        client.close()
    machine.shell("head -c 100000 /dev/zero >/run/netd/control.fifo; echo rubbish >/run/netd/control.fifo")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f"/proc/{machine.leader}/root/run/netd/control.sock")
        client.sendall(b"}{")
        assert b"invalid_json" in client.recv(1000)
    assert machine.http_get().startswith(b"HTTP/1.1 200 ")
    machine.run("netctl", "log-level", "info")
    until(lambda: entries(machine, *after, "NETD_EVENT=control_command"), "what is said behind all that")
    said = entries(machine, *after, "-u", "netd")
    assert [entry["MESSAGE"] for entry in said if int(entry["PRIORITY"]) < 6] == []
    assert [entry for entry in said if entry.get("NETD_LISTENER") == "closed"], "it was all there"
