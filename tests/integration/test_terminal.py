"""netctl's interactive commands in a real terminal: tmux, driven by keys, its screen compared."""

import os
import shutil
import socket
import socketserver
import subprocess
import threading

import pytest
from netd_process import DEADLINE, NETCTL, SANITIZER, until

LISTENERS = """
[listener alpha]
protocol = echo
listen = tcp:127.0.0.1:0
[listener beta]
protocol = greet
listen = tcp:127.0.0.1:0
"""

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


class Terminal:
    """One command in a tmux of its own, 80 by 24 if nothing else is said. `variables`: of the
    command's environment, None for one that it must not have."""

    def __init__(self, folder, *command, size=(80, 24), variables=()):
        self._tmux = ["tmux", "-f", "/dev/null", "-S", str(folder / "tmux")]
        environment = {**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8"}
        environment.pop("TMUX", None)
        if SANITIZER:  # what ncurses and libedit keep until the end is no leak of ours
            options = environment.get("ASAN_OPTIONS", "")
            environment["ASAN_OPTIONS"] = f"{options}:detect_leaks=0".lstrip(":")
        words = ["env"]
        for name, value in dict(variables).items():
            words[1:1] = ["-u", name]
            words += [] if value is None else [f"{name}={value}"]
        words += [str(word) for word in command]
        # The shell tells the exit status and waits: tmux would close with its last command.
        script = '"$@"; printf "\\nended with %s\\n" $?; read -r x'
        subprocess.run([*self._tmux, "new-session", "-d", "-x", str(size[0]), "-y", str(size[1]), "bash", "-c", script,
                        "bash", *words], env=environment, timeout=DEADLINE, check=True)

    def _run(self, *arguments):
        return subprocess.run([*self._tmux, *arguments], capture_output=True, text=True,
                              timeout=DEADLINE, check=True).stdout

    def keys(self, *keys):
        self._run("send-keys", *keys)

    def resize(self, columns, rows):
        self._run("resize-window", "-x", str(columns), "-y", str(rows))

    def screen(self):
        return self._run("capture-pane", "-p")

    def wait_for(self, condition, what):
        try:
            return until(lambda: condition(self.screen()), what)
        except AssertionError:
            raise AssertionError(f"waited in vain for {what}; the screen:\n{self.screen()}") from None

    def close(self):
        subprocess.run([*self._tmux, "kill-server"], capture_output=True, timeout=DEADLINE, check=False)


@pytest.fixture
def terminal(tmp_path):
    made = []

    def start(*command, **options):
        made.append(Terminal(tmp_path, *command, **options))
        return made[-1]

    yield start
    for one in made:
        one.close()


def order(screen):
    return [line.split()[0] for line in screen.splitlines()
            if line.startswith(("alpha ", "beta "))]


def test_top(netd, terminal):
    daemon = netd(LISTENERS)
    daemon.control({"type": "produce", "task": {"id": "t1", "data": 1, "queue": "letters"}})
    top = terminal(NETCTL, "--socket", daemon.control_path, "top", "--interval", "100ms")
    top.wait_for(lambda s: s.startswith("netd ") and "all is well" in s, "the first line")
    top.wait_for(lambda s: order(s) == ["alpha", "beta"], "the listeners")
    assert max(map(len, top.screen().splitlines())) <= 80

    with daemon.connect("alpha") as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        top.wait_for(lambda s: "1 connections" in s, "the connection in the summary")
        top.keys("2")
        top.wait_for(lambda s: "CLIENT" in s and f"127.0.0.1:{client.getsockname()[1]}" in s,
                     "the connection in its table")
    top.keys("Tab")
    top.wait_for(lambda s: "letters" in s and "CONSUMERS" in s, "the queues")
    top.keys("1")
    top.keys("r")
    top.wait_for(lambda s: order(s) == ["beta", "alpha"], "the other order")
    top.keys("/", "b", "e", "t", "Enter")
    top.wait_for(lambda s: order(s) == ["beta"], "the filter")
    top.keys("Escape")
    top.wait_for(lambda s: len(order(s)) == 2, "no filter")
    top.keys("h")
    top.wait_for(lambda s: "Any key goes back" in s, "the help")
    top.keys("x")
    top.wait_for(lambda s: "all is well" in s, "the table again")
    top.resize(50, 12)
    top.wait_for(lambda s: max(map(len, s.splitlines())) <= 50 and len(order(s)) == 2, "a small screen")
    daemon.control({"type": "drain", "listener": "beta"})
    top.wait_for(lambda s: "1 problem" in s, "what is wrong")
    top.keys("q")
    top.wait_for(lambda s: "ended with 0" in s, "the end")


def test_top_outlives_the_daemon(netd, terminal):
    daemon = netd(LISTENERS)
    top = terminal(NETCTL, "--socket", daemon.control_path, "top", "--interval", "100ms")
    top.wait_for(lambda s: "all is well" in s, "the first line")
    daemon.stop()
    top.wait_for(lambda s: "not running" in s, "word that it is gone")
    daemon.start()
    top.wait_for(lambda s: "all is well" in s, "word that it is back")
    top.keys("q")
    top.wait_for(lambda s: "ended with 0" in s, "the end")


def test_top_needs_a_terminal(netd):
    result = netd(LISTENERS).netctl("top")
    assert (result.returncode, result.stdout) == (2, "")
    assert "terminal" in result.stderr


@pytest.mark.parametrize("kind", ["dumb", "unknown", "no-such-kind", "", None])
def test_top_says_which_terminals_it_cannot_use(netd, terminal, kind):
    """Whatever would draw over itself there is refused, and stats --watch writes one below the other."""
    socket_path = netd(LISTENERS).control_path
    top = terminal(NETCTL, "--socket", socket_path, "top", variables={"TERM": kind})
    screen = top.wait_for(lambda s: "ended with" in s and s, "the end")
    assert "ended with 2" in screen and "stats --watch" in screen and "LISTENER" not in screen, screen


def test_watched_stats_on_a_terminal_that_cannot_clear_itself(netd, terminal):
    command = (NETCTL, "--socket", netd(LISTENERS).control_path, "stats", "--watch", "--interval", "50ms",
               "--count", "2")
    screen = terminal(*command, variables={"TERM": "dumb"}).wait_for(lambda s: "ended with" in s and s, "the end")
    assert screen.count("LISTENER") == 2 and "ended with 0" in screen


@pytest.mark.parametrize("size", [(40, 10), (20, 5), (10, 3), (300, 60)])
def test_top_on_small_and_large_screens(netd, terminal, size):
    top = terminal(NETCTL, "--socket", netd(LISTENERS).control_path, "top", "--interval", "100ms", size=size)
    top.wait_for(lambda s: s.startswith("netd 0."[:size[0]]), "the first line")
    if size[1] >= 10:
        top.wait_for(lambda s: order(s) == ["alpha", "beta"], "the listeners")
    top.keys("h")
    top.wait_for(lambda s: "Any key goes back"[:size[0]] in s, "the help, and how to leave it")
    top.keys("x")
    top.wait_for(lambda s: "Any key" not in s, "the table again")
    top.resize(80, 24)
    top.wait_for(lambda s: order(s) == ["alpha", "beta"], "the listeners on a screen that has grown")
    top.keys("C-c")
    top.wait_for(lambda s: "ended with 0" in s, "the end")


def test_listeners_on_narrow_terminals(netd, terminal):
    many = "[listener alpha]\nprotocol = echo\n" + 3 * "listen = tcp:127.0.0.1:0\n"
    command = (NETCTL, "--socket", netd(many).control_path, "listeners")
    screen = terminal(*command).wait_for(lambda s: "ended with 0" in s and s, "the end")
    lines = screen.splitlines()
    assert lines[0].startswith("LISTENER") and lines[0].endswith("OUT") and lines[1].startswith("alpha ")
    assert [line[:16] for line in lines[2:5]] == ["  tcp:127.0.0.1:"] * 3, screen
    screen = terminal(*command, size=(160, 24)).wait_for(lambda s: "ended with 0" in s and s, "the end")
    assert screen.splitlines()[1].count("tcp:127.0.0.1:") == 3


@pytest.mark.parametrize("locale, symbols", [("C.UTF-8", True), ("C", False), ("de_DE.ISO-8859-1", False)])
def test_symbols_are_of_the_locale(netd, terminal, locale, symbols):
    """Times, sparklines and histograms in ASCII where there is nothing else, on a terminal or not; and
    what others send has no byte there that could be a control."""
    daemon = netd("[listener echo]\nprotocol = echo\nlisten = tcp:127.0.0.1:0\n"
                  "[listener greet]\nprotocol = greet\nlisten = tcp:127.0.0.1:0\nmessage = \u2e9b\\r\\n\n")
    daemon.control({"type": "produce", "task": {"id": "grüße", "data": 1}})
    measure = f"{NETCTL} latency -c 20 -i 1ms 127.0.0.1:{daemon.port('echo')} | cat"
    result = subprocess.run(["sh", "-c", measure], capture_output=True, timeout=DEADLINE, check=True,
                            env={**os.environ, "LC_ALL": locale})
    assert result.stdout.isascii() != symbols and result.stderr == b""
    assert ("█" if symbols else "#") in result.stdout.decode()
    script = (f"{NETCTL} latency -c 20 -i 1ms 127.0.0.1:{daemon.port('echo')}; "
              f"{NETCTL} --socket {daemon.control_path} task list; "
              f"{NETCTL} connect 127.0.0.1:{daemon.port('greet')} < /dev/null")
    screen = terminal("sh", "-c", script, size=(80, 50), variables={"LC_ALL": locale}).wait_for(
        lambda s: "ended with 0" in s and s, "the end")
    assert screen.isascii() != symbols, screen
    assert ("grüße" if symbols else "gr\\xc3\\xbc\\xc3\\x9fe") in screen
    assert ("\u2e9b" if symbols else "\\xe2\\xba\\x9b") in screen


def test_figures_fit_a_terminal(netd, terminal):
    """A table that is too wide is turned: no line wraps, and nothing is cut."""
    daemon = netd("[listener echo]\nprotocol = echo\nlisten = tcp:127.0.0.1:0\n")
    target = f"127.0.0.1:{daemon.port('echo')}"
    script = f"{NETCTL} latency -c 3 -i 1ms {target} echo:{target}; {NETCTL} throughput -t 0.1 {target}"
    screen = terminal("sh", "-c", script, size=(80, 50)).wait_for(lambda s: "ended with 0" in s and s, "the end")
    first = [line.split()[0] for line in screen.splitlines() if line.strip()]
    assert first[:11] == ["TARGET", "KIND", "SENT", "LOST", "MIN", "MEAN", "MEDIAN", "P90", "P99", "MAX", "STDDEV"]
    assert "VERIFIED" in first


class Lines(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(b"ECHO: " + line)


def test_interactive_echo(terminal):
    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Lines) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01},
                         daemon=True).start()
        echo = terminal(NETCTL, "echo", f"127.0.0.1:{server.server_address[1]}")
        echo.wait_for(lambda s: "connected to" in s and s.rstrip().endswith(">"), "the prompt")
        echo.keys("h", "e", "l", "o", "Left", "l", "Enter")  # edited in the middle
        echo.wait_for(lambda s: "ECHO: hello" in s, "the echo")
        echo.keys("Up", "Enter")  # from the history
        echo.wait_for(lambda s: s.count("ECHO: hello") == 2, "the second echo")
        echo.keys("C-d")
        echo.wait_for(lambda s: "ended with 0" in s, "the end")
        server.shutdown()


