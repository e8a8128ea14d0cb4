"""netctl's clients against xinetd's own services, nginx and Postfix's smtp-sink."""

import contextlib
import getpass
import json
import os
import shutil
import socket
import subprocess

import pytest
from netd_process import DEADLINE, NETCTL, until
from ports import free_port

PATHS = f"{os.environ['PATH']}:/usr/sbin:/usr/lib/postfix/sbin"


def program(name):
    found = shutil.which(name, path=PATHS)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def netctl(*arguments, **options):
    options.setdefault("stdin", None if "input" in options else subprocess.DEVNULL)
    return subprocess.run([NETCTL, *map(str, arguments)], capture_output=True, text=True, timeout=DEADLINE,
                          check=False, **options)


def succeed(*arguments, **options):
    result = netctl(*arguments, **options)
    assert result.returncode == 0, result
    return result.stdout


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def running(command, port):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        def up():
            assert process.poll() is None, f"{command} ended with {process.returncode}"
            return listens(port)

        until(up, f"{command[0]} to listen")
        yield
    finally:
        process.terminate()
        process.wait(DEADLINE)


@pytest.fixture(scope="module")
def xinetd(tmp_path_factory):
    """The targets of its echo, discard, chargen and daytime; its echo over udp loses some to anybody."""
    folder = tmp_path_factory.mktemp("xinetd")
    names = ("echo", "discard", "chargen", "daytime")
    ports = dict(zip(names, (free_port() for _ in names)))
    text = "defaults\n{\n log_type = FILE /dev/null\n instances = UNLIMITED\n cps = 100000 1\n}\n"
    for name, port in ports.items():
        text += (f"service {name}\n{{\n type = INTERNAL UNLISTED\n id = {name}\n socket_type = stream\n"
                 f" protocol = tcp\n port = {port}\n bind = 127.0.0.1\n wait = no\n"
                 f" user = {getpass.getuser()}\n}}\n")
    (folder / "conf").write_text(text)
    with running([program("xinetd"), "-dontfork", "-f", folder / "conf", "-pidfile", folder / "pid"],
                 ports["echo"]):
        yield {name: f"127.0.0.1:{port}" for name, port in ports.items()}


def test_echo_of_xinetd(xinetd):
    assert succeed("echo", xinetd["echo"], "hello") == "hello\n"
    text = "line\n" * 20_000
    assert succeed("echo", xinetd["echo"], input=text) == text
    assert "3 came back as sent" in succeed("echo", "--count", 3, xinetd["echo"])
    assert netctl("echo", xinetd["daytime"], "hello").returncode == 1


def test_connect_to_xinetd(xinetd):
    assert succeed("connect", xinetd["echo"], input="by hand") == "by hand"
    assert ":" in succeed("connect", xinetd["daytime"])
    assert succeed("connect", xinetd["discard"], input="gone") == ""
    chargen = subprocess.run(f"{NETCTL} connect {xinetd['chargen']} </dev/null | head -n 100 | tail -n 1",
                             shell=True, capture_output=True, text=True, timeout=DEADLINE, check=True)
    assert len(chargen.stdout.strip()) == 72 and chargen.stderr == ""


def test_measurements_of_xinetd(xinetd):
    told = json.loads(succeed("--json", "latency", "-c", 3, "-i", "1ms", xinetd["echo"],
                              f"echo:{xinetd['echo']}"))["targets"]
    assert [one["kind"] for one in told] == ["connect", "echo"]
    assert all(one["received"] == 3 and 0 < one["min_ms"] <= one["max_ms"] for one in told)
    for mode, target in (("echo", "echo"), ("send", "discard"), ("receive", "chargen")):
        told, = json.loads(succeed("--json", "throughput", "-t", "0.2", "--mode", mode, xinetd[target]))["targets"]
        assert told["sent_bytes" if mode != "receive" else "received_bytes"] > 10_000
        assert told.get("verified", True) is True


def test_scan_of_xinetd(xinetd):
    ports = [target.rpartition(":")[2] for target in xinetd.values()]
    assert json.loads(succeed("--json", "scan", "127.0.0.1", ",".join(ports)))["open"] == len(ports)


@pytest.fixture(scope="module")
def nginx(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nginx")
    folder.chmod(0o755)
    (folder / "page").write_text("x" * 300_000)
    port = free_port()
    user = "user root;" if os.getuid() == 0 else ""
    (folder / "conf").write_text(
        f"{user} daemon off; pid {folder}/pid; error_log stderr; events {{}}\n"
        f"http {{ access_log off; server {{ listen 127.0.0.1:{port}; root {folder};\n"
        f"  location = /away {{ return 301 http://127.0.0.1:{port}/page; }}\n"
        "  location = /elsewhere { return 302 ftp://127.0.0.1/; }\n"
        "  location = /round { return 302 /round; }\n"
        "  location = /head { return 204; }\n } }\n")
    with running([program("nginx"), "-p", folder, "-c", folder / "conf", "-e", "stderr"], port):
        yield f"http://127.0.0.1:{port}"


def test_http_of_nginx(nginx, tmp_path):
    assert succeed("http", f"{nginx}/page") == "x" * 300_000
    assert succeed("http", "-X", "HEAD", f"{nginx}/page") == ""
    head = succeed("http", "-i", "-X", "HEAD", f"{nginx}/page")
    assert "Content-Length: 300000" in head and head.endswith("\n\n")
    assert succeed("http", "-H", "Range: bytes=0-9", f"{nginx}/page") == "x" * 10
    assert succeed("http", "--follow", f"{nginx}/away") == "x" * 300_000
    assert "300000 bytes" in succeed("http", "-o", tmp_path / "file", f"{nginx}/page")
    assert (tmp_path / "file").stat().st_size == 300_000
    assert succeed("http", f"{nginx}/head") == ""
    for path, word in (("/missing", "404"), ("/round", "10"), ("/elsewhere", "ftp")):
        result = netctl("http", "--follow", nginx + path)
        assert result.returncode == 1 and word in result.stderr, result
    assert netctl("http", "-X", "POST", "-d", "x", f"{nginx}/page").returncode == 1


def test_latency_and_scan_of_nginx(nginx):
    told, = json.loads(succeed("--json", "latency", "-c", 3, "-i", "1ms", f"{nginx}/head"))["targets"]
    assert (told["kind"], told["received"]) == ("http", 3)
    assert "1 open" in succeed("scan", "127.0.0.1", nginx.rpartition(":")[2])


def test_mail_to_postfix(tmp_path):
    port = free_port()
    user = ["-u", "postfix"] if os.getuid() == 0 else []
    with running([program("smtp-sink"), *user, f"127.0.0.1:{port}", "10"], port):
        told = json.loads(succeed("--json", "mail", "send", "--server", f"127.0.0.1:{port}", "--to",
                                  "a@example.org", "--to", "b@example.org", "hello"))
        assert (told["status"], told["code"], len(told["recipients"])) == ("ok", 250, 2)
    with running([program("smtp-sink"), *user, "-r", "rcpt", f"127.0.0.1:{port}", "10"], port):
        result = netctl("mail", "send", "--server", f"127.0.0.1:{port}", "--to", "a@example.org", "hello")
        assert result.returncode == 1 and "a@example.org is refused: 450" in result.stderr, result
