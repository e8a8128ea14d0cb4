"""netctl as people and programs use it."""

import contextlib
import fcntl
import json
import os
import pty
import re
import shlex
import signal
import struct
import subprocess
import termios

import pytest
from netd_process import DEADLINE, NETCTL, until

ECHO = "[listener echo]\nprotocol = echo\nlisten = tcp:127.0.0.1:0\n"


@pytest.fixture
def daemon(netd):
    return netd(ECHO)


def succeed(daemon, *arguments, **options):
    result = daemon.netctl(*arguments, **options)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return result.stdout


def succeed_json(daemon, *arguments):
    text = succeed(daemon, "--json", *arguments)
    assert text.count("\n") == 1
    return json.loads(text)


def test_steering(daemon):
    assert "all is well" in succeed(daemon, "status")
    assert succeed_json(daemon, "status")["listeners"][0]["name"] == "echo"
    assert "tcp:127.0.0.1:" in succeed(daemon, "listeners")
    assert succeed(daemon, "connections") == "no connections\n"
    assert "accepted" in succeed(daemon, "stats")
    assert "[listener echo]" in succeed(daemon, "config", "show")
    assert succeed(daemon, "config", "check") == "the configuration is good\n"
    assert succeed(daemon, "log-level") == "debug\n"
    assert succeed(daemon, "log-level", "info") == "info (was debug)\n"
    assert succeed(daemon, "version").startswith("netd ")
    assert succeed(daemon, "reload").startswith("reloaded: generation 2")
    with daemon.connect("echo") as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        listed = succeed_json(daemon, "connections", "--listener", "echo")["connections"]
        assert succeed(daemon, "disconnect", str(listed[0]["id"])) == "closed: 1\n"
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(1) == b""


def test_options_may_stand_after_the_command(daemon):
    assert json.loads(daemon.netctl("status", "--json").stdout)["status"] == "ok"


def test_drain_and_resume(daemon):
    assert succeed(daemon, "drain", "echo") == "echo: 0 connections open\n"
    status = succeed(daemon, "status")
    assert "1 problem" in status and "listener echo is draining" in status
    until(lambda: not accepts(daemon), "connections to be refused")
    succeed(daemon, "drain", "echo", "--resume")
    until(lambda: accepts(daemon), "connections to be accepted")
    assert "all is well" in succeed(daemon, "status")


def accepts(daemon):
    try:
        with daemon.connect("echo") as client:
            client.sendall(b"x")
            return client.recv(1) == b"x"
    except ConnectionError:
        return False


def test_stop(daemon):
    assert succeed(daemon, "stop") == "netd is stopping\n"
    assert daemon.wait() == 0
    result = daemon.netctl("status")
    assert result.returncode == 3
    assert "not running" in result.stderr


def test_tasks(daemon):
    assert succeed(daemon, "task", "add", "t1", "hello") == "queued t1\n"
    assert succeed(daemon, "task", "add", "t1", "hello") == "queued t1 (it was there already)\n"
    clash = daemon.netctl("task", "add", "t1", "other")
    assert clash.returncode == 1 and clash.stderr.startswith("netctl: ")
    succeed(daemon, "task", "add", "t2", '{"a": [1, 2.50]}', "--queue", "q", "--priority", "-3",
            "--delay", "10min")
    assert succeed(daemon, "task", "add", "--", "-", "-5").startswith("queued ")
    succeed(daemon, "task", "add", "t3", "-", input="from standard input")
    listed = succeed_json(daemon, "task", "list")["tasks"]
    assert {task["id"]: task["state"] for task in listed}["t2"] == "delayed"
    assert "t2" in succeed(daemon, "task", "list", "--state", "delayed")
    assert "2.50" in json.dumps(json.loads(
        daemon.netctl("--json", "task", "show", "t2").stdout, parse_float=str))
    taken = succeed_json(daemon, "task", "take", "--lease", "30s")["task"]
    assert (taken["id"], taken["data"]) == ("t1", "hello")
    assert succeed(daemon, "task", "touch", "t1", "--lease", "1min") == ""
    assert succeed(daemon, "task", "done", "t1", "result text") == ""
    assert succeed(daemon, "task", "wait", "t1") == "result text\n"
    assert "data      -5" in succeed(daemon, "task", "take")
    assert "from standard input" in succeed(daemon, "task", "take")
    empty = daemon.netctl("task", "take", "--wait", "0.1")
    assert (empty.returncode, empty.stdout) == (1, "")
    assert "QUEUE" in succeed(daemon, "task", "stats")
    succeed(daemon, "task", "kick", "t2")
    succeed(daemon, "task", "delete", "t2")
    assert succeed(daemon, "task", "list") == "no tasks\n"


