"""Start, reload and stop, as the service manager, an operator and the clients see them."""

import fcntl
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

import netd_process
import pytest
from netd_process import DEADLINE, PATIENCE, at_end, exchange, until

ECHO = "[listener echo]\nprotocol = echo\nlisten = tcp:127.0.0.1:0\n"
WEB = "[listener web]\nprotocol = http\nlisten = tcp:127.0.0.1:0\nroute = / static {dir}/www\n"
MAIL = ("[listener mail]\nprotocol = smtp\nlisten = tcp:127.0.0.1:0\nmaildir = {dir}/mail\n"
        "domains = example.org\n")
SLOW_STOP = "[netd]\nworkers = 2\ndrain_timeout = 60s\nhostname = netd.example.org\n"


def refuses(address):
    try:
        socket.create_connection(address, timeout=DEADLINE).close()
        return False
    except ConnectionRefusedError:
        return True


def start_download(netd_one, size=64 << 20):
    """A client that has asked for a big file and stopped reading in the middle of the answer."""
    www = netd_one.folder / "www"
    with open(www / "big", "wb") as big:
        big.truncate(size)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    client.settimeout(DEADLINE)
    client.connect(netd_one.addresses("web")[0])
    client.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    head = client.recv(1024)
    assert head.startswith(b"HTTP/1.1 200 ")
    return client, head


# ---- The service manager.


def test_ready_reloading_and_stopping_are_told(netd, workers):
    daemon = netd(ECHO, workers=workers)
    ready = daemon.notify.wait_for("READY=1")
    assert "STATUS" in ready or daemon.notify.wait_for("STATUS")

    mark = daemon.notify.mark()
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    daemon.signal(signal.SIGHUP)
    reloading = daemon.notify.wait_for("RELOADING=1", since=mark)
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert before <= int(reloading["MONOTONIC_USEC"]) <= after
    daemon.notify.wait_for("READY=1", since=mark)

    assert daemon.stop() == 0
    daemon.notify.wait_for("STOPPING=1")


def test_a_refused_reload_is_closed_with_ready_too(netd):
    daemon = netd(ECHO)
    mark = daemon.notify.mark()
    assert daemon.reload("[listener echo]\nprotocol = nonsense\n")["status"] == "error"
    daemon.notify.wait_for("RELOADING=1", since=mark)
    daemon.notify.wait_for("READY=1", since=mark)


def test_the_watchdog_is_answered(netd):
    daemon = netd(ECHO, watchdog_usec=int(300_000 * PATIENCE))
    for _ in range(3):
        mark = daemon.notify.mark()
        daemon.notify.wait_for("WATCHDOG=1", since=mark)


def test_runs_without_a_service_manager(netd):
    daemon = netd(ECHO, notify=False)
    with daemon.connect("echo") as client:
        exchange(client)
    assert daemon.stop() == 0


# ---- The end.


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle_connections_close_at_once(netd, workers, number):
    daemon = netd(SLOW_STOP.replace("workers = 2", f"workers = {workers}") + ECHO + WEB + MAIL)
    address = daemon.addresses("echo")[0]
    clients = [daemon.connect(name) for name in ("echo", "web", "mail") for _ in range(4)]
    exchange(clients[0])
    daemon.signal(number)
    started = time.monotonic()
    for client in clients[4:8]:
        assert at_end(client)
    assert daemon.wait() == 0
    assert time.monotonic() - started < 5 * PATIENCE, "it waited for idle connections"
    assert refuses(address)
    for client in clients:
        client.close()


def test_a_download_in_flight_finishes(netd):
    daemon = netd(SLOW_STOP + WEB)
    address = daemon.addresses("web")[0]
    client, received = start_download(daemon)
    daemon.signal(signal.SIGTERM)
    daemon.notify.wait_for("STOPPING=1")
    until(lambda: refuses(address), "the listening socket to close")
    total = len(received) - received.index(b"\r\n\r\n") - 4 if b"\r\n\r\n" in received else None
    assert total is not None
    while True:
        data = client.recv(1 << 20)
        if not data:
            break
        total += len(data)
    assert total == 64 << 20
    assert daemon.wait() == 0


