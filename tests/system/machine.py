"""A Debian with a real systemd as its first process, in a container, and netd installed in it."""

import contextlib
import ctypes
import functools
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading

import netd_process

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Only what a build makes is kept here: the base is fetched once for each build folder.
WORK = ROOT / "build" / "system"
BUILD = pathlib.Path(os.environ.get("NETD_BUILD", ROOT / "build" / "release"))
TOOLS = ("mmdebstrap", "systemd-nspawn", "nsenter", "dpkg-buildpackage", "dh")
DEADLINE = 30.0
CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


class NoMachine(Exception):
    """This host cannot run the container; the message says why."""


def until(found, what, timeout=DEADLINE):
    return netd_process.until(found, what, timeout)


def run(*command, check=True, timeout=300, **options):
    done = subprocess.run([str(part) for part in command], text=True, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=timeout, check=False, **options)
    if check and done.returncode != 0:
        raise AssertionError(f"{command} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def build_packages(folder):
    """The .deb files, with the programs of the release build."""
    run(ROOT / "packaging" / "build-deb", "--prebuilt", BUILD, folder)
    return folder


@functools.cache
def built_packages():
    """The .deb files that all tests share."""
    return build_packages(WORK / "packages")


class Machine:
    """The container. Everything in it is run as its root."""

    def __init__(self):
        if os.geteuid() != 0:
            raise NoMachine("it takes root")
        missing = [tool for tool in TOOLS if not shutil.which(tool)]
        if missing:
            raise NoMachine(f"{', '.join(missing)} not installed (packaging/install-build-deps system)")
        self.root = WORK / "root"
        self._nspawn = None
        self.leader = 0

    # ---- From nothing to a running system.

    def prepare(self):
        """A fresh root with the package's dependencies ready to be installed without a network."""
        WORK.mkdir(parents=True, exist_ok=True)
        self.clean()
        self.packages = built_packages()
        self._lay_over(self._base())
        shutil.copy(self.deb(), self.root / "netd.deb")

    def _lay_over(self, base):
        """What the container writes stays in memory."""
        scratch = WORK / "scratch"
        for folder in (self.root, scratch):
            folder.mkdir(exist_ok=True)
        with self._said_as_missing("the root cannot be mounted"):
            run("mount", "-t", "tmpfs", "-o", "size=1g,mode=0755", "tmpfs", scratch)
            (scratch / "upper").mkdir()
            (scratch / "work").mkdir()
            run("mount", "-t", "overlay", "-o",
                f"lowerdir={base},upperdir={scratch}/upper,workdir={scratch}/work", "overlay", self.root)

    def clean(self):
        for folder in (self.root, WORK / "scratch"):
            if folder.is_mount():
                run("umount", "--lazy", folder, check=False)

    def deb(self):
        return next(path for path in self.packages.glob("netd_*.deb"))

    def _base(self):
        base = WORK / "base"
        if not (base / "ready").exists():
            shutil.rmtree(base, ignore_errors=True)
            with self._said_as_missing("no Debian to boot"):
                run("mmdebstrap", "--quiet", "--variant=minbase", "--skip=cleanup/apt",
                    "--include=systemd,systemd-sysv,dbus,ca-certificates", "bookworm", base)
        # Nothing is fetched when it is there already.
        shutil.copy(self.deb(), base / "netd.deb")
        with self._said_as_missing("the dependencies cannot be fetched"):
            run("chroot", base, "apt-get", "-q", "-y", "--no-install-recommends", "--download-only",
                "install", "/netd.deb", env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
        (base / "ready").touch()
        return base

    @staticmethod
    @contextlib.contextmanager
    def _said_as_missing(what):
        try:
            yield
        except (AssertionError, subprocess.TimeoutExpired) as failure:
            lines = [line for line in str(failure).splitlines() if line.strip()]
            raise NoMachine(f"{what}: {lines[-1] if lines else failure}") from failure

    def boot(self):
        log = open(WORK / "console.log", "wb")
        self._nspawn = subprocess.Popen(
            ["systemd-nspawn", "--quiet", "-D", self.root, "--boot", "--register=no", "--keep-unit",
             "--private-network", "--console=pipe", "--timezone=off", "--machine=netd-test"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self.leader = until(self._find_leader, "the container's first process")
            until(lambda: self.run("systemctl", "is-system-running", check=False).stdout.strip()
                  in ("running", "degraded"), "the container to be up")
        except AssertionError as failure:
            console = (WORK / "console.log").read_text(errors="replace").strip()
            raise NoMachine(f"systemd-nspawn does not boot here: {failure}; "
                            f"{console[-300:]}") from failure

    def _find_leader(self):
        if self._nspawn.poll() is not None:
            raise AssertionError(f"systemd-nspawn ended with {self._nspawn.returncode}")
        left = [self._nspawn.pid]
        while left:
            pid = left.pop()
            with contextlib.suppress(OSError):
                status = pathlib.Path(f"/proc/{pid}/status").read_text()
                numbers = next(line for line in status.splitlines()
                               if line.startswith("NSpid:")).split()[1:]
                if len(numbers) > 1 and numbers[-1] == "1":
                    return pid
                children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
                left += [int(child) for child in children.split()]
        return 0

    def shut_down(self):
        if self._nspawn and self._nspawn.poll() is None:
            # Its first process gone, all the others are killed; a proper shutdown takes a minute.
            if self.leader:
                os.kill(self.leader, signal.SIGKILL)
            else:
                self._nspawn.terminate()
            try:
                self._nspawn.wait(20)
            except subprocess.TimeoutExpired:
                self._nspawn.kill()
                self._nspawn.wait()
        self.clean()

    # ---- In it.

    def run(self, *command, **options):
        return run("nsenter", "-t", self.leader, "-a", "--", "env", "-i",
                   "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=/root",
                   "DEBIAN_FRONTEND=noninteractive", "SYSTEMD_PAGER=", "TZ=UTC", *command, **options)

    def shell(self, script, **options):
        return self.run("sh", "-c", script, **options)

    def systemctl(self, *arguments, **options):
        return self.run("systemctl", *arguments, **options)

    def show(self, name, unit="netd.service"):
        return self.systemctl("show", "--value", "-p", name, unit).stdout.strip()

    def journal(self, *arguments):
        self.run("journalctl", "--sync")
        return self.run("journalctl", "--no-pager", "-q", *arguments, check=False).stdout

    def main_pid(self):
        """netd's number as this host counts, or 0."""
        inner = self.show("MainPID")
        if inner == "0":
            return 0
        for status in pathlib.Path("/proc").glob("[0-9]*/status"):
            with contextlib.suppress(OSError):
                text = status.read_text()
                if text.startswith("Name:\tnetd\n") and f"\t{inner}\n" in text[text.find("NSpid:"):]:
                    if os.stat(status.parent / "ns/pid") == os.stat(f"/proc/{self.leader}/ns/pid"):
                        return int(status.parent.name)
        return 0

    def write(self, path, text):
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def read(self, path):
        return (self.root / path.lstrip("/")).read_text()

    # ---- Its network.

    @contextlib.contextmanager
    def network(self):
        """Sockets that this thread makes are the container's."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        inside = os.open(f"/proc/{self.leader}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            assert LIBC.setns(inside, CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
            yield
        finally:
            assert LIBC.setns(before, CLONE_NEWNET) == 0
            os.close(before)
            os.close(inside)

    def connect(self, port, timeout=DEADLINE):
        with self.network():
            return socket.create_connection(("127.0.0.1", port), timeout)

    def http_get(self, target="/livez", port=8080):
        with self.connect(port) as client:
            client.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while part := client.recv(65536):
                answer += part
        return answer

    def smtp(self, *lines, port=2525):
        """The first line of the greeting and of the answer to each of `lines`."""
        answers = []
        with self.connect(port) as client:
            stream = client.makefile("rwb")
            answers.append(stream.readline().decode())
            for line in lines:
                stream.write(line.encode() + b"\r\n")
                stream.flush()
                answers.append(stream.readline().decode())
        return answers

    def load(self, *kinds):
        return Load(self, kinds or ("http", "http", "kept", "echo"))


class Load:
    """Clients that come without a pause, each kind in a thread of its own, until the block ends."""

    def __init__(self, machine, kinds):
        self._machine = machine
        self._stop = threading.Event()
        self.answered = 0
        self.faults = []
        self._threads = [threading.Thread(target=self._run, args=(kind,)) for kind in kinds]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        until(lambda: self.answered > 20 or self.faults, "the load to begin")
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, kind):
        with self._machine.network():
            while not self._stop.is_set():
                try:
                    getattr(self, f"_{kind}")()
                    self.answered += 1
                except (OSError, AssertionError) as fault:
                    self.faults.append(f"{kind}: {fault!r}")

    def _http(self):
        with socket.create_connection(("127.0.0.1", 8080), DEADLINE) as client:
            client.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = client.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200 "), answer

    def _kept(self):
        """Requests on one connection until it is closed, which may happen between two of them."""
        with socket.create_connection(("127.0.0.1", 8080), DEADLINE) as client:
            for number in range(100):
                try:
                    client.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
                    answer = client.recv(65536)
                except (BrokenPipeError, ConnectionResetError):
                    assert number > 0, "reset before an answer"
                    return
                assert answer or number > 0, "closed before an answer"
                if not answer or b"onnection: close" in answer:
                    return
                self.answered += 1

    def _echo(self):
        with socket.create_connection(("127.0.0.1", 50007), DEADLINE) as client:
            client.sendall(b"hello")
            answer = client.recv(100)
            assert answer == b"hello", answer


class FrozenThread:
    """Stops the one thread of `pid` that is called `name`; SIGSTOP would stop all of them."""

    def __init__(self, pid, name):
        self._number = next(int(task.name) for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
                            if (task / "comm").read_text().strip() == name)
        seize, interrupt = 0x4206, 0x4207
        for request in (seize, interrupt):
            assert LIBC.ptrace(request, self._number, 0, 0) == 0, os.strerror(ctypes.get_errno())
        until(lambda: "(tracing stop)" in
              pathlib.Path(f"/proc/{self._number}/status").read_text(), "the thread to stop")

    def reap(self):
        """A process does not end before its traced threads have been waited for."""
        wait_all = 0x40000000
        with contextlib.suppress(OSError):
            os.waitpid(self._number, os.WNOHANG | wait_all)


def stop_process(pid):
    """No thread of it moves when this returns; kill() alone comes back before that."""
    os.kill(pid, signal.SIGSTOP)
    until(lambda: all("\nState:\tT" in (task / "status").read_text()
                      for task in pathlib.Path(f"/proc/{pid}/task").iterdir()), "it to stop")