def test_ids_that_are_numbers(daemon):
    daemon.control({"type": "produce", "task": {"id": 42, "data": "x"}})
    assert "data      x" in succeed(daemon, "task", "show", "42")
    succeed(daemon, "task", "delete", "42")


def test_a_bad_configuration_is_reported_line_by_line(daemon):
    daemon.write_config(ECHO + "bogus = 1\nmode = sideways\n")
    for command in (["reload"], ["config", "check"]):
        result = daemon.netctl(*command)
        assert result.returncode == 1
        assert "2 mistakes" in result.stderr
        assert result.stderr.count(str(daemon.config_path) + ":") == 2


WRONG = """
    stauts | '' | xyzzy | task | task '' | tsak add | task ad x y | list | status extra | status --jsno
    --jsno status | --bogus status | status --bogus | -x | -- status | status -- --json | ++ | --version extra
    task add | task add a | task add a b c | task add '' 1 | task list --limt 3 | task list --limit
    task list --limit= | task list --limit x | task list --limit -1 | task list --limit 99999999999999999999
    task list --state x | task take --wait soon | task take --wait= | task add a 1 --priority 1.5
    task add a 1 --priority 99999999999 | task work | task work -- | task work -j 0 -- true
    task work --count 0 -- true | --timeout | --timeout x status | --timeout '' status | --timeout=1 --timeout=2 status
    --socket | --socket '' status | --socket=/a --socket=/b status | status --json=maybe | drain --resume=no
    log-level loud | log-level '' | disconnect | disconnect x | disconnect '' | disconnect 1 2
    connections --limit 0 | connections --client | stats --count 0 | stats --count 1.5 | stats --count 0x10
    stats --interval x --watch | events --count 0 | events '' | top --interval x | config | config bogus | mail
    echo | echo x | echo '' | echo : | echo 127.0.0.1:70000 x | echo 127.0.0.1:nosuchservice x | echo ::1:7 | echo [::1]
    echo 'a b:7' x | echo unix: x | connect | connect 1 2 3 | connect '' 7 | connect --listen x | http | http ''
    http http:// | http http://127.0.0.1:99999/ | http 'http://a b/' | http ftp://x/ | http http://x -X 'a b'
    http http://x -X '' | http http://x -H nocolon | http http://x -d | http x y | scan localhost | scan localhost 0
    scan localhost 65536 | scan localhost 5-4 | scan localhost 1,,2 | scan '' 1 | scan localhost 1 --parallel 0
    latency | latency x | latency h:1 -c 0 | latency h:1 -m bogus | latency http://a:b/ | throughput h:1 -t 0
    throughput h:1 -n 5000 | throughput -u -r x h:1 | call a | mail list --limit -1 | mail show
    mail show a b | mail show latest --part 0 | mail delete | mail wait --count 0 | mail send | mail send --to ''
    mail send --to a@b --server x y | task import x | help bogus | bogus --help
"""