def test_a_message_in_flight_is_accepted(netd):
    daemon = netd(SLOW_STOP + MAIL)
    with daemon.connect("mail") as client:
        stream = client.makefile("rwb")
        assert stream.readline().startswith(b"220 ")
        for line, code in ((b"HELO x", b"250"), (b"MAIL FROM:<a@example.org>", b"250"),
                           (b"RCPT TO:<you@example.org>", b"250"), (b"DATA", b"354")):
            stream.write(line + b"\r\n")
            stream.flush()
            assert stream.readline().startswith(code), line
        stream.write(b"Subject: half\r\n\r\nfirst\r\n")
        stream.flush()
        daemon.signal(signal.SIGTERM)
        daemon.notify.wait_for("STOPPING=1")
        stream.write(b"second\r\n.\r\n")
        stream.flush()
        assert stream.readline().startswith(b"250 ")
    assert daemon.wait() == 0
    messages = list((daemon.folder / "mail/example.org/you/new").iterdir())
    assert len(messages) == 1
    assert b"second" in messages[0].read_bytes()


def test_drain_timeout_ends_what_does_not_end(netd):
    daemon = netd("[netd]\nworkers = 1\ndrain_timeout = 300ms\n" + WEB)
    client, _ = start_download(daemon)
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0
    client.close()


def test_a_second_signal_ends_the_wait(netd):
    daemon = netd(SLOW_STOP + WEB)
    client, _ = start_download(daemon)
    daemon.signal(signal.SIGTERM)
    daemon.notify.wait_for("STOPPING=1")
    assert daemon.process.poll() is None
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0
    client.close()


def test_sigpipe_and_vanished_readers_do_not_matter(netd):
    daemon = netd(ECHO)
    daemon.signal(signal.SIGPIPE)
    for _ in range(20):
        client = daemon.connect("echo")
        client.sendall(b"x" * 100_000)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
    with daemon.connect("echo") as client:
        exchange(client)


def test_stopping_by_the_control_socket(netd):
    daemon = netd(ECHO)
    assert daemon.control({"type": "stop"})["status"] == "ok"
    assert daemon.wait() == 0


def test_stop_removes_the_control_socket_and_starts_again(netd):
    daemon = netd(ECHO)
    assert daemon.stop() == 0
    assert not daemon.control_path.exists()
    daemon.start()
    with daemon.connect("echo") as client:
        exchange(client)


def test_starts_over_what_a_crash_left(netd):
    daemon = netd(ECHO + "listen = unix:{dir}/echo.sock\n")
    daemon.kill()
    assert daemon.control_path.exists()
    daemon.start()
    daemon.expect_clean = True
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(DEADLINE)
        client.connect(str(daemon.folder / "echo.sock"))
        exchange(client)


# ---- Reload.


@pytest.mark.parametrize("how", ["control", "SIGHUP", "netctl", "fifo"])
def test_reload_opens_what_is_new_and_closes_what_is_gone(netd, workers, how):
    daemon = netd(ECHO + "[listener gone]\nprotocol = echo\nlisten = tcp:127.0.0.1:0\n",
                  workers=workers)
    gone = daemon.addresses("gone")[0]
    port = daemon.port("echo")
    kept = daemon.connect("echo")
    exchange(kept)
    daemon.write_config(ECHO + "[listener new]\nprotocol = echo\nlisten = tcp:127.0.0.1:0\n")
    mark = daemon.notify.mark()
    if how == "control":
        assert daemon.reload()["status"] == "ok"
    elif how == "netctl":
        done = daemon.netctl("reload")
        assert done.returncode == 0, done.stderr
    elif how == "fifo":
        daemon.fifo_path.write_text("reload\n")
    else:
        daemon.signal(signal.SIGHUP)
    daemon.notify.wait_for("READY=1", since=mark)
    assert {one["name"] for one in daemon.status()["listeners"]} == {"echo", "new"}
    until(lambda: refuses(gone), "the listener that is gone to close")
    with daemon.connect("new") as client:
        exchange(client)
    assert daemon.port("echo") == port
    exchange(kept)
    kept.close()


def test_a_bad_reload_changes_nothing_and_says_why(netd):
    daemon = netd(ECHO)
    port = daemon.port("echo")
    generation = daemon.status()["config"]["generation"]
    kept = daemon.connect("echo")
    daemon.write_config("[listener echo]\nprotocol = echo\nlisten = tcp:127.0.0.1:99999\n"
                        "colour = blue\n[nonsense]\n")
    answer = daemon.reload()
    assert answer["status"] == "error"
    text = str(answer)
    for word in ("netd.conf:", "99999", "colour", "nonsense"):
        assert word in text
    done = daemon.netctl("reload")
    assert done.returncode == 1
    assert f"{daemon.config_path}:" in done.stderr
    assert daemon.status()["config"]["generation"] == generation
    assert daemon.port("echo") == port
    exchange(kept)
    kept.close()


