"""The real netd, run from a build tree with everything it touches in one temporary folder.

Every wait here ends when the thing waited for has happened; the times are only how long a broken
netd may take before the test gives up.
"""

import contextlib
import grp
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("NETD_BUILD", ROOT / "build" / "release"))
NETD = BUILD / "daemon" / "netd"
NETCTL = BUILD / "ctl" / "netctl"

# "address" or "thread" when tests/run runs an instrumented build.
SANITIZER = os.environ.get("NETD_SANITIZER", "")
PATIENCE = 6.0 if SANITIZER else 1.0
DEADLINE = 10.0 * PATIENCE

# What a service manager or pytest around this process means for itself only.
FOREIGN = ("NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_USEC",
           "WATCHDOG_PID", "JOURNAL_STREAM", "PYTEST_CURRENT_TEST")

SANITIZER_REPORT = re.compile(r"(Address|Leak|Thread|Memory|UndefinedBehavior)Sanitizer|runtime error:")


def exchange(connection, data=b"ping"):
    connection.sendall(data)
    received = b""
    while len(received) < len(data):
        more = connection.recv(65536)
        assert more, f"closed after {received!r}"
        received += more
    assert received == data


def at_end(connection):
    """Whether the peer has closed: waits for it."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def until(condition, what, timeout=DEADLINE):
    """Calls `condition` until it returns something true, and returns that."""
    end = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < end, f"waited {timeout:.0f} s in vain for {what}"
        select.select((), (), (), 0.005)


class NotifySocket:
    """The service manager's end of sd_notify(3): keeps every message, and with `store` every
    descriptor, too, as one with FileDescriptorStoreMax= does."""

    def __init__(self, path, store=False):
        self.path = str(path)
        self.store = store
        self.descriptors = {}  # the descriptor store: name -> descriptors
        self._messages = []
        self._changed = threading.Condition()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.bind(self.path)
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def _receive(self):
        while True:
            try:
                data, ancillary, _, _ = self._socket.recvmsg(65536, socket.CMSG_SPACE(4 * 256))
            except OSError:
                return
            if not data:
                return
            message = dict(line.split("=", 1) for line in data.decode().splitlines() if "=" in line)
            received = []
            for level, kind, content in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    received += [int.from_bytes(content[i:i + 4], "little")
                                 for i in range(0, len(content) - 3, 4)]
            if not self.store or message.get("FDSTORE") != "1":
                for descriptor in received:
                    os.close(descriptor)
            with self._changed:
                if not self.store:
                    pass
                elif message.get("FDSTORE") == "1":
                    self.descriptors.setdefault(message.get("FDNAME", "stored"), []).extend(received)
                elif message.get("FDSTOREREMOVE") == "1":
                    for descriptor in self.descriptors.pop(message.get("FDNAME"), []):
                        os.close(descriptor)
                self._messages.append((time.monotonic(), message))
                self._changed.notify_all()

    def messages(self):
        with self._changed:
            return [message for _, message in self._messages]

    def mark(self):
        """Where to start looking: what came before is not counted by wait_for(since=...)."""
        with self._changed:
            return len(self._messages)

    def wait_for(self, assignment, since=0, timeout=DEADLINE):
        """The first message with `assignment` ("READY=1", or a name alone) after `since`."""
        name, _, value = assignment.partition("=")

        def find():
            for _, message in self._messages[since:]:
                if name in message and (not value or message[name] == value):
                    return message
            return None

        with self._changed:
            assert self._changed.wait_for(find, timeout), (
                f"no {assignment} within {timeout:.0f} s; got {self._messages[since:]}")
            return find()

    def close(self):
        # A thread in recvmsg() does not notice that its socket is closed; an empty message ends it.
        with contextlib.suppress(OSError):
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
                last.sendto(b"", self.path)
            self._thread.join(5)
        self._socket.close()
        for descriptors in self.descriptors.values():
            for descriptor in descriptors:
                os.close(descriptor)
        self.descriptors.clear()


class Control:
    """A connection to the control socket: one JSON object out, one line back."""

    def __init__(self, path, timeout=DEADLINE):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        try:
            self.socket.connect(str(path))
        except OSError:
            self.socket.close()
            raise
        self._buffer = b""

    def send(self, request):
        text = request if isinstance(request, bytes) else json.dumps(request).encode() + b"\n"
        self.socket.sendall(text)

    def receive(self):
        """The next answer, or None at the end of the stream."""
        while b"\n" not in self._buffer:
            data = self.socket.recv(1 << 16)
            if not data:
                assert not self._buffer, f"half an answer: {self._buffer!r}"
                return None
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        return json.loads(line)

    def ask(self, request):
        self.send(request)
        return self.receive()

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Netd:
    """One netd. `config` is what follows the sections that give every path a place in `folder`;
    "{dir}" in it stands for that folder. A section that it has itself is not added."""

    def __init__(self, folder, config="", *, workers=1, environment=None, limits=(), descriptors=(),
                 notify=True, watchdog_usec=None, sections=True, wrapper=()):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.workers = workers
        self.sections = sections
        self.config_path = self.folder / "netd.conf"
        self.control_path = self.folder / "control.sock"
        self.fifo_path = self.folder / "control.fifo"
        self.reply_fifo_path = self.folder / "reply.fifo"
        self.stderr_path = self.folder / "stderr"
        self.write_config(config)
        self.notify = NotifySocket(self.folder / "notify") if notify else None
        self.process = None
        self.expect_clean = True  # False once a test has killed it on purpose
        self._environment = dict(environment or {})
        self._limits = tuple(limits)
        self._descriptors = tuple(descriptors)
        self._watchdog_usec = watchdog_usec
        self._wrapper = tuple(wrapper)  # words in front of its own, that end in an exec

    # ---- Configuration and start.

    def write_config(self, config):
        """Replaces the configuration on disk; netd hears of it by reload()."""
        defaults = {
            "netd": f"workers = {self.workers}\nhostname = netd.example.org\n"
                    "log_level = debug\ndrain_timeout = 5s\n",
            "control": "socket = {dir}/control.sock\nfifo = {dir}/control.fifo\n"
                       "reply_fifo = {dir}/reply.fifo\n"
                       f"group = {own_group()}\n",
            "tasks": "path = {dir}/tasks\n",
        }
        text = ""
        for name, lines in defaults.items():
            if self.sections and not re.search(rf"^\[{name}\]", config, re.MULTILINE):
                text += f"[{name}]\n{lines}\n"
        text += config
        for name in re.findall(r"\{dir\}/(www|captures)\b", text):  # must be there beforehand
            (self.folder / name).mkdir(exist_ok=True)
        text = text.replace("{dir}", str(self.folder))
        replacement = self.folder / "netd.conf.new"
        replacement.write_text(text)
        replacement.rename(self.config_path)

    def command(self, *arguments):
        command = [str(NETD), "-c", str(self.config_path), *arguments]
        if self._limits:
            command = ["prlimit", *self._limits, *command]
        return [*self._wrapper, *command]

    def environment(self):
        environment = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        environment.update(self._environment)
        if self.notify:
            environment["NOTIFY_SOCKET"] = self.notify.path
        return environment

    def run(self, *arguments, timeout=DEADLINE):
        """Runs netd to its end, for --check and for starts that must fail."""
        return subprocess.run(self.command(*arguments), env=self.environment(), text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout,
                              check=False)

    def start(self, wait=True, descriptors=None):
        assert self.process is None or self.process.poll() is not None, "it runs already"
        if descriptors is not None:
            self._descriptors = tuple(descriptors)
        since = self.notify.mark() if self.notify else 0
        command, environment = self.command(), self.environment()
        if self._watchdog_usec:
            # The watchdog is meant for one process; only a shell knows its number before netd does.
            environment["WATCHDOG_USEC"] = str(self._watchdog_usec)
            command = ["bash", "-c", 'export WATCHDOG_PID=$$; exec "$@"', "bash", *command]
        if self._descriptors:
            names = ":".join(name for name, _ in self._descriptors)
            moves = " ".join(f"{3 + i}<&{fd}" for i, (_, fd) in enumerate(self._descriptors))
            environment["LISTEN_FDS"] = str(len(self._descriptors))
            environment["LISTEN_FDNAMES"] = names
            command = ["bash", "-c", f'export LISTEN_PID=$$; exec "$@" {moves}', "bash", *command]
        with open(self.stderr_path, "ab") as stderr:
            self.process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr,
                pass_fds=[fd for _, fd in self._descriptors], cwd=self.folder)
        if wait:
            self.wait_ready(since)
        return self

    def wait_ready(self, since=0):
        def ready():
            assert self.process.poll() is None, (
                f"netd ended with {self.process.returncode} instead of starting:\n{self.log()}")
            if self.notify:
                return any(m.get("READY") == "1" for m in self.notify.messages()[since:])
            with contextlib.suppress(OSError):
                Control(self.control_path).close()
                return True
            return False

        until(ready, "netd to be ready")

    # ---- While it runs.

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        """All that it has written to standard error so far."""
        return self.stderr_path.read_text(errors="replace") if self.stderr_path.exists() else ""

    def wait_for_log(self, pattern, timeout=DEADLINE):
        return until(lambda: re.search(pattern, self.log()), f"{pattern!r} in the log:\n{self.log()}",
                     timeout)

    def connect_control(self, timeout=DEADLINE):
        return Control(self.control_path, timeout)

    def control(self, request):
        with self.connect_control() as control:
            return control.ask(request)

    def status(self):
        answer = self.control({"type": "status"})
        assert answer["status"] == "ok", answer
        return answer

    def listener(self, name):
        """One listener as `status` describes it."""
        for listener in self.status()["listeners"]:
            if listener["name"] == name:
                return listener
        raise AssertionError(f"no listener {name}")

    def addresses(self, name, transport="tcp"):
        """(host, port) of every tcp or udp address of a listener, with the ports chosen for 0."""
        found = []
        for text in self.listener(name)["addresses"]:
            kind, rest = text.split(":", 1)
            if kind == transport:
                host, port = rest.rsplit(":", 1)
                found.append((host.strip("[]"), int(port)))
        return found

    def port(self, name, transport="tcp"):
        return self.addresses(name, transport)[0][1]

    def connect(self, name, timeout=DEADLINE):
        """A TCP connection to the first address of a listener."""
        return socket.create_connection(self.addresses(name)[0], timeout=timeout)

    def netctl(self, *arguments, timeout=DEADLINE, **options):
        return subprocess.run([str(NETCTL), "--socket", str(self.control_path), *arguments],
                              stdin=options.pop("stdin", None if "input" in options
                                                else subprocess.DEVNULL),
                              text=options.pop("text", True), capture_output=True, timeout=timeout,
                              check=False, **options)

    def reload(self, config=None):
        """Asks for a reload over the control socket and returns the answer."""
        if config is not None:
            self.write_config(config)
        return self.control({"type": "reload"})

    def signal(self, number):
        self.process.send_signal(number)

    def cpu_seconds(self):
        """User and system time that the process has used."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def open_descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def resident_bytes(self):
        pages = pathlib.Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    # ---- The end.

    def wait(self, timeout=DEADLINE):
        """Its exit status, when it has ended by itself or by a signal sent before."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"netd does not end:\n{self.log()}") from None

    def stop(self, timeout=DEADLINE):
        self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def kill(self):
        """What a crash or the kernel's memory killer does."""
        self.expect_clean = False
        self.process.kill()
        self.process.wait()

    def finish(self):
        """Teardown: it must still be well, end cleanly and leave nothing behind."""
        try:
            if self.process is not None and self.process.poll() is None:
                self.signal(signal.SIGTERM)
                try:
                    self.process.wait(DEADLINE)
                except subprocess.TimeoutExpired:
                    self.process.kill()
                    self.process.wait()
                    raise AssertionError(f"netd did not stop on SIGTERM:\n{self.log()}") from None
        finally:
            if self.notify:
                self.notify.close()
        assert not SANITIZER_REPORT.search(self.log()), self.log()
        if self.process is not None and self.expect_clean:
            assert self.process.returncode == 0, f"exit {self.process.returncode}:\n{self.log()}"
            assert not self.control_path.exists(), "the control socket was left behind"
        # pytest keeps the folders of three runs, and each task store has set 43 megabytes aside.
        shutil.rmtree(self.folder / "tasks", ignore_errors=True)


def own_group():
    """The name of this process's group, which the configuration under test lets steer."""
    try:
        return grp.getgrgid(os.getgid()).gr_name
    except KeyError:
        return str(os.getgid())