@pytest.mark.parametrize("words", [line.strip() for line in WRONG.replace("\n", "|").split("|") if line.strip()])
def test_a_wrong_command_line_is_told_in_one_line(daemon, words):
    """In netctl's own words, and as the one document of --json where that stands on the line."""
    arguments = shlex.split(words)
    result = daemon.netctl(*arguments)
    assert (result.returncode, result.stdout) == (2, ""), result
    assert result.stderr.startswith("netctl: ") and result.stderr.count("\n") == 1, result.stderr
    for foreign in ("required", "At Most", "not expected", "subcommand", "Could not convert", "range"):
        assert foreign not in result.stderr
    result = daemon.netctl("--json", *arguments)
    assert result.returncode == 2
    assert json.loads(result.stdout)["code"] in ("usage", "bad_value", "missing_member")


def test_wrong_bytes_on_the_command_line(daemon):
    for arguments in ([b"\xff\xfe"], [b"status", b"\xff"], [b"task", b"add", b"\xff", b"1"],
                      [b"task", b"add", b"x", b'"\xff"'], [b"\x1b[31mred"], [b"a\nb"], [b"log-level", b"\xff"]):
        result = daemon.netctl(*arguments)
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr.count("\n") == 1 and result.stderr.isascii() and "\x1b" not in result.stderr