def test_a_listener_that_cannot_open_refuses_the_reload(netd):
    daemon = netd(ECHO)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        answer = daemon.reload(ECHO + f"[listener more]\nprotocol = echo\nlisten = tcp:127.0.0.1:0\n"
                               f"[listener other]\nprotocol = echo\nlisten = tcp:127.0.0.1:{port}\n")
        assert answer["status"] == "error"
        assert f"listen tcp:127.0.0.1:{port}: Address already in use" in str(answer)
    assert {one["name"] for one in daemon.status()["listeners"]} == {"echo"}


def test_no_connection_is_refused_while_reloading(netd, workers):
    daemon = netd(ECHO, workers=workers)
    address = daemon.addresses("echo")[0]
    stop = threading.Event()
    faults, done = [], []

    def knock():
        while not stop.is_set():
            try:
                with socket.create_connection(address, timeout=DEADLINE) as client:
                    exchange(client)
                done.append(1)
            except OSError as fault:
                faults.append(fault)

    thread = threading.Thread(target=knock)
    thread.start()
    try:
        for turn in range(20):
            answer = daemon.reload(ECHO + f"idle_timeout = {60 + turn}s\n")
            assert answer["status"] == "ok", answer
    finally:
        stop.set()
        thread.join()
    assert done
    assert faults == []


def test_a_drained_listener_stays_so_over_a_reload(netd, workers):
    daemon = netd(ECHO, workers=workers)
    (before,) = daemon.addresses("echo")
    daemon.control({"type": "drain", "listener": "echo"})
    assert daemon.reload(ECHO + "listen = tcp:[::1]:0\n")["status"] == "ok"
    assert daemon.listener("echo")["state"] == "draining"
    addresses = daemon.addresses("echo")
    assert addresses[0] == before and len(addresses) == 2
    for address in addresses:
        until(lambda at=address: refuses(at), "the listener to refuse")
    daemon.control({"type": "drain", "listener": "echo", "resume": True})
    assert daemon.listener("echo")["state"] == "accepting"
    for address in addresses:
        until(lambda at=address: not refuses(at), "the listener to accept")


def test_the_socket_of_a_drained_listener_serves_another(netd):
    with socket.create_server(("127.0.0.1", 0)) as passed:
        section = "protocol = echo\nlisten = fd:web\n"
        daemon = netd("[listener one]\n" + section, descriptors=[("web", passed.fileno())])
        daemon.control({"type": "drain", "listener": "one"})
        assert daemon.reload("[listener two]\n" + section)["status"] == "ok"
        with socket.create_connection(passed.getsockname(), timeout=DEADLINE) as client:
            exchange(client)


def test_changed_settings_hold_for_new_connections(netd):
    daemon = netd(ECHO + "mode = line\n")
    with daemon.connect("echo") as client:
        client.sendall(b"one\n")
        assert client.recv(100) == b"ECHO: one\n"
    assert daemon.reload(ECHO + "mode = raw\n")["status"] == "ok"
    with daemon.connect("echo") as client:
        exchange(client, b"two\n")


# ---- Starts that must fail, and what needs no start.


def test_an_address_in_use_is_exit_1(netd):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        daemon = netd(f"[listener echo]\nprotocol = echo\nlisten = tcp:127.0.0.1:{port}\n",
                      start=False)
        done = daemon.run()
    assert done.returncode == 1
    assert f"listen tcp:127.0.0.1:{port}: Address already in use" in done.stderr


def test_a_second_netd_on_the_same_control_socket_is_exit_1(netd):
    daemon = netd(ECHO)
    other = netd(ECHO, start=False)
    other.config_path = daemon.config_path
    done = other.run()
    assert done.returncode == 1
    assert done.stderr
    assert daemon.status()["status"] == "ok"


def test_a_bad_configuration_is_exit_78_with_every_mistake(netd):
    daemon = netd("[listener a]\nprotocol = echo\nlisten = tcp:127.0.0.1:x\n"
                  "[listener b]\nprotocol = ehco\nlisten = tcp:127.0.0.1:0\n"
                  "[nowhere]\n", start=False)
    lines = daemon.config_path.read_text().splitlines()
    for arguments in ((), ("--check",)):
        done = daemon.run(*arguments)
        assert done.returncode == 78
        for number, line in enumerate(lines, 1):
            bad = line in ("listen = tcp:127.0.0.1:x", "protocol = ehco", "[nowhere]")
            assert (f"{daemon.config_path}:{number}: " in done.stderr) == bad, done.stderr


