"""netd as seen by programs that are not ours: what people type, and what other libraries send."""

import email.message
import http.client
import json
import os
import re
import select
import shutil
import smtplib
import socket
import subprocess
import time

import pytest
from netd_process import DEADLINE, until

CONFIG = """
[listener echo]
protocol = echo
listen = tcp:127.0.0.1:0
listen = tcp:[::1]:0
listen = udp:127.0.0.1:0
listen = unix:{dir}/echo.sock
[listener lines]
protocol = echo
mode = line
listen = tcp:127.0.0.1:0
[listener stamps]
protocol = echo
mode = timestamp
listen = tcp:127.0.0.1:0
listen = udp:127.0.0.1:0
[listener daytime]
protocol = daytime
listen = tcp:127.0.0.1:0
[listener greet]
protocol = greet
listen = tcp:127.0.0.1:0
[listener capture]
protocol = capture
listen = tcp:127.0.0.1:0
directory = {dir}/captures
[listener forward]
protocol = forward
listen = tcp:127.0.0.1:0
target = unix:{dir}/echo.sock
[listener web]
protocol = http
listen = tcp:127.0.0.1:0
route = / static {dir}/www
route = /whoami info
route = /status status
[listener mail]
protocol = smtp
listen = tcp:127.0.0.1:0
maildir = {dir}/mail
domains = example.org
"""


@pytest.fixture
def peers(netd, tmp_path):
    folder = tmp_path / "netd"
    (folder / "www").mkdir(parents=True)
    (folder / "www" / "index.html").write_text("<h1>hello</h1>\n")
    (folder / "captures").mkdir()
    return netd(CONFIG, folder=folder, workers=2)


def run(*command, data=b"", timeout=DEADLINE):
    """Standard output of a program fed with `data`."""
    assert shutil.which(command[0]), f"{command[0]} is not installed: packaging/install-build-deps"
    done = subprocess.run([str(part) for part in command], input=data, capture_output=True,
                          timeout=timeout, check=False)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def delivered(daemon, user="you", count=1):
    """The messages that have arrived for a user of example.org."""
    new = daemon.folder / "mail" / "example.org" / user / "new"
    files = sorted(new.iterdir()) if new.exists() else []
    assert len(files) == count
    return [file.read_bytes() for file in files]


# ---- netcat, both variants, socat, telnet.


def test_nc_openbsd_tcp(peers):
    port = peers.port("echo")
    assert run("nc.openbsd", "-N", "127.0.0.1", port, data=b"hello\n") == b"hello\n"


def test_nc_openbsd_udp(peers):
    port = peers.port("echo", "udp")
    assert run("nc.openbsd", "-u", "-w", "1", "127.0.0.1", port, data=b"hello\n") == b"hello\n"


def test_nc_openbsd_unix(peers):
    path = peers.folder / "echo.sock"
    assert run("nc.openbsd", "-N", "-U", path, data=b"hello\n") == b"hello\n"


def test_nc_traditional_tcp(peers):
    port = peers.port("echo")
    assert run("nc.traditional", "-q", "1", "127.0.0.1", port, data=b"hello\n") == b"hello\n"


def test_nc_traditional_udp(peers):
    port = peers.port("echo", "udp")
    assert run("nc.traditional", "-u", "-q", "1", "-w", "1", "127.0.0.1", port,
               data=b"hello\n") == b"hello\n"


@pytest.mark.parametrize("transport", ["TCP4", "TCP6", "UNIX"])
def test_socat_streams(peers, transport):
    v4, v6 = (next(address for address in peers.addresses("echo") if address[0] == host)
              for host in ("127.0.0.1", "::1"))
    target = {"TCP4": f"TCP4:127.0.0.1:{v4[1]}", "TCP6": f"TCP6:[::1]:{v6[1]}",
              "UNIX": f"UNIX-CONNECT:{peers.folder / 'echo.sock'}"}[transport]
    data = os.urandom(300_000)
    assert run("socat", "-t", "10", "-", target, data=data) == data


def test_socat_udp(peers):
    port = peers.port("echo", "udp")
    assert run("socat", "-t", "1", "-", f"UDP4:127.0.0.1:{port}", data=b"hello") == b"hello"