@pytest.mark.parametrize("arguments, text", [
    (["statsu"], "did you mean status?"),
    (["task", "ad"], "did you mean task add?"),
    (["task", "add"], "ID is missing"),
    (["status", "extra"], "extra"),
    (["--bogus", "status"], "--bogus"),
    (["task", "take", "--wait", "soon"], "expected a time"),
    (["disconnect", "x"], "whole number"),
    (["disconnect"], "missing"),
    (["log-level", "loud"], "debug, info, warning or error"),
    (["connections", "--limit", "0"], "from 1"),
    (["--timeout", "x", "status"], "expected a time"),
    ([], "a command is missing"),
])
def test_usage_errors_are_exit_2(daemon, arguments, text):
    result = daemon.netctl(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert text in result.stderr


def test_refusals_are_exit_1(daemon):
    for arguments in (["drain", "none"], ["disconnect", "999999"], ["task", "show", "none"],
                      ["events", "task", "tusk"]):
        result = daemon.netctl(*arguments)
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr.startswith("netctl: ")


def test_unreachable_is_exit_3(tmp_path):
    for path in (tmp_path / "none.sock", tmp_path / "file"):
        (tmp_path / "file").write_text("x")
        result = subprocess.run([NETCTL, "--socket", path, "status"], capture_output=True, text=True,
                                timeout=DEADLINE, check=False)
        assert result.returncode == 3
        assert str(path) in result.stderr


def test_what_is_not_netd_is_exit_3(netd):
    """An echo service: every request comes back as its answer."""
    other = netd("[listener echo]\nprotocol = echo\nlisten = unix:{dir}/echo.sock\n")
    path = other.folder / "echo.sock"
    for options in ([], ["--json"]):
        result = subprocess.run([NETCTL, "--socket", path, *options, "status"], text=True,
                                capture_output=True, timeout=DEADLINE, check=False)
        assert result.returncode == 3
        assert str(path) in result.stderr
        if options:
            assert json.loads(result.stdout)["code"] == "unreachable"
        else:
            assert result.stdout == ""


def test_the_socket_by_environment(daemon):
    environment = dict(os.environ, NETD_SOCKET=str(daemon.control_path))
    result = subprocess.run([NETCTL, "version"], env=environment, capture_output=True, text=True,
                            timeout=DEADLINE, check=False)
    assert result.returncode == 0, result.stderr


def test_every_command_explains_itself(daemon):
    top = daemon.netctl("--help")
    assert top.returncode == 0 and "Exit status" in top.stdout
    commands = ["status", "listeners", "connections", "stats", "events", "reload", "config show",
                "config check", "log-level", "disconnect", "drain", "stop", "version"]
    commands += [f"task {name}" for name in ("add", "take", "done", "fail", "give-back", "touch", "list",
                                             "show", "stats", "kick", "delete", "pause", "resume",
                                             "wait")]
    commands += ["echo", "connect", "http", "scan", "call", "latency", "throughput", "mail send"]
    for command in commands:
        result = daemon.netctl(*command.split(), "--help")
        assert result.returncode == 0, command
        assert f"Example:\n  netctl {command}" in result.stdout
        assert re.fullmatch(rf"Usage: netctl {command} \[OPTIONS\](?: \[?[A-Z]+(?:\.\.\.)?\]?)*",
                            result.stdout.splitlines()[1]), result.stdout
        assert command.split()[0] in top.stdout


def test_help_fits_a_terminal():
    words = subprocess.run([NETCTL, "__complete", ""], capture_output=True, text=True, check=True,
                           timeout=DEADLINE).stdout.split()
    commands = [[]] + [[word] for word in words if word not in ("task", "mail", "config")]
    for group in ("task", "mail", "config"):
        inner = subprocess.run([NETCTL, "__complete", group, ""], capture_output=True, text=True,
                               check=True, timeout=DEADLINE).stdout.split()
        commands += [[group], *([group, word] for word in inner)]
    assert len(commands) > 40
    for command in commands:
        shown = subprocess.run([NETCTL, *command, "--help"], capture_output=True, text=True, check=True,
                               timeout=DEADLINE).stdout
        assert max(map(len, shown.splitlines())) <= 80, command


def test_no_colour_in_a_pipe_and_colour_on_a_terminal(daemon):
    assert "\x1b" not in succeed(daemon, "status")
    master, slave = pty.openpty()
    process = subprocess.Popen([NETCTL, "--socket", daemon.control_path, "status"], stdout=slave,
                               env=dict(os.environ, TERM="xterm", NO_COLOR=""))
    os.close(slave)
    shown = b""
    try:
        while data := os.read(master, 65536):
            shown += data
    except OSError:
        pass  # the terminal's other end is gone
    os.close(master)
    assert process.wait() == 0
    assert b"\x1b[" in shown


def test_a_reader_that_goes_ends_it_quietly(daemon):
    for number in range(300):
        daemon.control({"type": "produce", "task": {"id": f"{number:0400}", "data": 1}})
    result = subprocess.run(f"'{NETCTL}' --socket '{daemon.control_path}' task list --limit 1000 | head -n1",
                            shell=True, capture_output=True, text=True, timeout=DEADLINE, check=True)
    assert result.stdout.count("\n") == 1 and result.stderr == ""


def test_a_full_disk_is_an_error(daemon):
    with open("/dev/full", "w", encoding="ascii") as full:
        result = subprocess.run([NETCTL, "--socket", daemon.control_path, "status"], stdout=full,
                                stderr=subprocess.PIPE, text=True, timeout=DEADLINE, check=False)
    assert result.returncode == 1 and result.stderr


PRINTING = """
    --help | --version | help task | status --help | status | --json status | listeners | connections | stats
    stats --watch --count 2 --interval 50ms | config show | config check | log-level | version | reload
    drain --resume | task add - 1 | task list | task stats | task show | task take | task import
    mail list --maildir {dir} | echo {echo} hi | --json echo {echo} hi | scan 127.0.0.1 1
    latency -c 2 -i 1ms {echo} | throughput -t 0.05 {echo} | --json bogus
"""


PRINTERS = [line.strip() for line in PRINTING.replace("\n", "|").split("|") if line.strip()]


def printer(daemon, words):
    """As a shell takes it, with something to print."""
    daemon.control({"type": "produce", "task": {"data": 1}})
    return f"exec '{NETCTL}' --socket '{daemon.control_path}' " + words.format(
        echo=f"127.0.0.1:{daemon.port('echo')}", dir=daemon.folder)


@pytest.mark.parametrize("words", PRINTERS)
def test_a_pipe_that_nobody_reads_ends_it_quietly(daemon, words):
    command = printer(daemon, words)
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(["bash", "-c", command], stdin=subprocess.DEVNULL, stdout=writer,
                            stderr=subprocess.PIPE, text=True, timeout=DEADLINE, check=False)
    os.close(writer)
    assert result.stderr == "" and result.returncode == -signal.SIGPIPE


@pytest.mark.parametrize("words", [words for words in PRINTERS if "bogus" not in words])
def test_a_terminal_of_20_columns(daemon, words):
    """Where not even a table fits, everything is still said."""
    command = printer(daemon, words)
    wide = subprocess.run(["bash", "-c", command], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=DEADLINE, check=False)
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 20, 0, 0))
    process = subprocess.Popen(["bash", "-c", printer(daemon, words)], stdin=subprocess.DEVNULL,
                               stdout=slave, stderr=slave)
    os.close(slave)
    shown = b""
    with contextlib.suppress(OSError):  # the terminal's other end is gone
        while data := os.read(master, 65536):
            shown += data
    os.close(master)
    assert process.wait(DEADLINE) == wide.returncode == 0, (wide, shown)
    assert bool(shown) == bool(wide.stdout)