def test_a_missing_configuration_is_exit_78(netd):
    daemon = netd(start=False)
    daemon.config_path.unlink()
    done = daemon.run()
    assert done.returncode == 78
    assert str(daemon.config_path) in done.stderr
    assert "No such file or directory" in done.stderr


@pytest.mark.parametrize("arguments", [["--nonsense"], ["extra"], ["-c"]])
def test_wrong_usage_is_exit_2(arguments):
    done = subprocess.run([str(netd_process.NETD), *arguments], text=True, capture_output=True,
                          timeout=DEADLINE, check=False)
    assert done.returncode == 2
    assert done.stderr
    assert done.stdout == ""


def test_version_and_help():
    for argument, words in (("--version", ["netd"]), ("--help", ["--check", "--print-config", "-c"])):
        done = subprocess.run([str(netd_process.NETD), argument], text=True, capture_output=True,
                              timeout=DEADLINE, check=False)
        assert done.returncode == 0
        assert done.stderr == ""
        for word in words:
            assert word in done.stdout


def test_check_of_a_good_configuration_says_nothing_bad(netd):
    done = netd(ECHO, start=False).run("--check")
    assert (done.returncode, done.stderr) == (0, "")


def test_check_opens_nothing(netd):
    daemon = netd(ECHO + "listen = unix:{dir}/echo.sock\n", start=False)
    before = sorted(daemon.folder.iterdir())
    assert daemon.run("--check").returncode == 0
    assert sorted(daemon.folder.iterdir()) == before


def test_the_printed_configuration_is_one(netd):
    daemon = netd(ECHO + WEB + MAIL, start=False)
    printed = daemon.run("--print-config")
    assert printed.returncode == 0, printed.stderr
    assert "idle_timeout" in printed.stdout  # defaults are in it
    daemon.config_path.write_text(printed.stdout)
    assert daemon.run("--print-config").stdout == printed.stdout
    daemon.start()
    assert {one["name"] for one in daemon.status()["listeners"]} == {"echo", "web", "mail"}


def test_values_come_from_the_environment(netd):
    daemon = netd("[listener hi]\nprotocol = greet\nlisten = tcp:${WHERE:-127.0.0.1}:0\n"
                  "message = ${WORDS}\n", environment={"WORDS": "good day"})
    with daemon.connect("hi") as client:
        assert client.makefile("rb").read().rstrip(b"\r\n") == b"good day"


def test_conf_d_is_read_in_name_order(netd):
    daemon = netd(start=False)
    more = daemon.folder / "conf.d"
    more.mkdir()
    (more / "20-b.conf").write_text("[listener b]\nprotocol = echo\nlisten = tcp:127.0.0.1:0\n")
    (more / "10-a.conf").write_text("[listener a]\nprotocol = echo\nlisten = tcp:127.0.0.1:0\n")
    (more / "ignored").write_text("[nonsense]\n")
    daemon.start()
    assert [one["name"] for one in daemon.status()["listeners"]] == ["a", "b"]


def test_a_file_in_the_way_of_the_fifo_is_left_alone(netd):
    daemon = netd(ECHO, start=False)
    daemon.fifo_path.write_text("mine\n")
    done = daemon.run()
    assert done.returncode in (1, 78)
    assert str(daemon.fifo_path) in done.stderr
    assert daemon.fifo_path.read_text() == "mine\n"


def test_the_log_on_standard_error_reads_well(netd):
    daemon = netd(ECHO)
    with daemon.connect("echo") as client:
        exchange(client, b"\x1b[31mnot a colour\n")
    assert daemon.stop() == 0
    lines = daemon.log().splitlines()
    assert len(lines) >= 3
    for line in lines:
        assert "\x1b" not in line
        time_text, level, message = line.split(None, 2)
        assert time_text.endswith("Z") and level in ("debug", "info", "warning", "error")
        assert message


