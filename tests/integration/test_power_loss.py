"""Mail and tasks that were acknowledged outlive a loss of power, on real file systems.

netd's files are on a loop device whose disk has a cache: what was not flushed when the power goes is
there or not, as chance has it, sector by sector (tests/support/volatile_disk.c)."""

import contextlib
import os
import random
import shutil
import subprocess
import threading

import netd_process
import pytest
from netd_process import Control, until
from numbered_mail import Sender, keys_in

# How often the power fails on each file system; NETD_CRASHES=200 for the long form.
LOSSES = int(os.environ.get("NETD_CRASHES", "2"))
MIB = 1 << 20

# How each is made, and bytes of the disk. (Without a journal ext4 itself may lose names that were on
# disk, where it moves them between blocks of a folder.)
FILE_SYSTEMS = {"ext4": (["mkfs.ext4", "-q"], 64 * MIB), "xfs": (["mkfs.xfs", "-q"], 300 * MIB),
                "btrfs": (["mkfs.btrfs", "-q"], 128 * MIB)}


CONFIG = """\
[tasks]
path = {disk}/tasks
[listener mail]
protocol = smtp
listen = tcp:127.0.0.1:0
maildir = {disk}/mail
domains = example.org
"""


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


@pytest.fixture(scope="session")
def volatile_disk(tmp_path_factory):
    if os.geteuid() != 0:
        pytest.skip("file systems are mounted by root")
    for needed in ("/dev/fuse", "/dev/loop-control"):
        if not os.access(needed, os.W_OK):
            pytest.skip(f"no {needed}")
    program = tmp_path_factory.mktemp("disk") / "volatile_disk"
    source = netd_process.ROOT / "tests" / "support" / "volatile_disk.c"
    if subprocess.run(["pkg-config", "fuse3"], check=False).returncode != 0:
        pytest.skip("no libfuse3-dev")
    flags = run("pkg-config", "--cflags", "--libs", "fuse3").split()
    run("cc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, source, *flags)
    return program


class Disk:
    """A file system on a disk whose power can fail."""

    def __init__(self, folder, program, kind):
        self.mkfs, self.size = FILE_SYSTEMS[kind]
        if shutil.which(self.mkfs[0]) is None:
            pytest.skip(f"no {self.mkfs[0]}")
        self.folder = folder / "mnt"
        self.folder.mkdir()
        self.program = program
        self.image = folder / "image"
        self.numbers = iter(range(1_000_000))
        self.undo = contextlib.ExitStack()
        self.plug_in(None)
        run(*self.mkfs, self.device)
        run("mount", self.device, self.folder)

    def plug_in(self, content):
        """A disk of which all of `content` is on the platter."""
        where = self.image.with_name(f"disk{next(self.numbers)}")
        where.mkdir()
        server = subprocess.Popen([str(self.program), str(where), str(self.size)])
        self.undo.callback(server.wait)
        self.undo.callback(server.kill)
        self.undo.callback(subprocess.run, ["umount", "-l", str(where)], check=False)
        self.backing = where / "disk"
        until(self.backing.exists, "the disk")
        if content is not None:
            run("dd", f"if={content}", f"of={self.backing}", "bs=1M", "conv=notrunc,fsync,sparse", "status=none")
        self.device = run("losetup", "--find", "--show", self.backing)
        self.undo.callback(subprocess.run, ["losetup", "-d", self.device], check=False)
        self.undo.callback(self.unmount)

    def unmount(self):
        if os.path.ismount(self.folder):
            run("umount", self.folder)

    def lose_power(self):
        """Takes what a loss of power would leave just now. The disk goes on until restart()."""
        run("cp", self.backing.with_name("after-a-loss"), self.image)

    def restart(self):
        self.undo.close()
        self.undo = contextlib.ExitStack()
        self.plug_in(self.image)
        run("mount", self.device, self.folder)


@pytest.fixture
def disk(tmp_path, volatile_disk, request):
    one = Disk(tmp_path, volatile_disk, request.param)
    yield one
    one.undo.close()


class Worker(threading.Thread):
    """Produces tasks and does every other one, until it is cut off."""

    def __init__(self, path, name):
        super().__init__(daemon=True)
        self.path = path
        self.name = name
        self.produced = []
        self.asked_done = set()
        self.done = []

    def run(self):
        with contextlib.suppress(OSError, AssertionError, TypeError), Control(self.path) as control:
            for number in range(1_000_000):
                identifier = f"{self.name}-{number}"
                task = {"id": identifier, "queue": "power", "data": "x" * random.choice([10, 5000])}
                assert control.ask({"type": "produce", "task": task})["status"] == "queued"
                self.produced.append(identifier)
                if number % 2:
                    taken = control.ask({"type": "consume", "queue": "power", "lease": 1000})["task"]["id"]
                    self.asked_done.add(taken)
                    assert control.ask({"type": "done", "id": taken})["status"] == "ok"
                    self.done.append(taken)


def tasks_left(path):
    left = []
    with Control(path) as control:
        while True:
            answer = control.ask({"type": "consume", "queue": "power", "wait": 0})
            if answer["status"] == "empty":
                return left
            left.append(answer["task"]["id"])


@pytest.mark.slow
@pytest.mark.skipif(bool(netd_process.SANITIZER), reason="it is the disk that is tested, not the code")
@pytest.mark.parametrize("disk", FILE_SYSTEMS, indirect=True)
def test_a_loss_of_power(disk, netd):
    # The disk comes first, so that it goes last.
    daemon = netd(CONFIG.format(disk=disk.folder))
    pause = random.Random(1)
    acknowledged = []
    for loss in range(LOSSES):
        senders = [Sender(daemon.addresses("mail")[0], f"{loss}-{number}") for number in range(8)]
        workers = [Worker(daemon.control_path, f"{loss}-{number}") for number in range(4)]
        for client in senders + workers:
            client.start()
        until(lambda: all(sender.acknowledged for sender in senders), "mail to be accepted")
        until(lambda: all(worker.done for worker in workers), "tasks to be done")
        threading.Event().wait(pause.uniform(0, 0.3))  # a moment of its own each time
        acknowledged += [key for sender in senders for key in list(sender.acknowledged)]
        produced = {task for worker in workers for task in list(worker.produced)}
        done = {task for worker in workers for task in list(worker.done)}
        disk.lose_power()
        daemon.kill()
        for client in senders + workers:
            client.join(netd_process.DEADLINE)
        disk.restart()
        daemon.start()
        daemon.expect_clean = True
        check_mail(disk.folder / "mail" / "example.org", acknowledged)
        left = tasks_left(daemon.control_path)
        assert len(left) == len(set(left))
        assert not done & set(left)
        assert produced - set(left) <= {task for worker in workers for task in worker.asked_done}
    assert daemon.stop() == 0  # before its disk goes


def check_mail(domain, acknowledged):
    found = {user: keys_in(file.read_bytes() for file in (domain / user / "new").iterdir()) for user in ("one", "two")}
    for key, users in acknowledged:
        for user in users:
            assert found[user][key] == 1, f"{key} is {found[user][key]} times in {user}'s mailbox"
    assert all(count == 1 for counts in found.values() for count in counts.values())