def test_status_fits_one_screen(netd, terminal):
    """Lines that wrap count as the rows that they take."""
    many = "".join(f"[listener l{number:02}]\nprotocol = greet\nlisten = tcp:127.0.0.1:0\n"
                   for number in range(30))
    gone = "".join(f"instance = unix:/tmp/a-name-that-is-quite-a-bit-longer-than-others/{number}\n"
                   for number in range(3))
    daemon = netd(many + f"[service app]\nhealth_interval = 1s\n{gone}")
    until(lambda: all(one["state"] == "unhealthy" for one in daemon.status()["services"][0]["instances"]),
          "the instances to be unhealthy")
    status = terminal("sh", "-c", f"{NETCTL} --socket {daemon.control_path} status; read prompt")
    screen = status.wait_for(lambda s: "more (netctl listeners)" in s and s, "the end")
    assert screen.startswith("netd "), "nothing has scrolled away"
    assert "127.0.0.1:" in screen, "where the listeners are is seen"


HOSTILE = b"\x1b]0;owned\x07\x1b[2J\xc2\x9b31m one\ttwo\r\n"


def test_what_peers_say_steers_no_terminal(terminal):
    """A client's output on a terminal: over HTTP, head and body, and as a stream."""
    def serve():
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                if connection.recv(4096).startswith(b"GET"):
                    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Bad: a\x1b[31mb\r\n\r\n")
                connection.sendall(HOSTILE)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, daemon=True).start()
        target = f"127.0.0.1:{listening.getsockname()[1]}"
        script = (f"{NETCTL} http -i http://{target}/; echo hi | {NETCTL} connect {target}; "
                  f"echo hi | {NETCTL} echo {target}")
        screen = terminal("sh", "-c", script).wait_for(lambda s: "ended with" in s and s, "the end")
        assert screen.count("\\x1b]0;owned\\x07\\x1b[2J\\x9b31m one") >= 2, screen
        assert "X-Bad: a\\x1b[31mb" in screen
        listening.shutdown(socket.SHUT_RDWR)


def test_connect_typed_by_hand(terminal):
    """What is typed and what comes back, and nothing between them; Ctrl-D is the end."""
    def serve():
        with listening.accept()[0] as connection:
            while data := connection.recv(4096):
                connection.sendall(data.upper())

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, daemon=True).start()
        connect = terminal(NETCTL, "connect", f"127.0.0.1:{listening.getsockname()[1]}")
        for number, word in enumerate(("one", "two", "three"), 1):
            connect.keys(word, "Enter")
            connect.wait_for(lambda s, n=number: len(s.split()) == 2 * n, "the answer")
        connect.keys("C-d")
        screen = connect.wait_for(lambda s: "ended with 0" in s and s, "the end")
        assert screen.split()[:6] == ["one", "ONE", "two", "TWO", "three", "THREE"]