def test_a_log_that_nobody_reads_stops_nothing(netd):
    """As under a test harness that keeps standard error in a pipe until the end."""
    daemon = netd(ECHO, start=False)
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    daemon.process = subprocess.Popen(daemon.command(), env=daemon.environment(),
                                      stdin=subprocess.DEVNULL, stdout=writer, stderr=writer)
    os.close(writer)
    try:
        daemon.wait_ready()
        address = daemon.addresses("echo")[0]
        for _ in range(100):  # two entries each
            with socket.create_connection(address, timeout=DEADLINE) as client:
                exchange(client)
        assert daemon.stop() == 0
    finally:
        os.close(reader)


def test_missing_standard_descriptors_are_not_taken_by_others(netd):
    daemon = netd(ECHO, start=False)
    daemon.process = subprocess.Popen(
        ["bash", "-c", 'exec "$@" 0<&- 1>&- 2>&-', "bash", *daemon.command()],
        env=daemon.environment())
    daemon.wait_ready()
    for number in range(3):
        assert os.readlink(f"/proc/{daemon.pid}/fd/{number}") == "/dev/null"
    assert daemon.stop() == 0


# ---- Sockets from outside.


def test_sockets_passed_by_the_service_manager(netd):
    with socket.socket() as passed:
        passed.bind(("127.0.0.1", 0))
        passed.listen()
        address = passed.getsockname()
        daemon = netd("[listener web]\nprotocol = echo\nlisten = fd:web\n",
                      descriptors=[("web", passed.fileno())], workers=2)
        for _ in range(10):
            with socket.create_connection(address, timeout=DEADLINE) as client:
                exchange(client)
        assert daemon.stop() == 0
        # The service manager's socket is still there: a connection waits in its queue.
        socket.create_connection(address, timeout=DEADLINE).close()


@pytest.mark.parametrize("family, kind", [(socket.AF_INET, socket.SOCK_STREAM),
                                          (socket.AF_UNIX, socket.SOCK_DGRAM)])
def test_a_passed_socket_that_does_not_listen_is_refused(netd, family, kind):
    with socket.socket(family, kind) as passed:
        passed.bind("" if family == socket.AF_UNIX else ("127.0.0.1", 0))
        daemon = netd("[listener web]\nprotocol = echo\nlisten = fd:web\n", start=False,
                      descriptors=[("web", passed.fileno())])
        daemon.expect_clean = False
        daemon.start(wait=False)
        assert daemon.wait() == 1
    assert "not a listening stream socket" in daemon.log()


def test_a_descriptor_that_no_listener_names_keeps_netd_from_starting(netd):
    with socket.socket() as passed:
        passed.bind(("127.0.0.1", 0))
        passed.listen()
        daemon = netd(ECHO, descriptors=[("stranger", passed.fileno())], start=False)
        daemon.start(wait=False)
        assert daemon.process.wait(DEADLINE) == 78
        daemon.expect_clean = False
        assert re.search(r" error .*stranger.*fd:stranger", daemon.log())


def test_a_crash_refuses_nobody_when_the_service_manager_keeps_the_sockets(netd):
    daemon = netd(ECHO, start=False)
    daemon.notify.store = True
    daemon.start()
    address = daemon.addresses("echo")[0]
    with daemon.connect("echo") as client:
        exchange(client)
    daemon.kill()
    with socket.create_connection(address, timeout=DEADLINE) as client:
        client.sendall(b"while nobody was there")
        stored = [(name, fd) for name, fds in daemon.notify.descriptors.items() for fd in fds]
        daemon.start(descriptors=stored)
        daemon.expect_clean = True
        assert client.recv(100) == b"while nobody was there"
        assert daemon.addresses("echo")[0] == address


def test_a_reload_that_would_leave_a_passed_descriptor_alone_is_refused(netd):
    with socket.socket() as passed:
        passed.bind(("127.0.0.1", 0))
        passed.listen()
        daemon = netd("[listener web]\nprotocol = echo\nlisten = fd:web\n",
                      descriptors=[("web", passed.fileno())])
        daemon.write_config(ECHO)
        outcome = daemon.control({"type": "reload"})
        assert outcome["status"] == "error" and "fd:web" in json.dumps(outcome)
        with socket.create_connection(passed.getsockname(), timeout=DEADLINE) as client:
            exchange(client)


def test_state_and_runtime_files_have_their_modes(netd):
    daemon = netd(ECHO)
    for path in (daemon.control_path, daemon.fifo_path, daemon.reply_fifo_path):
        assert path.stat().st_mode & 0o777 == 0o660, path
    assert pathlib.Path(daemon.folder, "tasks").exists()