def test_line_and_timestamp_modes(peers):
    assert run("nc.openbsd", "-N", "127.0.0.1", peers.port("lines"),
               data=b"one\r\ntwo\n") == b"ECHO: one\r\nECHO: two\n"
    stamped = run("nc.openbsd", "-N", "127.0.0.1", peers.port("stamps"), data=b"hello\n")
    assert re.fullmatch(rb"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] Echo: hello\n", stamped)


def test_one_shot_services(peers):
    assert run("nc.openbsd", "127.0.0.1", peers.port("greet")) == b"Hola Mundo\r\n"
    assert str(time.gmtime().tm_year).encode() in run("nc.openbsd", "127.0.0.1",
                                                      peers.port("daytime"))


def test_file_drop_by_nc(peers):
    data = os.urandom(200_000)
    run("nc.openbsd", "-N", "127.0.0.1", peers.port("capture"), data=data)
    files = until(lambda: [file for file in (peers.folder / "captures").iterdir()
                           if file.is_file() and file.stat().st_size == len(data)
                           and not file.name.startswith(".")], "the captured file")
    assert files[0].read_bytes() == data


def test_forward_joins_both_sides(peers):
    data = os.urandom(500_000)
    assert run("socat", "-t", "10", "-", f"TCP4:127.0.0.1:{peers.port('forward')}", data=data) == data


def test_telnet_by_hand(peers):
    port = peers.port("lines")
    script = f"""
        set timeout {int(DEADLINE)}
        spawn telnet 127.0.0.1 {port}
        expect "Escape character" {{}} timeout {{ exit 1 }}
        send "hello\\r"
        expect "ECHO: hello" {{}} timeout {{ exit 2 }}
        send "\\035"
        expect "telnet>" {{}} timeout {{ exit 3 }}
        send "quit\\r"
        expect eof
    """
    run("expect", "-c", script)


def test_http_by_telnet(peers):
    port = peers.port("web")
    script = f"""
        set timeout {int(DEADLINE)}
        spawn telnet 127.0.0.1 {port}
        expect "Escape character" {{}} timeout {{ exit 1 }}
        send "GET / HTTP/1.1\\r"
        send "Host: x\\r"
        send "Connection: close\\r"
        send "\\r"
        expect "200 OK" {{}} timeout {{ exit 2 }}
        expect "hello" {{}} timeout {{ exit 3 }}
        expect eof
    """
    run("expect", "-c", script)


# ---- HTTP.


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"], ids=["CRLF", "LF"])
def test_http_typed_into_nc(peers, line_end):
    request = line_end.join([b"GET / HTTP/1.1", b"Host: x", b"", b""])
    answer = run("nc.openbsd", "-N", "127.0.0.1", peers.port("web"), data=request)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"<h1>hello</h1>\n")


def test_curl(peers):
    base = f"http://127.0.0.1:{peers.port('web')}"
    assert run("curl", "-sS", "--fail", f"{base}/") == b"<h1>hello</h1>\n"
    head = run("curl", "-sS", "-I", f"{base}/index.html").decode().lower()
    assert "content-type: text/html" in head and "etag:" in head
    both = run("curl", "-sS", "-w", "%{num_connects} ", f"{base}/", f"{base}/")
    assert both.split() == [b"<h1>hello</h1>", b"1", b"<h1>hello</h1>", b"0"]
    info = json.loads(run("curl", "-sS", "-X", "POST", "--data", "x=1", f"{base}/whoami"))
    assert (info["method"], info["path"], info["client_ip"]) == ("POST", "/whoami", "127.0.0.1")
    status = json.loads(run("curl", "-sS", f"{base}/status"))
    assert {one["name"] for one in status["listeners"]} >= {"echo", "web", "mail"}
    missing = run("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", f"{base}/missing")
    assert missing == b"404"


def test_http_client_keeps_its_connection(peers):
    client = http.client.HTTPConnection("127.0.0.1", peers.port("web"), timeout=DEADLINE)
    client.connect()
    local = client.sock.getsockname()
    for method, path, code in (("GET", "/", 200), ("HEAD", "/", 200), ("GET", "/none", 404),
                               ("POST", "/whoami", 200), ("OPTIONS", "/", 204), ("GET", "/", 200)):
        client.request(method, path, body=b"data" if method == "POST" else None)
        answer = client.getresponse()
        answer.read()
        assert answer.status == code or (method == "OPTIONS" and answer.status == 200), path
        assert client.sock is not None and client.sock.getsockname() == local
    client.close()


