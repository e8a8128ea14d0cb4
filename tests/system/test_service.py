"""The installed service under a real systemd: start, stop, restart, reload, crash, trouble."""

import json
import os
import re
import shutil
import time

import pytest
from conftest import CONFIG, DROP_IN
from machine import ROOT, FrozenThread, stop_process, until

RESTARTS = int(os.environ.get("NETD_RESTARTS", "50"))


def restarts(machine):
    return int(machine.show("NRestarts"))


def test_it_runs_on_loopback_when_it_is_installed(machine):
    assert machine.show("ActiveState") == "active"
    assert machine.systemctl("is-enabled", "netd").stdout.strip() == "enabled"
    assert machine.systemctl("is-enabled", "netd.socket", check=False).stdout.strip() == "disabled"
    assert machine.http_get().startswith(b"HTTP/1.1 200 ")
    status = json.loads(machine.run("netctl", "status", "--json").stdout)
    addresses = [address for one in status["listeners"] for address in one["addresses"]]
    assert addresses and all("127.0.0.1" in address or "[::1]" in address for address in addresses)


def test_the_packages_own_test_passes(machine):
    """packaging/debian/tests, as autopkgtest would run it."""
    target = machine.root / "netd-service-test"
    shutil.copy(ROOT / "packaging/debian/tests/service", target)
    try:
        machine.run("/netd-service-test")
    finally:
        target.unlink()


def test_files_have_the_owners_and_modes_of_the_contract(machine):
    shown = machine.shell("stat -c '%n %U:%G %a' /run/netd /run/netd/control.sock "
                          "/run/netd/control.fifo /run/netd/reply.fifo /var/lib/netd "
                          "/var/lib/netd/mail /var/lib/netd/tasks /etc/netd/netd.conf").stdout
    assert shown.splitlines() == [
        "/run/netd netd:netd 755", "/run/netd/control.sock netd:netd 660",
        "/run/netd/control.fifo netd:netd 660", "/run/netd/reply.fifo netd:netd 660",
        "/var/lib/netd netd:netd 750", "/var/lib/netd/mail netd:netd 750",
        "/var/lib/netd/tasks netd:netd 750", "/etc/netd/netd.conf root:root 644"]


# ---- Restart and reload.


def test_a_restart_refuses_nobody(machine):
    """The sockets wait at the service manager meanwhile."""
    assert int(machine.show("NFileDescriptorStore")) > 0
    with machine.load() as load:
        started = time.monotonic()
        for _ in range(RESTARTS):
            machine.systemctl("restart", "netd")
        taken = time.monotonic() - started
    assert load.faults == []
    assert load.answered > RESTARTS
    assert taken < RESTARTS * 2, "a restart is short"


def test_a_reload_refuses_nobody(machine):
    with machine.load() as load:
        for number in range(RESTARTS):
            machine.write("/etc/netd/conf.d/more.conf",
                          f"[listener more]\nprotocol = echo\nlisten = tcp:127.0.0.1:{2100 + number % 2}\n")
            done = machine.systemctl("reload", "netd", check=False)
            assert done.returncode == 0, machine.journal("-u", "netd", "-n", "40")
    assert load.faults == []
    assert machine.show("ActiveState") == "active"


# ---- What goes wrong.


def test_a_crash_loses_nothing_and_refuses_nobody(machine):
    for number in range(20):
        machine.run("netctl", "task", "add", f"crash-{number}", "1")
    count = restarts(machine)
    with machine.load() as load:
        before = machine.main_pid()
        killed = time.monotonic()
        os.kill(before, 9)
        until(lambda: restarts(machine) == count + 1 and machine.show("SubState") == "running",
              "the service to be back")
    # systemd reads the same clock, and is asked only when it is over.
    back = int(machine.show("ActiveEnterTimestampMonotonic")) / 1e6
    assert 0 < back - killed < 2
    # What was being answered at that moment is gone with the process; nobody else is.
    assert not [fault for fault in load.faults if "Refused" in fault]
    assert len(load.faults) <= 4, load.faults
    for number in range(20):
        assert machine.run("netctl", "task", "show", f"crash-{number}").returncode == 0