@pytest.mark.parametrize("words", PRINTERS)
def test_what_cannot_be_written_is_an_error(daemon, words):
    """On a full disk, and where netctl was started without standard output or any of the three."""
    command = printer(daemon, words)
    for redirection, told in ((">/dev/full </dev/null", True), (">&- </dev/null", True),
                              ("<&- >&- 2>&-", False)):
        daemon.control({"type": "produce", "task": {"data": 1}})
        result = subprocess.run(["bash", "-c", f"{command} {redirection}"], capture_output=True, text=True,
                                timeout=DEADLINE, check=False)
        assert result.returncode == (2 if "bogus" in words else 1), (redirection, result)
        assert ("standard output" in result.stderr) == told, (redirection, result)


def test_no_socket_lands_on_a_standard_descriptor(daemon):
    """Without 0 to 2 they would be the control socket, and what netctl says a request to the daemon."""
    process = subprocess.Popen(
        ["bash", "-c", f"exec '{NETCTL}' --socket '{daemon.control_path}' events --count 1 <&- 2>&-"],
        stdout=subprocess.DEVNULL)

    def descriptors():
        """What its descriptors lead to: at first bash's, then what its loader opens, then netctl's own."""
        found = {}
        for entry in os.scandir(f"/proc/{process.pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                found[int(entry.name)] = os.readlink(entry.path)
        return found

    try:
        until(lambda: any(target.startswith("socket:") for target in descriptors().values()), "netctl to connect")
        held = descriptors()
        assert (held.get(0), held.get(1), held.get(2)) == ("/dev/null",) * 3, held
    finally:
        process.kill()
        process.wait()
    for clients_input in ("connect", "echo"):
        result = subprocess.run(["bash", "-c", f"'{NETCTL}' {clients_input} 127.0.0.1:{daemon.port('echo')} <&-"],
                                capture_output=True, text=True, timeout=DEADLINE, check=False)
        assert (result.returncode, result.stdout) == (1, ""), result
        assert "read" in result.stderr


def test_events_and_watched_stats(daemon):
    process = subprocess.Popen([NETCTL, "--socket", daemon.control_path, "--json", "events", "task",
                                "--count", "1"], stdout=subprocess.PIPE, text=True)

    def nudge():
        daemon.control({"type": "produce", "task": {"data": 1}})
        return process.poll() is not None

    until(nudge, "netctl to have seen its event")
    assert json.loads(process.stdout.read())["event"] == "task_produced"
    assert process.returncode == 0
    process.stdout.close()
    watched = succeed(daemon, "stats", "--watch", "--interval", "50ms", "--count", "2")
    assert watched.count("LISTENER") == 2 and "\x1b" not in watched


def test_events_are_picked_by_listener_client_and_text(daemon):
    command = [NETCTL, "--socket", daemon.control_path, "--json", "events", "--listener", "echo",
               "--client", "127.0.0.1", "--match", "connected", "--count", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def nudge():
        daemon.control({"type": "produce", "task": {"data": 1}})
        with daemon.connect("echo"):
            pass
        return process.poll() is not None

    until(nudge, "netctl to have seen its event")
    event = json.loads(process.stdout.read())
    assert event["listener"] == "echo" and event["event"] == "connection_open"
    process.stdout.close()