def test_pipelined_requests_are_answered_in_order(peers):
    with peers.connect("web") as client:
        client.sendall(b"".join(b"GET /whoami?%d HTTP/1.1\r\nHost: x\r\n\r\n" % i for i in range(50))
                       + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answers = client.makefile("rb").read()
    assert answers.count(b"HTTP/1.1 200 OK\r\n") == 51
    found = [int(i) for i in re.findall(rb"/whoami\?(\d+)", answers)]
    assert list(dict.fromkeys(found)) == list(range(50)) or found == []


# ---- SMTP.


def test_swaks(peers):
    out = run("swaks", "--server", "127.0.0.1", "--port", peers.port("mail"), "--helo", "me",
              "--from", "me@example.org", "--to", "you@example.org", "--header", "Subject: by swaks",
              "--body", "hello")
    assert b"250 " in out
    assert b"Subject: by swaks" in delivered(peers)[0]


def test_swaks_is_refused_for_other_domains(peers):
    done = subprocess.run(["swaks", "--server", "127.0.0.1", "--port", str(peers.port("mail")),
                           "--from", "me@example.org", "--to", "you@elsewhere.net"],
                          capture_output=True, timeout=DEADLINE, check=False)
    assert done.returncode != 0
    assert b"550 5.7.1" in done.stdout


def test_smtplib(peers):
    message = email.message.EmailMessage()
    message["From"], message["To"], message["Subject"] = "me@example.org", "you@example.org", "hi"
    message.set_content("first\n.\n..second\nGrüße\n")
    with smtplib.SMTP("127.0.0.1", peers.port("mail"), timeout=DEADLINE) as client:
        client.ehlo()
        assert client.has_extn("pipelining") and client.has_extn("8bitmime")
        assert client.send_message(message, to_addrs=["you@example.org", "two@example.org"]) == {}
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            client.sendmail("me@example.org", "you@elsewhere.net", "x")
        client.sendmail("me@example.org", "you@example.org", "Subject: second\r\n\r\n.dot\r\n")
    assert len(delivered(peers, "two")) == 1
    arrived = delivered(peers, count=2)
    assert any(b"\n..second" in one for one in arrived)
    assert any(b"\n.dot" in one for one in arrived)


def test_curl_sends_mail(peers):
    run("curl", "-sS", f"smtp://127.0.0.1:{peers.port('mail')}/me", "--mail-from", "me@example.org",
        "--mail-rcpt", "you@example.org", "--upload-file", "-", data=b"Subject: x\r\n\r\nhello\r\n")
    assert b"hello" in delivered(peers)[0]


def test_a_dialogue_typed_by_hand(peers):
    script = (f"set timeout {int(DEADLINE)}\nspawn nc.openbsd -C 127.0.0.1 {peers.port('mail')}\n"
              'expect "220 " {} timeout { exit 1 }\n')
    for number, (line, answer) in enumerate([
            ("HELO me", "250 "), ("MAIL FROM: you@example.org", "250 "),
            ("RCPT TO: me@example.org", "250 "), ("DATA", "354 "),
            ("Subject: typed\\n\\nhello\\n.", "250 "), ("QUIT", "221 ")], 2):
        script += f'send "{line}\\n"\nexpect "{answer}" {{}} timeout {{ exit {number} }}\n'
    run("expect", "-c", script)
    assert b"Subject: typed" in delivered(peers, "me")[0]


# ---- The control socket and the FIFO, as scripts use them.


def test_a_client_that_sends_no_newline_and_reads_once(peers):
    def once(text):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(DEADLINE)
            client.connect(str(peers.control_path))
            client.sendall(text)
            return json.loads(client.recv(4096))

    assert once(b'{"type":"produce","task":{"id":"t1","data":"x"}}') == {
        "status": "queued", "task_id": "t1"}
    taken = once(b'{"type":"consume"}')
    assert taken["status"] == "success"
    task = taken["task"]
    assert (task["id"], task["data"], task["attempt"]) == ("t1", "x", 1)
    assert "timestamp" in task
    started = time.monotonic()
    assert once(b'{"type":"consume"}') == {"status": "empty"}
    assert 0.5 < time.monotonic() - started < 2 * DEADLINE


def test_control_socket_by_nc_and_socat(peers):
    for command in (["nc.openbsd", "-N", "-U", peers.control_path],
                    ["socat", "-t", "10", "-", f"UNIX-CONNECT:{peers.control_path}"]):
        out = run(*command, data=b'{"type":"version","tag":1}{"type":"version","tag":2}\n')
        assert [json.loads(line)["tag"] for line in out.splitlines()] == [1, 2]


def test_invalid_json_is_answered_and_closed(peers):
    with peers.connect_control() as control:
        assert control.ask(b"{nonsense}\n") == {"status": "error", "code": "invalid_json",
                                                "message": "Invalid JSON"}
        assert control.receive() is None
    with peers.connect_control() as control:
        control.send(b'{"type":"produce","task":{"data":"' + b"x" * (1 << 20) + b'"}}')
        assert control.receive()["status"] == "error"
        assert control.receive() is None


class Replies:
    """A reader of the reply FIFO, there before any command is written."""

    def __init__(self, path):
        self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._text = b""

    def read(self, count):
        """The next `count` answers."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        end = time.monotonic() + DEADLINE
        while self._text.count(b"\n") < count:
            assert time.monotonic() < end, f"only {self._text!r}"
            poll.poll(100)
            try:
                self._text += os.read(self._descriptor, 65536)
            except BlockingIOError:
                continue
        lines = self._text.split(b"\n", count)
        self._text = lines.pop()
        return [json.loads(line) for line in lines]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self._descriptor)


def test_the_fifo_by_the_shell(peers):
    with Replies(peers.reply_fifo_path) as replies:
        # One writer for each command: none of them may end the channel.
        for command in ("task add f1 '\"by fifo\"'", "task stats", "nonsense", "status"):
            subprocess.run(["sh", "-c", 'printf "%s\\n" "$1" >"$2"', "sh", command,
                            str(peers.fifo_path)], check=True, timeout=DEADLINE)
        answers = replies.read(4)
    assert answers[0]["status"] == "queued" and answers[0]["task_id"] == "f1"
    assert answers[2]["status"] == "error"
    assert answers[3]["status"] == "ok" and answers[3]["pid"] == peers.pid


def test_half_a_line_and_a_dead_writer_do_not_stop_the_fifo(peers):
    with Replies(peers.reply_fifo_path) as replies:
        with open(peers.fifo_path, "wb", buffering=0) as fifo:
            fifo.write(b"task add never 1")  # no newline: dies in the middle
        with open(peers.fifo_path, "wb", buffering=0) as fifo:
            fifo.write(b"\nstatus\n")
        until(lambda: replies.read(1)[0].get("pid") == peers.pid, "the answer to status")


def test_fifo_commands_without_a_reader_go_to_the_log(peers):
    with open(peers.fifo_path, "wb", buffering=0) as fifo:
        fifo.write(b"task add quiet 1\nx" + b"y" * 100_000 + b"\ntask add loud 2\n")
    until(lambda: {task["id"] for task in peers.control({"type": "tasks"}).get("tasks", [])}
          >= {"loud"}, "the command after the line that is too long")


# ---- netctl.


def test_netctl_steers(peers):
    status = peers.netctl("status")
    assert status.returncode == 0 and "echo" in status.stdout and status.stderr == ""
    assert json.loads(peers.netctl("--json", "status").stdout)["pid"] == peers.pid
    assert peers.netctl("task", "add", "n1", '"data"').returncode == 0
    assert "n1" in peers.netctl("task", "list").stdout
    assert peers.netctl("task", "take").stdout.strip()
    assert peers.netctl("nonsense").returncode == 2
    assert peers.netctl("--socket", str(peers.folder / "none"), "status").returncode in (2, 3)
    assert peers.netctl("stop").returncode == 0
    assert peers.wait() == 0
    assert peers.netctl("status").returncode == 3