@pytest.mark.parametrize("what", ["everything", "netd-worker0"])
def test_the_watchdog_restarts_what_hangs(machine, what):
    machine.write(DROP_IN, "[Service]\nWatchdogSec=2s\nTimeoutAbortSec=1s\n")
    machine.systemctl("daemon-reload")
    machine.systemctl("restart", "netd")
    count, pid = restarts(machine), machine.main_pid()
    frozen = FrozenThread(pid, what) if what != "everything" else stop_process(pid)

    def is_back():
        if frozen:
            frozen.reap()
        return restarts(machine) > count and machine.show("SubState") == "running"

    until(is_back, "the watchdog to restart it")
    assert machine.http_get().startswith(b"HTTP/1.1 200 ")


def test_a_bad_configuration_refuses_a_reload_with_its_reasons(machine):
    machine.write(CONFIG, machine.shipped + "\n[listener broken]\nprotocol = ehco\n")
    before = machine.main_pid()
    refused = machine.systemctl("reload", "netd", check=False)
    assert refused.returncode != 0
    assert machine.main_pid() == before
    assert machine.http_get().startswith(b"HTTP/1.1 200 ")
    line = 2 + len(machine.shipped.splitlines())
    said = machine.journal("-u", "netd", "-n", "30", "-o", "cat")
    assert f"{CONFIG}:{line + 1}:" in said and "ehco" in said


def test_a_bad_configuration_at_start_is_78_and_not_tried_again(machine):
    machine.write(CONFIG, machine.shipped + "\n[listener broken]\nprotocol = ehco\n")
    assert machine.systemctl("restart", "netd", check=False).returncode != 0
    assert machine.show("ExecMainStatus") == "78"
    assert machine.show("SubState") == "failed"
    assert restarts(machine) == 0


MAIL = ("HELO me", "MAIL FROM:<a@example.org>", "RCPT TO:<b@example.org>", "DATA",
        "Subject: x\r\n\r\n" + ("x" * 70 + "\r\n") * 2000 + ".")


def test_a_full_disk_is_survived(machine):
    machine.systemctl("stop", "netd")
    machine.write("/etc/netd/conf.d/mail.conf", "")
    machine.write(CONFIG, re.sub(r"^#?domains = .*$", "domains = *", machine.shipped, count=1,
                                 flags=re.MULTILINE))
    machine.shell("mount -t tmpfs -o size=2m,mode=0750,uid=$(id -u netd),gid=$(id -g netd) "
                  "tmpfs /var/lib/netd && cd /var/lib/netd && mkdir mail tasks captures && "
                  "chown netd:netd *")
    try:
        machine.systemctl("start", "netd")
        machine.run("netctl", "task", "add", "early", "1")
        machine.shell("cat /dev/zero >/var/lib/netd/filler 2>/dev/null; true")
        assert machine.smtp(*MAIL)[-1].startswith("452 ")
        assert machine.smtp(*MAIL)[-1].startswith("452 ")
        refused = machine.shell("for i in $(seq 200); do netctl --json task add full-$i "
                                "\"\\\"$(head -c 8000 /dev/zero | tr '\\0' x)\\\"\" || exit 9; done",
                                check=False)
        assert refused.returncode == 9 and "unavailable" in refused.stdout + refused.stderr
        told = machine.journal("-u", "netd", "-o", "cat", "-p", "warning", "-b",
                               "MESSAGE_ID=a77d11b1ac0f4a4f8d7f0c3b5e2c9a07")
        assert len(told.splitlines()) == 1, told
        machine.shell("rm /var/lib/netd/filler")
        assert machine.smtp(*MAIL)[-1].startswith("250 ")
        until(lambda: machine.run("netctl", "task", "add", "late", "1", check=False).returncode == 0,
              "tasks to be taken again")
        machine.run("netctl", "task", "show", "early")
    finally:
        machine.systemctl("stop", "netd")
        machine.run("umount", "/var/lib/netd")
